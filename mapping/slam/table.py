"""Columns of equal length under one name: how a tracker holds what it knows, so that its state is plain arrays."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np


class Table:
    """Rows of plain NumPy columns. Subclasses name the columns, with their type and the shape of one row."""

    columns: ClassVar[dict[str, tuple[str, tuple[int, ...]]]] = {}

    def __init__(self) -> None:
        for name, (dtype, shape) in self.columns.items():
            setattr(self, name, np.zeros((0, *shape), dtype))

    def __len__(self) -> int:
        return len(getattr(self, next(iter(self.columns))))

    def append(self, **rows: np.ndarray | float) -> None:
        """Adds rows; a value of one row's shape fills its column. At least one column must be an array of rows."""
        count = max(len(rows[name]) for name, (_, shape) in self.columns.items() if np.ndim(rows[name]) > len(shape))
        for name, (dtype, shape) in self.columns.items():
            added = np.broadcast_to(np.asarray(rows[name], dtype), (count, *shape))
            setattr(self, name, np.concatenate([getattr(self, name), added]))

    def keep(self, mask: np.ndarray) -> None:
        """Drops the rows where mask is False."""
        if not mask.all():
            for name in self.columns:
                setattr(self, name, getattr(self, name)[mask])

    def to_arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Copies of the columns, named prefix.column."""
        return {f"{prefix}.{name}": getattr(self, name).copy() for name in self.columns}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], prefix: str) -> Self:
        """Inverse of to_arrays."""
        table = cls()
        for name, (dtype, _) in cls.columns.items():
            setattr(table, name, np.array(arrays[f"{prefix}.{name}"], dtype=dtype))
        return table
