"""Absolute difference: depth, motion, albedo, shading."""

from torch import Tensor

from streammtl.losses.masking import known, valid_mean
from streammtl.losses.registry import register_loss


@register_loss("l1")
def l1(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Sum of |p - y| over channels, mean over valid pixels, in the unit of the task."""
    return valid_mean((prediction - known(target, valid)).abs(), valid)
