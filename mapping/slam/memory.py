"""What outlives the local map: places, put down as the camera goes, and found again when it is lost or returns."""

from __future__ import annotations

import logging

import numpy as np

from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.places import Place, Places, describe, pool
from mapping.slam.pose_graph import Relation, relax
from mapping.slam.recognition import Recognition, look, recognise
from mapping.slam.rigid import inverse, moved_pose, rotation_angle_deg, scale_of, similarity, transform
from mapping.slam.settings import TrackerSettings
from mapping.slam.tracked import Correction

logger = logging.getLogger(__name__)

_MIN_LANDMARKS = 30
_NEW_BASELINE = 0.1  # of the depth of the scene: how far from all others a new place lies,
_NEW_TURN_DEG = 10.0  # or how differently it looks
_CANDIDATES = 6
_LOOP_CANDIDATES = 3
_MIN_LOOP_INLIERS = 30
_LINKS = 15  # landmarks in sight that link the present with a keyframe
_MAX_DRIFT = 0.1  # of the path: more cannot be drift
_MAX_TURN_DEG = 25.0
_MIN_SHIFT = 0.005  # of the depth of the scene, and
_MIN_TURN_DEG = 0.3  # turn, below which a loop moves nothing


class Memory:
    """The places of all components."""

    def __init__(self, settings: TrackerSettings, lens: Lens) -> None:
        self.settings = settings
        self.lens = lens
        self.places = Places(settings.max_places)

    def remember(self, local_map: LocalMap, grey: np.ndarray, component: int) -> bool:
        """Makes the last keyframe, whose image is given, a place, unless a linked one shows the same."""
        tracks = local_map.tracks
        seen = np.flatnonzero(tracks.followed & tracks.is_landmark)
        T_world_cam = local_map.keyframes.T_world_cam[-1]
        xyz = transform(inverse(T_world_cam), tracks.xyz[seen])
        linked = (self.places.component == component) & (self.places.index >= _linked_since(local_map))
        if len(seen) < _MIN_LANDMARKS or not self._is_new(T_world_cam, float(np.median(xyz[:, 2])), linked):
            return False
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
        return True

    def _is_new(self, T_world_cam: np.ndarray, depth: float, among: np.ndarray) -> bool:
        known = self.places.T_world_cam[among]
        baseline = np.linalg.norm(known[:, :3, 3] - T_world_cam[:3, 3], axis=1)
        turned = np.einsum("nij,ij->n", known[:, :3, :3], T_world_cam[:3, :3])  # trace of the rotation between
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
        alike = self.places.alike(pool(seen.descriptors), _CANDIDATES, np.ones(len(self.places), bool))
        latest = self.places.all[-1]
        candidates = [latest, *(place for place in alike if place is not latest)]
        uv_ideal = self.lens.to_ideal(seen.uv)
        found = recognise(uv_ideal, seen.descriptors, self.lens.pinhole, candidates, self.settings.seed)
        return None if found is None else (found, seen.uv[found.features])

    def close_loop(self, local_map: LocalMap, component: int, metric: bool) -> Correction | None:
        """Looks whether the newest place shows one that tracking has no link to; if so, all places are reconciled."""
        here = self.places.all[-1]
        among = (self.places.component != component) | (self.places.index < _linked_since(local_map))
        candidates = self.places.alike(here.pooled, _LOOP_CANDIDATES, among)
        uv = here.uv.astype(np.float64)
        found = recognise(uv, here.descriptors, self.lens.pinhole, candidates, self.settings.seed)
        if found is None or len(found.points) < _MIN_LOOP_INLIERS:
            return None
        S_place_here = similarity(found.T_place_cam, 1.0 if metric else _stretch_of(found, here))
        return self._reconcile(found.place, here, S_place_here, metric)

    def _reconcile(self, place: Place, here: Place, S_place_here: np.ndarray, metric: bool) -> Correction | None:
        """Joins the components of two places where they differ, else relaxes theirs; None where nothing moves."""
        S_world_here = place.T_world_cam @ S_place_here  # where the place wants this one
        if place.component == here.component:
            off = inverse(here.T_world_cam) @ S_world_here
            depth = float(np.median(here.xyz[:, 2]))
            shift, turn = float(np.linalg.norm(off[:3, 3])), rotation_angle_deg(off[:3, :3] / scale_of(off))
            if shift > _MAX_DRIFT * (self._path_length(place, here) + depth) or turn > _MAX_TURN_DEG:
                logger.warning("frames %d and %d look alike, but cannot be the same place", place.index, here.index)
                return None
        self.places.loops.append(
            place=np.array([place.index]), seen_from=np.array([here.index]), S_place_later=S_place_here[None]
        )
        if place.component != here.component:
            return self._join(place, here, S_world_here)
        if shift < _MIN_SHIFT * depth and turn < _MIN_TURN_DEG:
            return None
        return self._relax(here.component, metric)

    def _join(self, place: Place, here: Place, S_world_here: np.ndarray) -> Correction:
        """Brings the younger one of two components into the world of the older one."""
        S = S_world_here @ inverse(here.T_world_cam)  # from the world of `here` to that of `place`
        older, younger = sorted((place.component, here.component))
        if younger == place.component:
            S = np.linalg.inv(S)
        moving = [p for p in self.places.all if p.component == younger]
        return self._move(moving, S @ np.array([p.T_world_cam for p in moving]), older)

    def _relax(self, component: int, metric: bool) -> Correction:
        """Spreads what the loops of a component tell over its places."""
        moving = [p for p in self.places.all if p.component == component]
        poses = np.array([p.T_world_cam for p in moving])
        relations = [Relation(i, i + 1, inverse(poses[i]) @ poses[i + 1]) for i in range(len(poses) - 1)]
        row = {p.index: i for i, p in enumerate(moving)}
        loops = self.places.loops
        for a, b, S in zip(loops.place.tolist(), loops.seen_from.tolist(), loops.S_place_later, strict=True):
            if a in row and b in row:
                relations.append(Relation(row[a], row[b], S))
        return self._move(moving, relax(poses, relations, [0], metric), component)

    def _move(self, moving: list[Place], S_world_place: np.ndarray, component: int) -> Correction:
        """Puts places of one component where similarities f64 [N,4,4] say; their landmarks stretch along."""
        before = np.array([place.T_world_cam for place in moving])
        index = np.array([place.index for place in moving], np.int64)
        correction = Correction(moving[0].component, component, index, S_world_place @ inverse(before))
        stretch = scale_of(S_world_place)
        after = moved_pose(S_world_place @ inverse(before), before)
        for place, T_world_cam, factor in zip(moving, after, stretch, strict=True):
            place.T_world_cam, place.component = T_world_cam, component
            place.xyz = (place.xyz * factor).astype(np.float32)
        self._stretch_loops(dict(zip(index.tolist(), stretch.tolist(), strict=True)))
        return correction

    def _stretch_loops(self, factors: dict[int, float]) -> None:
        loops = self.places.loops
        mine = np.array([factors.get(i, 1.0) for i in loops.place.tolist()])
        theirs = np.array([factors.get(i, 1.0) for i in loops.seen_from.tolist()])
        loops.S_place_later[:, :3, :] *= mine[:, None, None]
        loops.S_place_later[:, :3, :3] /= theirs[:, None, None]

    def _path_length(self, place: Place, here: Place) -> float:
        between = [p for p in self.places.all if p.component == here.component and p.index >= place.index]
        centres = np.array([p.T_world_cam[:3, 3] for p in between])
        return float(np.linalg.norm(np.diff(centres, axis=0), axis=1).sum())


def _linked_since(local_map: LocalMap) -> int:
    """Frame index from which on the landmarks in sight have been known: newer places are linked to the present."""
    tracks = local_map.tracks
    since = np.sort(tracks.patch_keyframe[tracks.followed & tracks.is_landmark])
    return int(since[min(_LINKS, len(since) - 1)]) if len(since) else 0


def _stretch_of(found: Recognition, here: Place) -> float:
    """Unit of `here` in units of the place recognised: the median ratio of depths of what both have placed."""
    seen = transform(inverse(found.T_place_cam), found.place.xyz[found.points].astype(np.float64))
    return float(np.median(seen[:, 2] / here.xyz[found.features, 2]))
