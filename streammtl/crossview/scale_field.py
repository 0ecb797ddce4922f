"""How far a network's depth is off from place to place, as matched depth shows it: the better of both."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CELL = 8  # pixels of a cell of the field, along each side
DEPTH_EDGE = 0.03  # step of log depth between cells over which smoothness falls by e
IMAGE_EDGE = 0.1  # step of grey over which it falls by e
ANCHOR = 1e-3  # pull of every cell towards the mean of the field, where nothing else says anything
OUTLIER = 0.06  # of log depth: a match this far off the field counts half
ROUNDS = 5  # of weighing the matches anew
STEPS = 20  # of conjugate gradients a round, each of which begins where the last one came to
SOLVED = 1e-10  # share of the first residual's energy below which rounding is all that is left
UNMATCHED = 0.15  # of log depth: how far off a field without matches is taken to be
UNMATCHED_WEIGHT = 0.05

# Logistic regression of "depth is within 5 % of the truth" on log deviation and the logit of the network's confidence,
# in generated validation rooms.
CONFIDENCE_WEIGHTS = (-2.44, 0.84)
CONFIDENCE_BIAS = -4.78


def corrected_by_matches(
    depth: Tensor, confidence: Tensor, matched: Tensor, match_confidence: Tensor, grey: Tensor
) -> tuple[Tensor, Tensor]:
    """A network's depth, times a smooth field that takes it to the matched depth, and its confidence.

    One view knows shapes well and sizes badly; matches know both where there is texture, and nothing elsewhere. The log
    of the field is the smoothest that agrees with log(matched / depth), each pixel weighed by its match's confidence
    and, over a few rounds, by how well it agrees; it may jump where the network's depth or the image does. Confidence
    estimates the probability that depth is within 5 % of the truth: from how far off matches nearby are, after the
    correction, and the network's own.

    Shapes: all [H,W], sides multiples of CELL; matched of any confidence, where that is 0 it does not count.
    Source: weighted least squares on a grid as in Farbman et al., Edge-preserving decompositions (2008), Eq. 3-5, with
    the robust weights of a Cauchy loss.
    """
    log_depth = depth.log()
    off = matched.log() - log_depth
    rows, columns = _conductances(_pooled(log_depth), _pooled(grey))
    weights, field = match_confidence, None
    for _ in range(ROUNDS):
        mass, pull = _pooled(weights), _pooled(weights * off)
        mean = pull.sum() / (mass.sum() + 1.0)  # less than one cell's worth of matches says little about all of it
        start = mean.expand_as(pull) if field is None else field
        field = solve_on_grid(mass + ANCHOR, rows, columns, pull + ANCHOR * mean, start)
        deviation = off - _enlarged(field)
        weights = match_confidence / (1.0 + (deviation / OUTLIER).square())
    mass = _pooled(match_confidence)
    pull = _pooled(match_confidence * deviation.abs().clamp(max=2 * UNMATCHED)) + UNMATCHED_WEIGHT * UNMATCHED
    nearby = _enlarged(solve_on_grid(mass + UNMATCHED_WEIGHT, rows, columns, pull, torch.full_like(field, UNMATCHED)))
    logit = torch.logit(confidence, eps=0.005)
    logit = CONFIDENCE_WEIGHTS[0] * (nearby + 0.01).log() + CONFIDENCE_WEIGHTS[1] * logit + CONFIDENCE_BIAS
    return (log_depth + _enlarged(field)).exp(), torch.sigmoid(logit)


def _pooled(x: Tensor) -> Tensor:
    return F.avg_pool2d(x[None, None], CELL)[0, 0]


def _enlarged(x: Tensor) -> Tensor:
    return F.interpolate(x[None, None], scale_factor=CELL, mode="bilinear", align_corners=False)[0, 0]


def _conductances(log_depth: Tensor, grey: Tensor) -> tuple[Tensor, Tensor]:
    """How much neighbouring cells of [h,w] ought to agree: down [h-1,w] and across [h,w-1]."""
    down, across = (
        torch.exp(-log_depth.diff(dim=axis).abs() / DEPTH_EDGE - grey.diff(dim=axis).abs() / IMAGE_EDGE)
        for axis in (0, 1)
    )
    return down, across


def solve_on_grid(
    diagonal: Tensor, down: Tensor, across: Tensor, right: Tensor, start: Tensor, steps: int = STEPS
) -> Tensor:
    """x [h,w] for which diagonal·x plus the differences to its neighbours, times conductance, is `right`.

    Conjugate gradients with the diagonal as preconditioner: a fixed number of steps, the same on every device.
    """
    total = diagonal + F.pad(down, (0, 0, 0, 1)) + F.pad(down, (0, 0, 1, 0))
    total += F.pad(across, (0, 1)) + F.pad(across, (1, 0))
    inverse = total.reciprocal()

    def applied(x: Tensor) -> Tensor:
        y = total * x
        y[:-1] -= down * x[1:]
        y[1:] -= down * x[:-1]
        y[:, :-1] -= across * x[:, 1:]
        y[:, 1:] -= across * x[:, :-1]
        return y

    x = start
    residual = right - applied(x)
    direction = inverse * residual
    energy = (residual * direction).sum()
    solved = SOLVED * energy
    for _ in range(steps):
        moved = applied(direction)
        step = torch.where(energy > solved, energy / (direction * moved).sum(), 0.0)
        x = x + step * direction
        residual = residual - step * moved
        preconditioned = inverse * residual
        energy, before = (residual * preconditioned).sum(), energy
        direction = preconditioned + torch.where(before > solved, energy / before, 0.0) * direction
    return x
