"""Losses of log depth and of its predicted spread."""

from __future__ import annotations

import torch
from torch import Tensor

from streammtl.losses.masking import valid_mean

GRADIENT_SCALES = (1, 2, 4, 8)  # pixels between those compared
LOG_SCALE_RANGE = (-6.0, 2.0)


def log_error(log_depth: Tensor, depth: Tensor, valid: Tensor) -> Tensor:
    """Predicted minus true log depth [B,1,H,W], 0 where the truth is not known."""
    truth = torch.where(valid, depth, 1.0).clamp(min=1e-3).log()
    return torch.where(valid, log_depth - truth, 0.0)


def gradient_loss(error: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference of the error between pixels 1, 2, 4 and 8 apart, summed over columns and rows.

    Right up to a factor costs nothing: what counts is the shape. Source: after MegaDepth (arXiv 1804.00607), Eq. 4.
    """
    terms = []
    for step in GRADIENT_SCALES:
        along_u, both_u = error[..., step:] - error[..., :-step], valid[..., step:] & valid[..., :-step]
        along_v, both_v = error[..., step:, :] - error[..., :-step, :], valid[..., step:, :] & valid[..., :-step, :]
        terms.append(valid_mean(along_u.abs(), both_u) + valid_mean(along_v.abs(), both_v))
    return torch.stack(terms).mean()


def spread_loss(error: Tensor, log_scale: Tensor, valid: Tensor) -> Tensor:
    """Mean of |e| / b + log b, the negative log likelihood of the error under a Laplace distribution of scale b.

    Only the scale learns from it: depth has its own loss, which an overestimated spread cannot buy off.
    """
    bounded = log_scale.clamp(*LOG_SCALE_RANGE)
    return valid_mean(error.detach().abs() * torch.exp(-bounded) + bounded, valid)
