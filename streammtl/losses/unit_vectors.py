"""Losses of directions. Predictions are normalised here, so raw outputs and unit vectors give the same."""

import torch
from torch import Tensor

from streammtl.geometry import unit
from streammtl.losses.masking import known, valid_mean
from streammtl.losses.registry import register_loss


@register_loss("unit_l1")
def unit_l1(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Sum of |p - y| over the three channels, mean over valid pixels. Source: InvPT and SAK."""
    difference = unit(prediction) - known(target, valid)
    return valid_mean(difference.abs(), valid)


@register_loss("cosine")
def cosine(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean of 1 - cos(p, y) over valid pixels. Source: M2H."""
    similarity = (unit(prediction) * unit(known(target, valid))).sum(1, keepdim=True)
    return valid_mean(torch.ones_like(similarity) - similarity, valid)
