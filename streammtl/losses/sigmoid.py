"""Losses of one logit per pixel: boundaries and saliency."""

import torch.nn.functional as F
from torch import Tensor

from streammtl.losses.masking import known, valid_mean
from streammtl.losses.registry import register_loss

BOUNDARY_WEIGHT = 0.95


@register_loss("weighted_bce", takes_logits=True)
def weighted_bce(logits: Tensor, target: Tensor, valid: Tensor, positive_weight: float = BOUNDARY_WEIGHT) -> Tensor:
    """Mean of -w y log s - (1 - w) (1 - y) log(1 - s), s the sigmoid: boundaries, of which there are few.

    Shapes: logits, target (0..1) [N,1,H,W]. Source: InvPT and SAK on NYUv2, w = 0.95.
    """
    labels = known(target, valid).to(logits.dtype)
    positive = labels * F.softplus(-logits)
    negative = (1 - labels) * F.softplus(logits)
    return valid_mean(positive_weight * positive + (1 - positive_weight) * negative, valid)


@register_loss("bce", takes_logits=True)
def bce(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean of -y log s - (1 - y) log(1 - s), s the sigmoid. Source: M2H, for boundaries."""
    return 2 * weighted_bce(logits, target, valid, positive_weight=0.5)


@register_loss("balanced_cross_entropy", takes_logits=True)
def balanced_cross_entropy(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """As `weighted_bce` with w the fraction of negatives among the valid pixels of the batch.

    Two-class cross-entropy with class weights (1 - w, w) is the same thing, the logit being the difference of the two.
    Labels of at least 0.5 are positive. Source: InvPT and SAK on PASCAL-Context.
    """
    labels = (known(target, valid) >= 0.5).to(logits.dtype)
    return weighted_bce(logits, labels, valid, positive_weight=valid_mean(1 - labels, valid))
