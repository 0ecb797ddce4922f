"""Labels of a map's vertices against the labels of a true surface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from mapping.evaluation.semantics_truth import labelled_points, vertex_labels
from mapping.evaluation.surface import Triangles
from mapping.evaluation.truth import TruePoses, read_camera
from mapping.store.header import LabelSpaceRecord, MapHeader
from streammtl.labels import LabelSpace, label_space
from streammtl.labels.space import VOID

TRUE_SPACE = "nyu40"  # what `label` in a truth's mesh.ply means
SAMPLES = 500_000

REACH_M = 0.05
REACH_VOXELS = 2.0


@dataclass(frozen=True)
class LabelCounts:
    """Points of a true surface by class, i64 [max id + 1] by id of the truth's label space; sums pool several maps.

    A true point is matched when a labelled vertex of the map lies in reach of it; the nearest one speaks for it.
    IoU of a class is tp / (tp + fp + fn) of the counted points: over the matched points alone (`matched`: how good the
    labels are where the map has any), or over all points, where one without a match is missed by its class and claimed
    by none (`all`: how good the labelled map is). The mean is over the classes that the counted points have, accuracy
    is the share of the counted points whose vertex has their class, coverage the share of points that are matched.
    """

    true: np.ndarray  # points of the class
    matched: np.ndarray  # of them, those with a labelled vertex in reach
    correct: np.ndarray  # of them, those whose vertex has the class
    claimed: np.ndarray  # points of any class whose vertex has the class

    def __add__(self, other: LabelCounts) -> LabelCounts:
        pairs = zip(self._parts(), other._parts(), strict=True)
        return LabelCounts(*(mine + theirs for mine, theirs in pairs))

    def _parts(self) -> tuple[np.ndarray, ...]:
        return self.true, self.matched, self.correct, self.claimed

    @property
    def coverage(self) -> float:
        return _share(self.matched.sum(), self.true.sum())

    def iou(self, matched_only: bool) -> np.ndarray:
        """f64 [max id + 1] in 0..1; 0 for a class that no counted point has or is given."""
        points = self.matched if matched_only else self.true
        return self.correct / np.maximum(points + self.claimed - self.correct, 1)

    def miou(self, matched_only: bool) -> float:
        """Mean over the classes that the counted points have; 0 where nothing is counted."""
        present = (self.matched if matched_only else self.true) > 0
        return float(self.iou(matched_only)[present].mean()) if present.any() else 0.0

    def accuracy(self, matched_only: bool) -> float:
        return _share(self.correct.sum(), (self.matched if matched_only else self.true).sum())

    def as_dict(self, space: LabelSpace) -> dict[str, Any]:
        """For JSON, with the counts of each class that points have or are given, by name."""
        shown = [i for i in space.ids if i != VOID and self.true[i] + self.claimed[i]]
        return {
            "label_space": space.name,
            "points": int(self.true.sum()),
            "coverage": self.coverage,
            "matched": {"miou": self.miou(True), "accuracy": self.accuracy(True)},
            "all": {"miou": self.miou(False), "accuracy": self.accuracy(False)},
            "classes": {
                space.name_of(i): {
                    "iou_matched": float(self.iou(True)[i]),
                    "iou_all": float(self.iou(False)[i]),
                    **{name: int(getattr(self, name)[i]) for name in ("true", "matched", "correct", "claimed")},
                }
                for i in shown
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], space: LabelSpace) -> LabelCounts:
        """The counts out of what as_dict gave."""
        counts = cls(*np.zeros((4, max(space.ids) + 1), np.int64))
        for name, values in data["classes"].items():
            for kind, array in zip(("true", "matched", "correct", "claimed"), counts._parts(), strict=True):
                array[space.id_of(name)] = values[kind]
        return counts


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0


def count_labels(
    points: np.ndarray, labels: np.ndarray, vertices: np.ndarray, vertex_labels: np.ndarray, reach_m: float, size: int
) -> LabelCounts:
    """Counts over true points [N,3] with ids [N] and vertices of a map [M,3] with ids [M] in the truth's label space.

    Points with id 0 do not count. Vertices with id 0 are as good as absent; an id below 0 stands for a class that the
    truth's label space does not have, and is wrong wherever it is met. size: the largest id + 1. Both surfaces in one
    world, metres.
    """
    points, labels = points[labels != VOID], labels[labels != VOID].astype(np.int64)
    vertices, vertex_labels = vertices[vertex_labels != VOID], vertex_labels[vertex_labels != VOID].astype(np.int64)
    if len(points) and len(vertices):
        distances, nearest = cKDTree(vertices).query(points, distance_upper_bound=reach_m)
        matched = np.isfinite(distances)
        given = vertex_labels[nearest[matched]]
    else:
        matched, given = np.zeros(len(points), dtype=bool), np.zeros(0, np.int64)
    wanted = labels[matched]
    groups = (labels, wanted, wanted[given == wanted], given[given > VOID])
    return LabelCounts(*(np.bincount(group, minlength=size) for group in groups))


def truth_ids(record: LabelSpaceRecord, truth: LabelSpace) -> np.ndarray:
    """Table i64 [max id + 1] from a map's ids to the truth's: by the mapping that the map holds, else by class names.

    0 stays 0; a class without a counterpart becomes -1.
    """
    table = np.full(max(record.ids, default=0) + 1, -1)
    by_name = {name.lower(): i for name, i in zip(truth.names, truth.ids, strict=True) if i != VOID}
    others = record.mappings.get(truth.name) if record.name != truth.name else None
    targets = others or [by_name.get(name.lower(), VOID) for name in record.names]
    for source, target in zip(record.ids, targets, strict=True):
        table[source] = target or -1
    table[VOID] = VOID
    return table


def semantics(
    header: MapHeader,
    labels: np.ndarray,
    placed: Mapping[str, Triangles],
    scale: float,
    folder: Path,
    poses: TruePoses,
    found: tuple[Triangles, str],
) -> dict[str, Any] | None:
    """Figures of a map's labels by name of the alignment in `placed`; None where the map or the truth has no labels.

    labels [M]: of the map's vertices, which `placed` has in the true world. 500,000 points are spread over the true
    surface; those that a true camera saw and that have a label count. Reach: 5 cm, or 2 voxels where these are more
    (scale: what alignment made of a unit of the map). The truth is `found`, with the vertex property `label` (NYU-40
    id) in its mesh.ply. For the figures see LabelCounts; for the labels of the map see truth_ids.
    """
    surface, origin = found
    true = vertex_labels(folder / origin) if origin == "mesh.ply" else None
    if header.label_space is None or true is None or not (folder / "intrinsics.json").is_file():
        return None
    space = label_space(TRUE_SPACE)
    points, ids = labelled_points(surface, true, poses.T_world_cam, read_camera(folder)[0], SAMPLES)
    if not (ids != VOID).any():
        return None
    given = truth_ids(header.label_space, space)[labels]
    reach_m = max(REACH_M, REACH_VOXELS * header.voxel_size_m * scale)
    counts = {
        name: count_labels(points, ids, at.vertices, given, reach_m, max(space.ids) + 1) for name, at in placed.items()
    }
    return {"reach_m": reach_m, **{name: counted.as_dict(space) for name, counted in counts.items()}}
