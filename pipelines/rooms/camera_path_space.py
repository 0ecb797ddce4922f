"""Where in a room a camera can be."""

from __future__ import annotations

import numpy as np

from mapping.surface.room_rays import InstantCaster
from pipelines.rooms.camera_path_settings import PathSettings
from streammtl.data.rooms.scene import Scene
from streammtl.errors import GeometryError

CANDIDATES = 500
PROBES = 24
# Inside a wardrobe most directions end sooner than this.
LEAST_OPEN_M = 0.6


def inside_outline(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """bool [n]: points [n,2] lie inside a polygon [P,2] (even-odd rule)."""
    x, y = points[:, :1], points[:, 1:]
    a, b = outline, np.roll(outline, -1, axis=0)
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(b[:, 1] == a[:, 1], 1.0, b[:, 1] - a[:, 1])
    at = a[:, 0] + (y - a[:, 1]) / rise * (b[:, 0] - a[:, 0])
    return (crosses & (x < at)).sum(1) % 2 == 1


class FreeSpace:
    """Places to stand in, `places` f64 [n,3], and whether others are free."""

    def __init__(self, scene: Scene, caster: InstantCaster, settings: PathSettings, rng: np.random.Generator) -> None:
        self._outline, self._caster, self._clearance_m = scene.floor, caster, settings.clearance_m
        low, high = scene.floor.min(0), scene.floor.max(0)
        places = np.empty((CANDIDATES, 3))
        places[:, :2] = rng.uniform(low, high, (CANDIDATES, 2))
        ceiling = scene.height_m - 0.4
        places[:, 2] = rng.uniform(settings.height_m[0], min(settings.height_m[1], ceiling), CANDIDATES)
        places = places[self._free(places, 0.05)]
        self.places = places[self._openness_m(places, rng) >= LEAST_OPEN_M]
        if len(self.places) < 5:
            raise GeometryError(
                f"room {scene.seed} ({scene.kind}) has hardly a place {settings.clearance_m} m away from everything; "
                "use another seed."
            )

    def is_free(self, points: np.ndarray) -> bool:
        """All of points [n,3] lie in the room and clear of things."""
        return bool(self._free(points, 0.0).all())

    def is_clear(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """bool [n]: nothing lies on the lines from `starts` to `ends`, [n,3] or [3]."""
        rays = np.concatenate(np.broadcast_arrays(starts, ends - starts), axis=1).astype(np.float32)
        return ~self._caster.blocked(rays)

    def _free(self, points: np.ndarray, spare_m: float) -> np.ndarray:
        inside = inside_outline(points[:, :2], self._outline)
        return inside & (self._caster.distance_m(points) >= self._clearance_m + spare_m)

    def _openness_m(self, places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Median distance that one can look from every place."""
        directions = rng.normal(size=(PROBES, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        origins = np.repeat(places, PROBES, axis=0)
        rays = np.concatenate([origins, np.tile(directions, (len(places), 1))], axis=1).astype(np.float32)
        return np.median(self._caster.hits(rays).distance.reshape(len(places), PROBES), axis=1)
