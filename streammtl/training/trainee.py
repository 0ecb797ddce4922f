"""Kinds of networks, as training sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streammtl.errors import CheckpointError, ConfigError
from streammtl.models.cvm import CrossViewPredictor
from streammtl.models.every_view import every_view_first
from streammtl.models.registry import model_class
from streammtl.models.settings import ModelSettings
from streammtl.models.stablemtl import LatentPredictor, predicted_pictures
from streammtl.stablemtl.autoencoder import PictureAutoencoder
from streammtl.stablemtl.build import build_regressor, tasks_of
from streammtl.stablemtl.codecs import label_codec
from streammtl.stablemtl.diffusion import build_vae
from streammtl.stablemtl.fitting import fitted_to_truth
from streammtl.stablemtl.objectives import autoencoder_terms, label_pictures, latent_terms
from streammtl.stablemtl.wanted import labelled_tasks
from streammtl.tasks.activations import activate
from streammtl.tasks.registry import task_spec
from streammtl.training.network import build_trainee
from streammtl.training.objective import Objective, training_objective
from streammtl.training.settings import ObjectiveSettings
from streammtl.views import ViewBatch

AUTOENCODER = "stablemtl-vae"  # trained before stablemtl-single where no published one is used; predicts nothing
Tasks = Sequence[str]


@dataclass(frozen=True)
class Trainee:
    """How a kind of network is built, what it learns from a batch, and the values of its tasks that are judged.

    Networks run in the precision of the caller's autocast; losses and values are float32.
    """

    build: Callable[[ModelSettings, tuple[str, ...]], nn.Module]
    objective: Callable[[nn.Module, ViewBatch, Tasks, ObjectiveSettings, int], Objective]
    values: Callable[[nn.Module, ViewBatch, Tasks], dict[str, Tensor]]  # {task: [B,C,H,W]} of the reference views
    looks_at_sources: bool = False


def trainee_of(model: str) -> Trainee:
    """The kind of a model, by its name. Raises: ConfigError for one that has nothing to train."""
    if model == AUTOENCODER:
        return Trainee(_build_autoencoder, _autoencoder_objective, _autoencoder_values)
    kind = model_class(model)
    if issubclass(kind, LatentPredictor):
        return Trainee(_build_latent, _latent_objective, _latent_values)
    if issubclass(kind, CrossViewPredictor):
        return Trainee(build_trainee, _cross_view_objective, _cross_view_values, looks_at_sources=True)
    raise ConfigError(f"model {model} has nothing to train; use cvm-lite, cvm, m2h or stablemtl.")


def _cross_view_objective(
    network: nn.Module, batch: ViewBatch, tasks: Tasks, settings: ObjectiveSettings, turn: int
) -> Objective:
    outputs = network(batch, settings.strides, settings.every_view, settings.matching_every_view)
    labelled = every_view_first(batch) if settings.every_view else batch
    with _exact(batch):
        return training_objective(outputs, labelled, settings, turn)


def _cross_view_values(network: nn.Module, batch: ViewBatch, tasks: Tasks) -> dict[str, Tensor]:
    raw = network(batch).raw
    return {task: activate(raw[task].float(), task_spec(task).activation) for task in tasks}


def _build_latent(settings: ModelSettings, tasks: tuple[str, ...]) -> nn.Module:
    multi_stream = model_class(settings.name).multi_stream
    if settings.weights is None and settings.diffusion_folder is None and not settings.allow_untrained:
        raise CheckpointError(
            f"{settings.name} learns in the latents of an autoencoder that is trained already: give "
            f"model.diffusion_folder, or model.weights of a training of {AUTOENCODER}."
        )
    if multi_stream and not settings.allow_untrained and (settings.weights is None or not tasks_of(settings.weights)):
        raise CheckpointError("stablemtl learns on from stablemtl-single: give model.weights of a training of that.")
    return build_regressor(settings, tasks, multi_stream)


def _latent_objective(
    network: nn.Module, batch: ViewBatch, tasks: Tasks, settings: ObjectiveSettings, turn: int
) -> Objective:
    return Objective(*latent_terms(network, batch, tasks))


def _latent_values(network: nn.Module, batch: ViewBatch, tasks: Tasks) -> dict[str, Tensor]:
    return _decoded(predicted_pictures(network, batch, tuple(tasks)), batch)


def _build_autoencoder(settings: ModelSettings, tasks: tuple[str, ...]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return PictureAutoencoder(build_vae(settings.diffusion_folder, pretrained=True))


def _autoencoder_objective(
    network: nn.Module, batch: ViewBatch, tasks: Tasks, settings: ObjectiveSettings, turn: int
) -> Objective:
    return Objective(*autoencoder_terms(network, batch, tasks))


def _autoencoder_values(network: nn.Module, batch: ViewBatch, tasks: Tasks) -> dict[str, Tensor]:
    """The truth as it comes back, which no prediction can be better than; of samples with that label."""
    wanted = labelled_tasks(batch, tasks)
    back = network(label_pictures(batch, wanted)[0])[0].float()
    found = {}
    for task in dict.fromkeys(wanted.tasks):
        rows = wanted.rows(task)
        found[task] = back.new_zeros(batch.images.shape[0], *back.shape[1:])
        found[task][wanted.samples[rows]] = back[rows]
    return _decoded(found, batch)


def _decoded(pictures: dict[str, Tensor], batch: ViewBatch) -> dict[str, Tensor]:
    with _exact(batch):
        values = {task: label_codec(task_spec(task)).decode(picture) for task, picture in pictures.items()}
        return fitted_to_truth(values, batch)


def _exact(batch: ViewBatch) -> torch.autocast:
    return torch.autocast(batch.images.device.type, enabled=False)
