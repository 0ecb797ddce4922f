"""Depth figures of a whole set: raw, after scaling, of the confident share, and along confidence."""

from __future__ import annotations

import numpy as np
import torch

from streammtl.metrics.depth import DepthErrors

CONFIDENT_SHARES = (0.58, 0.55)
BINS = 10


class DepthFigures:
    """Pools the pixels of all references."""

    def __init__(self, counted_m: tuple[float, float]) -> None:
        self._counted_m = counted_m
        self._raw, self._scaled = DepthErrors(), DepthErrors()
        self._relative: list[np.ndarray] = []
        self._confidence: list[np.ndarray] = []
        self._scales: list[float] = []

    def update(self, predicted: np.ndarray, confidence: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> None:
        """One reference; all [H,W]."""
        low, high = self._counted_m
        keep = valid & (truth > low) & (truth < high)
        if not keep.any():
            return
        p, g = predicted[keep].astype(np.float64), truth[keep].astype(np.float64)
        scale = float(np.median(g) / max(np.median(p), 1e-6))
        _count(self._raw, p, g)
        _count(self._scaled, p * scale, g)
        self._relative.append((np.abs(p - g) / g).astype(np.float32))
        self._confidence.append(confidence[keep].astype(np.float32))
        self._scales.append(scale)

    def result(self) -> dict[str, object]:
        """Figures by name. Raises: DataError where no pixel was counted."""
        raw = self._raw.result()
        relative = np.concatenate(self._relative)
        order = np.argsort(-np.concatenate(self._confidence), kind="stable")
        ranked = relative[order]
        confident = {f"{share:.2f}": float(ranked[: int(share * len(ranked))].mean()) for share in CONFIDENT_SHARES}
        return {
            **raw,
            "median_scaled": self._scaled.result(),
            "abs_rel_confident": confident,
            "abs_rel_by_confidence": [float(part.mean()) for part in np.array_split(ranked, BINS)],
            "median_scale": float(np.median(self._scales)),
            "pixels": len(relative),
        }


def _count(errors: DepthErrors, predicted: np.ndarray, truth: np.ndarray) -> None:
    p, g = (torch.from_numpy(values).view(1, 1, 1, -1) for values in (predicted, truth))
    errors.update(p, g, torch.ones_like(g, dtype=torch.bool))
