"""Routes: where a person with a camera goes and what they look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.rooms.camera_path_settings import Style
from pipelines.rooms.camera_path_space import FreeSpace
from streammtl.data.rooms.scene import Scene

SAMPLES_PER_LEG = 24
LEG_M = (0.35, 1.3)


@dataclass(frozen=True)
class Route:
    """A finely sampled way: where the camera is and which point it looks at."""

    positions: np.ndarray  # f64 [n,3]
    targets: np.ndarray  # f64 [n,3]


class RoutePlanner:
    """Plans routes through the free space of one room."""

    def __init__(self, scene: Scene, space: FreeSpace) -> None:
        self._space, self._scene = space, scene
        self._plans = {
            Style.WALK: self._walk,
            Style.ORBIT: self._orbit,
            Style.INSPECT: self._inspect,
            Style.TURN: self._turn,
            Style.SWEEP: self._sweep,
        }
        self._things = np.asarray(scene.points_of_interest, np.float64).reshape(-1, 3)

    def route(self, style: Style, length_m: float, rng: np.random.Generator) -> Route | None:
        """A route about as long as asked for, or None where the dice led nowhere."""
        knots = max(3, int(np.ceil(length_m / 0.7)) + 2)
        plan = self._plans[style](knots, rng)
        if plan is None:
            return None
        positions, targets = (_smooth_curve(np.array(points)) for points in plan)
        return Route(positions, targets)

    def _thing(self, rng: np.random.Generator) -> np.ndarray:
        """A point worth filming."""
        if len(self._things) and rng.random() < 0.8:
            return self._things[rng.integers(len(self._things))]
        corners = self._scene.mesh.corners
        for _ in range(20):
            point = corners[rng.integers(len(corners)), rng.integers(3)].astype(np.float64)
            if 0.2 < point[2] < 1.6:
                break
        return point

    def _start(self, rng: np.random.Generator) -> np.ndarray:
        return self._space.places[rng.integers(len(self._space.places))]

    def _next(self, here: np.ndarray, wish: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        """A place one leg away that suits the wish (higher is better, [places]) and is reached freely."""
        places = self._space.places
        way = np.linalg.norm(places - here, axis=1)
        near = (way > LEG_M[0]) & (way < LEG_M[1]) & np.isfinite(wish)
        if not near.any():
            return None
        order = np.flatnonzero(near)
        order = order[np.argsort(-(wish[order] + rng.normal(0, 0.25, len(order))))][:12]
        clear = self._space.is_clear(here, places[order])
        return places[order[clear.argmax()]] if clear.any() else None

    def _walk(self, knots: int, rng: np.random.Generator) -> tuple[list, list] | None:
        """Goes on in about one direction and looks ahead."""
        here, heading = self._start(rng), rng.uniform(0, 2 * np.pi)
        offset, pitch = rng.normal(0, 0.35), np.deg2rad(rng.uniform(-28, 2))
        positions, targets = [], []
        for _ in range(knots):
            gaze = heading + offset + rng.normal(0, 0.2)
            positions.append(here)
            targets.append(here + 2.5 * _direction(gaze, pitch + rng.normal(0, 0.08)))
            step = self._space.places - here
            wish = np.cos(np.arctan2(step[:, 1], step[:, 0]) - heading) - 0.8 * np.abs(step[:, 2])
            there = self._next(here, wish, rng)
            if there is None:
                break
            heading = float(np.arctan2(*(there - here)[1::-1]))
            here = there
        return (positions, targets) if len(positions) >= 3 else None

    def _orbit(self, knots: int, rng: np.random.Generator) -> tuple[list, list] | None:
        """Goes around one thing and keeps looking at it."""
        thing, distance = self._thing(rng), rng.uniform(0.9, 2.8)
        return self._around(lambda _: thing, distance, knots, rng)

    def _inspect(self, knots: int, rng: np.random.Generator) -> tuple[list, list] | None:
        """Looks down at one thing after another from close by."""
        first = self._thing(rng)
        things = self._things if len(self._things) else first[None]
        near = things[np.argsort(np.linalg.norm(things - first, axis=1))[: rng.integers(1, 4)]]
        return self._around(lambda k: near[k // 2 % len(near)], rng.uniform(0.7, 1.7), knots, rng)

    def _around(self, thing_of, distance: float, knots: int, rng: np.random.Generator) -> tuple[list, list] | None:
        places = self._space.places
        here, side, positions, targets = None, rng.choice([-1.0, 1.0]), [], []
        for k in range(knots):
            thing = thing_of(k)
            away = np.linalg.norm(places - thing, axis=1)
            wish = -2.0 * np.abs(away - distance)
            wish[away < 0.45] = -np.inf
            if here is None:
                order = np.argsort(-(wish + rng.normal(0, 0.3, len(wish))))[:12]
                # The last part of the way may be the thing itself.
                seen = self._space.is_clear(places[order], places[order] + 0.85 * (thing - places[order]))
                if not seen.any() or not np.isfinite(wish[order[0]]):
                    return None
                here = places[order[seen.argmax()]]
            else:
                across = np.cross(places - thing, here - thing)[:, 2] * side
                here = self._next(here, wish + 0.5 * np.sign(across), rng)
                if here is None:
                    break
            positions.append(here)
            targets.append(thing + rng.normal(0, 0.08, 3))
        return (positions, targets) if len(positions) >= 3 else None

    def _turn(self, knots: int, rng: np.random.Generator) -> tuple[list, list] | None:
        """Turns about itself with the camera in outstretched hands."""
        centre, reach = self._start(rng), rng.uniform(0.1, 0.35)
        heading, pitch = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(-30, 5))
        step = rng.choice([-1, 1]) * rng.uniform(0.35, 0.8)
        positions, targets = [], []
        for _ in range(max(knots, 8)):
            ahead = _direction(heading, pitch + rng.normal(0, 0.07))
            positions.append(centre + reach * np.array([ahead[0], ahead[1], 0.0]) + rng.normal(0, 0.03, 3))
            targets.append(positions[-1] + 2.0 * ahead)
            heading += step
        return positions, targets

    def _sweep(self, knots: int, rng: np.random.Generator) -> tuple[list, list] | None:
        """Goes sideways and looks at right angles to the way."""
        here, heading = self._start(rng), rng.uniform(0, 2 * np.pi)
        gaze, pitch = heading + rng.choice([-1, 1]) * rng.uniform(1.2, 1.8), np.deg2rad(rng.uniform(-30, 5))
        positions, targets = [], []
        for _ in range(knots):
            positions.append(here)
            targets.append(here + 2.0 * _direction(gaze + rng.normal(0, 0.1), pitch + rng.normal(0, 0.07)))
            step = self._space.places - here
            wish = 1.5 * np.cos(np.arctan2(step[:, 1], step[:, 0]) - heading) - np.abs(step[:, 2])
            there = self._next(here, wish, rng)
            if there is None:
                break
            here = there
        return (positions, targets) if len(positions) >= 3 else None


def _direction(yaw: float, pitch: float) -> np.ndarray:
    return np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])


def _smooth_curve(knots: np.ndarray) -> np.ndarray:
    """f64 [n,3] a curve through all knots [k,3] without corners (Catmull-Rom)."""
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.linspace(0, 1, SAMPLES_PER_LEG, endpoint=False)[:, None]
    legs = []
    for a, b, c, d in zip(padded[:-3], padded[1:-2], padded[2:-1], padded[3:], strict=True):
        legs.append(b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
    return np.concatenate([*legs, knots[-1:]])
