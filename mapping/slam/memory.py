"""What outlives the local map: places, put down as the camera goes, and found again when it is lost or returns."""

from __future__ import annotations

import numpy as np

from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.places import Place, Places, describe, pool
from mapping.slam.recognition import Recognition, look, recognise
from mapping.slam.rigid import inverse, transform
from mapping.slam.settings import TrackerSettings

_MIN_LANDMARKS = 30
_NEW_BASELINE = 0.1  # of the depth of the scene: how far from all others a new place lies,
_NEW_TURN_DEG = 10.0  # or how differently it looks


class Memory:
    """The places of all components."""

    def __init__(self, settings: TrackerSettings, lens: Lens) -> None:
        self.settings = settings
        self.lens = lens
        self.places = Places(settings.max_places)

    def remember(self, local_map: LocalMap, grey: np.ndarray, component: int) -> None:
        """Makes the last keyframe, whose image is given, a place, unless there is one that shows the same."""
        tracks = local_map.tracks
        seen = np.flatnonzero(tracks.followed & tracks.is_landmark)
        T_world_cam = local_map.keyframes.T_world_cam[-1]
        xyz = transform(inverse(T_world_cam), tracks.xyz[seen])
        if len(seen) < _MIN_LANDMARKS or not self._is_new(T_world_cam, float(np.median(xyz[:, 2])), component):
            return
        looks = describe(grey, tracks.uv[seen])
        self.places.add(
            Place(
                index=int(local_map.keyframes.index[-1]),
                component=component,
                T_world_cam=T_world_cam.copy(),
                uv=self.lens.to_ideal(looks.uv).astype(np.float32),
                xyz=xyz[looks.rows].astype(np.float32),
                descriptors=looks.descriptors,
                pooled=pool(looks.descriptors),
            )
        )

    def _is_new(self, T_world_cam: np.ndarray, depth: float, component: int) -> bool:
        mine = self.places.T_world_cam[self.places.component == component]
        baseline = np.linalg.norm(mine[:, :3, 3] - T_world_cam[:3, 3], axis=1)
        turned = np.einsum("nij,ij->n", mine[:, :3, :3], T_world_cam[:3, :3])  # trace of the rotation between
        near = (baseline < _NEW_BASELINE * depth) & (turned > 1.0 + 2.0 * np.cos(np.radians(_NEW_TURN_DEG)))
        return not near.any()

    def refresh(self, local_map: LocalMap) -> None:
        """Moves places along with their keyframes, as far as the local map still has them."""
        keyframes = local_map.keyframes
        for place in reversed(self.places.all):
            if place.index < keyframes.index[0]:
                break
            row = np.searchsorted(keyframes.index, place.index)
            if row < len(keyframes) and keyframes.index[row] == place.index:
                place.T_world_cam = keyframes.T_world_cam[row].copy()

    def recognise(self, grey: np.ndarray) -> tuple[Recognition, np.ndarray] | None:
        """The place that an image u8 [H,W] shows, with the image's pixels f64 [M,2] of the landmarks recognised."""
        if not len(self.places):
            return None
        seen = look(grey)
        among = np.ones(len(self.places), bool)
        found = recognise(seen, self.lens, self.places, among, self.settings.seed, first=self.places.all[-1:])
        return None if found is None else (found, seen.uv[found.features])
