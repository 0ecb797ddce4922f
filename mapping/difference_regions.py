"""Changed points of two maps as regions: which hang together, and which are one thing at two places."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

MOST_MOVED_M = 5.0
LIKE_AREA = 0.5  # of two areas the smaller, as a share of the greater
LIKE_SHAPE = 0.7  # share of points that fall on the other region once it is shifted


@dataclass(frozen=True)
class Region:
    """One connected piece of changed surface. Points in metres, in the world of the first map."""

    kind: str  # appeared, disappeared, moved
    points: np.ndarray  # f64 [N,3]
    area_m2: float
    label: str  # what most of it is; empty without labels
    moved_by_m: np.ndarray | None = None  # f64 [3]; its points are those of the old place

    @property
    def centre(self) -> np.ndarray:
        """The mean of its points, f64 [3]."""
        return self.points.mean(axis=0)

    def as_dict(self) -> dict[str, Any]:
        box = {"low": self.points.min(axis=0), "high": self.points.max(axis=0), "centre": self.centre}
        result = {"kind": self.kind, "label": self.label, "area_m2": round(self.area_m2, 4)}
        result |= {name: [round(float(x), 4) for x in values] for name, values in box.items()}
        if self.moved_by_m is not None:
            result["moved_by_m"] = [round(float(x), 4) for x in self.moved_by_m]
        return result


def regions_of(
    kind: str,
    points: np.ndarray,
    areas_m2: np.ndarray,
    labels: np.ndarray,
    changed: np.ndarray,
    reach_m: float,
    names: dict[int, str],
) -> list[Region]:
    """The changed ones of points f64 [N,3] as regions whose points lie within `reach_m` of each other."""
    rows = np.flatnonzero(changed)
    if not len(rows):
        return []
    cells, cell_of = np.unique(np.floor(points[rows] / reach_m).astype(np.int64), axis=0, return_inverse=True)
    pairs = cKDTree(cells).query_pairs(np.sqrt(3) + 1e-6, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs), bool), pairs.T), (len(cells), len(cells)))
    region_of = connected_components(graph, directed=False)[1][cell_of.ravel()]
    order = np.argsort(region_of, kind="stable")
    parts = np.split(rows[order], np.flatnonzero(np.diff(region_of[order])) + 1)
    return [
        Region(kind, points[part].astype(np.float64), float(areas_m2[part].sum()), _label(labels[part], names))
        for part in parts
    ]


def _label(ids: np.ndarray, names: dict[int, str]) -> str:
    counts = np.bincount(ids)
    counts[0] = 0  # 0 = no label
    return names.get(int(counts.argmax()), "") if counts.any() else ""


def match_moved(lost: list[Region], found: list[Region], margin_m: float) -> list[Region]:
    """Regions lost at one place and found at another with the same label and shape become one that moved."""
    pairs = sorted(
        ((_likeness(old, new, margin_m), i, j) for i, old in enumerate(lost) for j, new in enumerate(found)),
        key=lambda pair: (-pair[0], pair[1:]),
    )
    moved, taken_old, taken_new = [], set(), set()
    for likeness, i, j in pairs:
        if likeness < LIKE_SHAPE or i in taken_old or j in taken_new:
            continue
        taken_old.add(i)
        taken_new.add(j)
        moved.append(replace(lost[i], kind="moved", moved_by_m=found[j].centre - lost[i].centre))
    left = [region for i, region in enumerate(lost) if i not in taken_old]
    return moved + left + [region for j, region in enumerate(found) if j not in taken_new]


def _likeness(old: Region, new: Region, margin_m: float) -> float:
    """Share of the points of either that lie on the other once their centres coincide; 0 where they cannot be one."""
    shift = new.centre - old.centre
    areas = sorted((old.area_m2, new.area_m2))
    if old.label != new.label or areas[0] < LIKE_AREA * areas[1] or np.linalg.norm(shift) > MOST_MOVED_M:
        return 0.0
    shifted = old.points + shift
    there = (cKDTree(new.points).query(shifted)[0] <= margin_m).mean()
    back = (cKDTree(shifted).query(new.points)[0] <= margin_m).mean()
    return float(min(there, back))
