"""Boundary quality: odsF and oisF, with thinned boundaries matched one to one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from mapping.evaluation.matching import maximum_matching
from mapping.evaluation.ridges import ridges
from mapping.evaluation.thinning import thinned
from streammtl.errors import ShapeError
from streammtl.metrics.registry import MetricKind, check_shapes, counted, register_metric

if TYPE_CHECKING:
    from torch import Tensor

THRESHOLDS = np.arange(1, 100) / 100


@dataclass(frozen=True)
class BoundaryProtocol:
    """What counts as found. Data sets and papers differ: never compare figures across protocols."""

    max_distance: float = 0.011  # of the image diagonal: NYUv2; PASCAL-Context and BSDS use 0.0075
    smooth: bool = True  # SAK blurs before suppression; InvPT does not
    radius: int = 4  # px, of the suppression: SAK 4, InvPT 1; 0: none, for maps that hold lines already


@dataclass(frozen=True)
class BoundaryCounts:
    """Pixels of one image (or the sum over many) per threshold, each i64 [99]."""

    truth_found: np.ndarray
    truth: np.ndarray
    prediction_right: np.ndarray
    prediction: np.ndarray

    def __add__(self, other: BoundaryCounts) -> BoundaryCounts:
        return BoundaryCounts(*(a + b for a, b in zip(self.rows(), other.rows(), strict=True)))

    def rows(self) -> tuple[np.ndarray, ...]:
        return self.truth_found, self.truth, self.prediction_right, self.prediction

    @property
    def f(self) -> np.ndarray:
        """F = 2 P R / (P + R) per threshold, f64 [99]; 0 where nothing was found."""
        recall = self.truth_found / np.maximum(self.truth, 1)
        precision = self.prediction_right / np.maximum(self.prediction, 1)
        return 2 * precision * recall / np.maximum(precision + recall, 1e-12)


def count_boundaries(
    probability: np.ndarray, truths: Sequence[np.ndarray], protocol: BoundaryProtocol | None = None
) -> BoundaryCounts:
    """Matches the boundaries of one image at 99 thresholds with those of one or several people.

    The map is rounded to 8 bits, suppressed to ridges, cut at 0.01 .. 0.99 and thinned; a predicted pixel and a true
    one may match when they are at most max_distance * diagonal apart, each at most once. A predicted pixel is right
    when it matches anybody; every person's pixels are to be found.

    Shapes: probability f32 [H,W] in 0..1; truths bool [H,W] each. Raises: ShapeError.
    Source: Martin et al. 2004 and the BSDS benchmark. A re-implementation: published figures come from the original
    code, whose matching also minimises distances, so differences below one point mean nothing.
    """
    protocol = protocol or BoundaryProtocol()
    if not truths or any(truth.shape != probability.shape for truth in truths):
        raise ShapeError(f"boundaries of shape {probability.shape} need at least one truth of the same shape.")
    reach_px = protocol.max_distance * math.hypot(*probability.shape)
    rounded = np.round(probability * 255) / 255
    strength = ridges(rounded, protocol.smooth, protocol.radius) if protocol.radius else rounded
    candidates = np.flatnonzero(strength >= THRESHOLDS[0])
    row_of = np.zeros(strength.size, np.intp)
    row_of[candidates] = np.arange(len(candidates))
    graphs = [_within_reach(candidates, thinned(truth), reach_px) for truth in truths]
    per_threshold: list[tuple[int, ...]] = []
    size_before = -1
    for threshold in THRESHOLDS:
        marked = strength >= threshold
        if (size := np.count_nonzero(marked)) != size_before:
            rows = row_of[np.flatnonzero(thinned(marked))]
            size_before = size
            per_threshold.append(_matched(rows, graphs))
        else:
            per_threshold.append(per_threshold[-1])
    return BoundaryCounts(*np.array(per_threshold, np.int64).T)


def _within_reach(candidates: np.ndarray, truth: np.ndarray, reach_px: float) -> csr_array:
    """Sparse [candidates, true pixels]: which may match. `candidates` are flat indices into `truth`."""
    margin = math.floor(reach_px)
    columns = np.full(truth.shape, -1, np.int32)
    columns[truth] = np.arange(np.count_nonzero(truth))
    padded = np.pad(columns, margin, constant_values=-1)
    rows, at = np.divmod(candidates, truth.shape[1])
    start = (rows + margin) * padded.shape[1] + at + margin
    found_rows, found_columns = [], []
    for dy in range(-margin, margin + 1):
        for dx in range(-margin, margin + 1):
            if dy * dy + dx * dx <= reach_px * reach_px:
                column = padded.reshape(-1)[start + (dy * padded.shape[1] + dx)]
                hit = np.flatnonzero(column >= 0)
                found_rows.append(hit)
                found_columns.append(column[hit])
    where = np.concatenate(found_rows), np.concatenate(found_columns)
    shape = (len(candidates), np.count_nonzero(truth))
    return csr_array((np.ones(len(where[0]), np.int8), where), shape=shape)


def _matched(rows: np.ndarray, graphs: Sequence[csr_array]) -> tuple[int, ...]:
    """Truth found, truth, predictions right, predictions, when the candidates in `rows` are predicted."""
    right = np.zeros(len(rows), bool)
    found = 0
    for graph in graphs:
        match = maximum_matching(graph.indptr, graph.indices, rows, graph.shape[1])
        right |= match >= 0
        found += np.count_nonzero(match >= 0)
    return found, sum(graph.shape[1] for graph in graphs), np.count_nonzero(right), len(rows)


class BoundaryF:
    """odsF (best threshold of the whole set) and oisF (best threshold of each image), in percent."""

    def __init__(self, protocol: BoundaryProtocol | None = None) -> None:
        self.protocol = protocol or BoundaryProtocol()
        self._images: list[BoundaryCounts] = []

    def add(self, counts: BoundaryCounts) -> None:
        """Adds an image counted elsewhere, such as in another process."""
        self._images.append(counts)

    def update(self, prediction: Tensor, target: Tensor, valid: Tensor) -> None:
        """prediction [N,1,H,W] probabilities; target [N,1,H,W], boundary from 0.5 on. Invalid pixels hold none."""
        check_shapes(prediction, target, valid)
        probabilities = (prediction * valid)[:, 0].float().cpu().numpy()
        truths = ((target >= 0.5) & valid)[:, 0].cpu().numpy()
        for probability, truth, mask in zip(probabilities, truths, valid[:, 0].cpu().numpy(), strict=True):
            if mask.any():
                self.add(count_boundaries(probability, [truth], self.protocol))

    def result(self) -> dict[str, float]:
        """Raises: DataError where no image was counted."""
        counted(len(self._images))
        pooled = sum(self._images[1:], self._images[0])
        best = int(pooled.f.argmax())
        at_own_best = [[row[[int(image.f.argmax())]] for row in image.rows()] for image in self._images]
        own = BoundaryCounts(*(np.sum(rows, axis=0) for rows in zip(*at_own_best, strict=True)))
        figures = {"ods_f": 100 * pooled.f[best], "threshold": THRESHOLDS[best], "ois_f": 100 * own.f[0]}
        return {name: float(figure) for name, figure in figures.items()}


register_metric("ods_f", MetricKind(lambda spec: BoundaryF(), headline="ods_f", lower_is_better=False))
