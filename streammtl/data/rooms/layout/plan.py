"""Outlines of rooms and their walls."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

# Inner sizes in metres: width from..to, depth from..to.
SIZES = {
    "kitchen": ((2.3, 4.4), (2.6, 5.0)),
    "office": ((2.7, 6.5), (3.0, 6.5)),
    "bathroom": ((1.8, 3.4), (2.0, 3.8)),
    "bedroom": ((2.8, 4.8), (3.0, 5.0)),
    "living": ((3.2, 5.8), (3.4, 6.0)),
    "classroom": ((5.5, 8.5), (5.5, 8.5)),
    "corridor": ((1.3, 2.2), (4.5, 9.0)),
    "breakroom": ((3.3, 6.0), (3.8, 7.0)),
}
KINDS = tuple(SIZES)
L_SHAPED_SHARE = 0.22


@dataclass
class Wall:
    """A straight wall between two corners of the outline; the room lies to its left. `taken`: from, to, low, high."""

    start: np.ndarray  # f64 [2]
    end: np.ndarray  # f64 [2]
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    @property
    def length(self) -> float:
        """Metres."""
        return float(np.linalg.norm(self.end - self.start))

    @property
    def along(self) -> np.ndarray:
        """Unit vector from start to end."""
        return (self.end - self.start) / self.length

    @property
    def inward(self) -> np.ndarray:
        """Unit normal into the room."""
        return np.array([-self.along[1], self.along[0]])

    @property
    def yaw(self) -> float:
        """Turn of a piece (front +y) that stands with its back to this wall."""
        return float(np.arctan2(self.inward[1], self.inward[0]) - np.pi / 2)

    def at(self, distance: float, off: float = 0.0) -> np.ndarray:
        """Point at a distance along the wall, `off` metres into the room."""
        return self.start + distance * self.along + off * self.inward

    def free(self, low: float, high: float, z0: float, z1: float) -> bool:
        """Whether nothing has taken this stretch at this height yet."""
        if low < 0 or high > self.length:
            return False
        return not any(low < b and a < high and z0 < d and c < z1 for a, b, c, d in self.taken)

    def free_spans(self, z0: float, z1: float, margin: float = 0.02) -> list[tuple[float, float]]:
        """Stretches (from, to) of at least 0.3 m that nothing has taken at this height, longest first."""
        cuts = sorted((a, b) for a, b, c, d in self.taken if z0 < d and c < z1)
        spans, at = [], margin
        for a, b in cuts:
            spans.append((at, a - margin))
            at = max(at, b + margin)
        spans.append((at, self.length - margin))
        return sorted((s for s in spans if s[1] - s[0] >= 0.3), key=lambda s: s[0] - s[1])


def outline(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Corners f64 [P,2] of a floor, counter-clockwise, one corner of the bounding box at the origin."""
    (w0, w1), (d0, d1) = SIZES[kind]
    width, depth = rng.uniform(w0, w1), rng.uniform(d0, d1)
    if rng.random() < 0.5:
        width, depth = depth, width
    share = 0.45 if kind == "corridor" else L_SHAPED_SHARE
    if rng.random() >= share or kind == "bathroom":
        return np.array([[0, 0], [width, 0], [width, depth], [0, depth]])
    if kind == "corridor":
        width, depth = rng.uniform(3.5, 7.0, 2)
        arm_x, arm_y = rng.uniform(1.3, 2.1, 2)
        points = np.array([[0, 0], [width, 0], [width, arm_y], [arm_x, arm_y], [arm_x, depth], [0, depth]])
    else:
        width, depth = width * 1.15, depth * 1.15
        notch_x, notch_y = rng.uniform(0.25, 0.5) * width, rng.uniform(0.25, 0.5) * depth
        points = np.array(
            [
                [0, 0],
                [width, 0],
                [width, depth - notch_y],
                [width - notch_x, depth - notch_y],
                [width - notch_x, depth],
                [0, depth],
            ]
        )
    for _ in range(int(rng.integers(0, 4))):
        points = np.stack([points[:, 1].max() - points[:, 1], points[:, 0]], axis=1)
    return points


def walls_of(floor: np.ndarray) -> list[Wall]:
    """One wall for each edge of the outline."""
    return [Wall(a, b) for a, b in zip(floor, np.roll(floor, -1, axis=0), strict=True)]


def inside(floor: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether points [n,2] lie in a polygon [P,2], by counting crossings."""
    a, b = floor, np.roll(floor, -1, axis=0)
    x, y = points[:, 0, None], points[:, 1, None]
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return (crosses & (x < at)).sum(axis=1) % 2 == 1


def rectangles(floor: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cuts a right-angled outline into rectangles (low corner, high corner)."""
    xs, ys = np.unique(floor[:, 0]), np.unique(floor[:, 1])
    found = []
    for x0, x1 in itertools.pairwise(xs):
        for y0, y1 in itertools.pairwise(ys):
            if inside(floor, np.array([[0.5 * (x0 + x1), 0.5 * (y0 + y1)]]))[0]:
                found.append((np.array([x0, y0]), np.array([x1, y1])))
    return found
