"""Several sources of footage as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streammtl.data.footage import Footage, FootageSource


class Mixture:
    """Each sample comes from one of the sources, drawn by share; what a source has no labels of stays unlabelled."""

    def __init__(self, sources: Sequence[FootageSource], shares: Sequence[float]) -> None:
        self._sources = tuple(sources)
        self._shares = np.asarray(shares, np.float64) / np.sum(shares)

    def __len__(self) -> int:
        return sum(len(source) for source in self._sources)

    def draw(self, rng: np.random.Generator) -> Footage:
        """Raises: DataError."""
        return self._sources[int(rng.choice(len(self._sources), p=self._shares))].draw(rng)
