"""Places: keyframes remembered by their looks, so that a camera that is lost or comes back knows where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from mapping.slam.table import Table

_PATCH_PX = 31.0
_CELL_BITS = (5, 42, 79)  # of a descriptor: they say in which of 8 cells it is pooled
_POOLED = 256 << len(_CELL_BITS)


@dataclass
class Features:
    """Points of one image and their looks."""

    uv: np.ndarray  # f64 [N,2] image pixels
    descriptors: np.ndarray  # u8 [N,32]
    rows: np.ndarray  # i64 [N] which of the points asked for


def describe(grey: np.ndarray, uv: np.ndarray) -> Features:
    """Binary descriptors of u8 [H,W] around the pixels uv f64 [N,2]; those too near to the border have none.

    Cameras are held upright, so descriptors are not turned. Source: Rublee et al., ORB, ICCV 2011.
    """
    points = [cv2.KeyPoint(float(x), float(y), _PATCH_PX, 0.0, 0.0, 0, i) for i, (x, y) in enumerate(uv.tolist())]
    kept, descriptors = cv2.ORB_create().compute(grey, points)
    rows = np.array([point.class_id for point in kept], int)
    return Features(uv[rows], descriptors if len(rows) else np.zeros((0, 32), np.uint8), rows)


def pool(descriptors: np.ndarray) -> np.ndarray:
    """All descriptors u8 [N,32] of an image in one vector f32 [2048] of length 1; similar images have similar ones.

    Bits count as +-1 and are summed in cells that three of them name, square roots of the sums keep frequent looks
    from outweighing all others. After Jegou et al., Aggregating Local Image Descriptors, PAMI 2012, with fixed cells.
    """
    bits = np.unpackbits(descriptors, axis=1)
    cells = bits[:, _CELL_BITS] @ (1 << np.arange(len(_CELL_BITS)))
    sums = np.zeros((1 << len(_CELL_BITS), 256), np.float32)
    for cell in range(len(sums)):
        mine = bits[cells == cell]
        sums[cell] = 2.0 * mine.sum(axis=0, dtype=np.float32) - len(mine)
    pooled = (np.sign(sums) * np.sqrt(np.abs(sums))).ravel()
    return pooled / max(float(np.linalg.norm(pooled)), 1e-9)


@dataclass
class Place:
    """A keyframe with the landmarks it saw. The landmarks hang on it: when it moves, they move along."""

    index: int  # of its frame
    component: int  # changes when components are joined
    T_world_cam: np.ndarray  # f64 [4,4]
    uv: np.ndarray  # f32 [N,2] ideal pixels of the landmarks
    xyz: np.ndarray  # f32 [N,3] landmarks in its camera's axes
    descriptors: np.ndarray  # u8 [N,32]
    pooled: np.ndarray  # f32 [2048]


class Loops(Table):
    """Places that were seen from later ones."""

    columns: ClassVar = {
        "place": ("i8", ()),  # frame index of the earlier place,
        "seen_from": ("i8", ()),  # and of the later one
        "S_place_later": ("f8", (4, 4)),  # a similarity, where lengths are no metres
    }


class Places:
    """Places of all components, by rising frame index; at most `most`, thinned out where they lie densest."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.all: list[Place] = []
        self.loops = Loops()

    def __len__(self) -> int:
        return len(self.all)

    @property
    def index(self) -> np.ndarray:
        """i64 [N] frame indices."""
        return np.array([place.index for place in self.all], np.int64)

    @property
    def component(self) -> np.ndarray:
        """i64 [N]"""
        return np.array([place.component for place in self.all], np.int64)

    @property
    def T_world_cam(self) -> np.ndarray:
        """f64 [N,4,4]"""
        return np.array([place.T_world_cam for place in self.all]).reshape(-1, 4, 4)

    def add(self, place: Place) -> None:
        """Remembers a place; its frame is later than those of all others."""
        self.all.append(place)
        if len(self.all) > self.most:
            centres = self.T_world_cam[:, :3, 3]
            around = np.linalg.norm(centres[2:] - centres[:-2], axis=1)  # between the neighbours of each inner place
            around[self.component[2:] != self.component[:-2]] = np.inf
            del self.all[1 + int(np.argmin(around))]
            known = self.index
            self.loops.keep(np.isin(self.loops.place, known) & np.isin(self.loops.seen_from, known))

    def alike(self, pooled: np.ndarray, count: int, among: np.ndarray) -> list[Place]:
        """Up to `count` places of those marked in bool [N], the most alike first."""
        rows = np.flatnonzero(among)
        score = np.array([self.all[row].pooled @ pooled for row in rows])
        return [self.all[row] for row in rows[np.argsort(-score, kind="stable")[:count]]]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything as plain arrays; pooled vectors follow from the descriptors."""
        return {
            **self.loops.to_arrays("places.loops"),
            "places.index": self.index,
            "places.component": self.component,
            "places.T_world_cam": self.T_world_cam,
            "places.count": np.array([len(place.uv) for place in self.all], np.int64),
            "places.uv": np.concatenate([np.zeros((0, 2), np.float32)] + [place.uv for place in self.all]),
            "places.xyz": np.concatenate([np.zeros((0, 3), np.float32)] + [place.xyz for place in self.all]),
            "places.descriptors": np.concatenate(
                [np.zeros((0, 32), np.uint8)] + [place.descriptors for place in self.all]
            ),
        }

    def from_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Takes over what to_arrays gave."""
        self.all, self.loops = [], Loops.from_arrays(arrays, "places.loops")
        ends = np.cumsum(arrays["places.count"])
        for row, (end, count) in enumerate(zip(ends.tolist(), arrays["places.count"].tolist(), strict=True)):
            mine = slice(end - count, end)
            uv, xyz, descriptors = (np.array(arrays[f"places.{name}"][mine]) for name in ("uv", "xyz", "descriptors"))
            numbers = (int(arrays[f"places.{name}"][row]) for name in ("index", "component"))
            T_world_cam = np.array(arrays["places.T_world_cam"][row])
            self.all.append(Place(*numbers, T_world_cam, uv, xyz, descriptors, pool(descriptors)))
