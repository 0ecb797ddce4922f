"""Losses over classes: cross-entropy, and with it overlap."""

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.losses.masking import known, valid_mean
from streammtl.losses.registry import register_loss
from streammtl.tasks.spec import IGNORE


@register_loss("cross_entropy", takes_logits=True)
def cross_entropy(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean of -log p(class) over labelled pixels.

    Shapes: logits [N,C,H,W]; target [N,1,H,W] class index 0..C-1; index 255 counts as not valid.
    """
    valid = valid & (target != IGNORE)
    per_pixel = F.cross_entropy(logits, known(target, valid)[:, 0].long(), reduction="none")
    return valid_mean(per_pixel[:, None], valid)


def dice(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """1 - 2 sum p y / (sum p + sum y), mean over the classes that the labels of the batch hold.

    Sums run over all labelled pixels of the batch, so that a class counts by its overlap and not by its size. Shapes as
    in cross_entropy.
    """
    valid = valid & (target != IGNORE)
    classes = logits.shape[1]
    probability = torch.softmax(logits, 1).permute(0, 2, 3, 1)[valid[:, 0]]  # [P,C]
    label = target[valid].long()  # [P]
    counts = torch.bincount(label, minlength=classes).to(probability.dtype)
    of_label = probability.gather(1, label[:, None])[:, 0]
    overlap = torch.zeros_like(counts).scatter_add(0, label, of_label)
    missing = 1 - 2 * overlap / (probability.sum(0) + counts).clamp(min=1e-6)
    present = counts > 0
    return torch.where(present, missing, 0.0).sum() / present.sum().clamp(min=1)


@register_loss("cross_entropy_dice", takes_logits=True)
def cross_entropy_dice(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """0.5 cross-entropy + 0.75 Dice. Source: M2H (arXiv 2510.17363), Eq. 14, initial training."""
    return 0.5 * cross_entropy(logits, target, valid) + 0.75 * dice(logits, target, valid)


@register_loss("cross_entropy_dice_late", takes_logits=True)
def cross_entropy_dice_late(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """0.75 cross-entropy + Dice. Source: M2H (arXiv 2510.17363), Eq. 14, fine-tuning."""
    return 0.75 * cross_entropy(logits, target, valid) + dice(logits, target, valid)
