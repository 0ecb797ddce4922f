"""Losses of depth beyond the absolute difference."""

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.losses.masking import known, valid_mean
from streammtl.losses.registry import register_loss

HUBER_DELTA_M = 1.0
GRADIENT_WEIGHT = 0.5
VARIANCE_WEIGHT = 0.5
SMALLEST_M = 1e-3


def gradient_difference(difference: Tensor, valid: Tensor) -> Tensor:
    """Mean of squared forward differences of p - y along columns and rows, where both pixels are valid.

    Source: M2H, the term |grad p - grad y|^2 (u is the column, v the row; the paper's own axes are swapped).
    """
    along_u, both_u = difference[..., 1:] - difference[..., :-1], valid[..., 1:] & valid[..., :-1]
    along_v, both_v = difference[..., 1:, :] - difference[..., :-1, :], valid[..., 1:, :] & valid[..., :-1, :]
    return valid_mean(along_u.square(), both_u) + valid_mean(along_v.square(), both_v)


@register_loss("huber_gradient")
def huber_gradient(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    delta: float = HUBER_DELTA_M,
    gradient_weight: float = GRADIENT_WEIGHT,
) -> Tensor:
    """Huber loss plus `gradient_weight` times the gradient term: indoor depth in metres. Source: M2H."""
    labels = known(target, valid).to(prediction.dtype)
    huber = valid_mean(F.huber_loss(prediction, labels, reduction="none", delta=delta), valid)
    return huber + gradient_weight * gradient_difference(prediction - labels, valid)


@register_loss("scale_invariant_log")
def scale_invariant_log(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    variance_weight: float = VARIANCE_WEIGHT,
    gradient_weight: float = GRADIENT_WEIGHT,
) -> Tensor:
    """mean(d^2) - `variance_weight` mean(d)^2, d = log p - log y, plus the gradient term of d: outdoor depth.

    The second mean is that of each image, since each has a scale of its own; images count by their valid pixels. With
    weight 1 a wrong scale costs nothing. Labels must be positive where valid. Source: M2H, after Eigen et al. 2014.
    """
    logs = prediction.clamp(min=SMALLEST_M).log() - known(target, valid, 1.0).clamp(min=SMALLEST_M).log()
    kept = torch.where(valid, logs, torch.zeros_like(logs))
    counts = valid.sum((1, 2, 3))
    of_images = kept.sum((1, 2, 3)).square() / counts.clamp(min=1)  # n_i mean_i^2
    variance = valid_mean(logs.square(), valid) - variance_weight * of_images.sum() / counts.sum().clamp(min=1)
    return variance + gradient_weight * gradient_difference(logs, valid)
