"""What latent networks learn: one loss for all tasks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.losses.masking import valid_mean
from streammtl.stablemtl.codecs import label_codec
from streammtl.stablemtl.wanted import Wanted, known_labels, labelled_tasks
from streammtl.tasks.registry import task_spec
from streammtl.views import ViewBatch

DIVERGENCE_WEIGHT = 1e-3  # of the autoencoder's latents from unit normal ones; enough to keep them of size 1


def latent_terms(network: nn.Module, batch: ViewBatch, tasks: Sequence[str]) -> tuple[Tensor | None, dict[str, Tensor]]:
    """Mean squared error of latents over what is labelled, of all tasks in the batch alike, and its share by task.

    The total is None where nothing is labelled. A latent counts where all pixels under it are labelled.
    Source: StableMTL (arXiv 2506.08013), Eq. 1; the mask as in its released code.
    """
    wanted = labelled_tasks(batch, tasks)
    if not wanted.tasks:
        return None, {}
    inner = getattr(network, "module", network)  # what DistributedDataParallel wraps
    pictures, known = label_pictures(batch, wanted)
    error = (network(batch, wanted).float() - inner.encoded(pictures).float()).square().mean(1, keepdim=True)
    known = whole_latents(known, inner.stride)
    if not known.any():
        return None, {}
    of_task = {task: wanted.rows(task) for task in dict.fromkeys(wanted.tasks)}
    terms = {task: valid_mean(error[rows], known[rows]).detach() for task, rows in of_task.items()}
    return valid_mean(error, known), terms


def autoencoder_terms(network: nn.Module, batch: ViewBatch, tasks: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean absolute error of pictures of the reference views and of their labels, and the divergence of latents."""
    wanted = labelled_tasks(batch, tasks)
    pictures = torch.cat((2 * batch.images[:, 0] - 1, label_pictures(batch, wanted)[0]))
    back, divergence = network(pictures)
    error = (back.float() - pictures).abs().mean()
    return error + DIVERGENCE_WEIGHT * divergence, {"pictures": error.detach(), "divergence": divergence.detach()}


def label_pictures(batch: ViewBatch, wanted: Wanted) -> tuple[Tensor, Tensor]:
    """Pictures [P,3,H,W] of the wanted labels, and where they are known, bool [P,1,H,W]. Pairs come task by task."""
    pictures = [batch.images.new_zeros(0, 3, *batch.images.shape[-2:])]
    known = [pictures[0][:, :1].bool()]
    for task in dict.fromkeys(wanted.tasks):
        samples = wanted.samples[wanted.rows(task)]
        known.append(known_labels(batch, task)[samples])
        pictures.append(label_codec(task_spec(task)).encode(batch.targets[task][samples, 0], known[-1]))
    return torch.cat(pictures), torch.cat(known)


def whole_latents(known: Tensor, stride: int) -> Tensor:
    """bool [P,1,h,w] of bool [P,1,H,W]: latents under which all pixels are known."""
    return F.max_pool2d((~known).float(), stride) == 0
