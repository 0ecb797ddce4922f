"""Estimates poses from images: tracks, absolute pose by PnP, keyframes, local bundle adjustment.

The estimates come from pycolmap (colmap.py); this file is the order in which things happen to a frame.
"""

from __future__ import annotations

from enum import IntEnum

import cv2
import numpy as np

from mapping.slam import association
from mapping.slam.back_end import BackEnd
from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.locating import Located, Locator, Pair
from mapping.slam.mapper import KeyframeView, Mapper
from mapping.slam.memory import Memory
from mapping.slam.motion import Motion
from mapping.slam.movers import Movers
from mapping.slam.pose_refinement import pose_covariance
from mapping.slam.recognition import Recognition
from mapping.slam.rigid import inverse, moved_pose, transform
from mapping.slam.settings import TrackerSettings
from mapping.slam.startup import TwoViewStart, Waiting
from mapping.slam.tracked import Correction, SparsePoints, TrackedFrame, TrackStatus, pose_confidence
from mapping.slam.tracker import SeeMoving, Tracker
from streammtl.camera import Camera
from streammtl.views import Frame, ScaleStatus

_MIN_DEPTH_LANDMARKS = 30  # to start from one depth image
_MAX_SPARSE_POINTS = 300
_MUCH_MOVES = 0.06  # of the image, where candidates would as soon go with what moves
_LATE_AFTER_KEYFRAMES = 4  # after the start, by when its landmarks are well placed


_COUNTERS = ("component", "components", "phase", "lost", "late_at", "keyframe_tracks")


class Phase(IntEnum):
    WAITING = 0  # for a first frame that shows something
    STARTING = 1  # a reference frame is there, parallax is not
    TRACKING = 2


class PycolmapTracker(Tracker):
    """RGB: up to scale, after a two-view start. RGB-D: metric from the first frame with depth."""

    def __init__(
        self, settings: TrackerSettings, camera: Camera, has_depth: bool, see_moving: SeeMoving | None = None
    ) -> None:
        super().__init__(settings, camera, ScaleStatus.METRIC if has_depth else ScaleStatus.UP_TO_SCALE)
        self.has_depth = has_depth
        cv2.setNumThreads(1)  # more gain little on images of this size and starve the other stages
        self.lens = Lens(camera)
        self.mapper = Mapper(settings, self.lens)
        self.locator = Locator(settings, self.lens)
        self.start = TwoViewStart(settings, self.lens)
        self.back_end = BackEnd(settings, self.lens, has_depth)
        self.local_map = LocalMap()
        self.memory = Memory(settings, self.lens)
        self.motion = Motion()
        self.movers = Movers(self.lens, see_moving, settings.watch_motion)
        self.phase = Phase.WAITING
        self.components = 0  # how many have begun
        self.lost = 0  # frames in a row
        self.late_at = -1  # keyframes at which the frames of the start are posed once more; -1: done
        self.adjusted: dict[int, np.ndarray] = {}  # keyframes that this frame's taking up has moved
        self.keyframe_tracks = 0  # landmarks and candidates that the last keyframe saw
        self.grey = np.zeros((camera.height, camera.width), np.uint8)  # the last frame that was tracked

    def _track(self, frame: Frame) -> TrackedFrame:
        grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        self.adjusted = {}
        if self.back_end.is_due(frame.index):
            self._take_up()
            self.back_end.begin(self.local_map, frame.index)
        answer = self._pose(frame, grey)
        answer.revised = {**self.adjusted, **answer.revised}
        return answer

    def _pose(self, frame: Frame, grey: np.ndarray) -> TrackedFrame:
        if self.phase is Phase.TRACKING:
            return self._continue(frame, grey)
        start = self._begin if self.phase is Phase.WAITING else self._continue_start
        return self._come_back(frame, grey) or start(frame, grey)

    def _take_up(self) -> None:
        """Takes up what bundle adjustment has found; the camera moves along with the keyframe that it hangs on."""
        keyframes = self.local_map.keyframes
        before = keyframes.T_world_cam[-1:].copy()
        moved = self.back_end.take_up(self.local_map)
        if len(moved):
            poses = keyframes.T_world_cam[moved].copy()
            self.adjusted = dict(zip(keyframes.index[moved].tolist(), poses, strict=True))
            self.motion.move(keyframes.T_world_cam[-1] @ inverse(before[0]))
            self.memory.refresh(self.local_map)

    def _begin(self, frame: Frame, grey: np.ndarray) -> TrackedFrame:
        """Starts a component from this frame: at once with depth, else by taking it as the first of two views."""
        self.motion.rest()
        self.component = self.components
        if self.has_depth and not self.components:
            return self._begin_with_depth(frame, grey)
        if not self.start.begin(grey, frame.index, self.movers.mask(frame)):
            self.phase = Phase.WAITING
            status = TrackStatus.LOST if self.components else TrackStatus.INITIALISING
            return self._answer(frame, status, reason="too few corners to begin tracking")
        self.phase, self.grey = Phase.STARTING, grey
        return self._answer(frame, TrackStatus.INITIALISING, reason="waiting for the camera to move")

    def _begin_with_depth(self, frame: Frame, grey: np.ndarray) -> TrackedFrame:
        T_world_cam = self.motion.T_world_cam
        local_map = LocalMap()
        local_map.keyframes.append(index=np.array([frame.index]), T_world_cam=T_world_cam)
        self.mapper.add_corners(local_map, self._view(frame, grey, T_world_cam))
        if local_map.tracks.is_landmark.sum() < _MIN_DEPTH_LANDMARKS:
            self.phase = Phase.WAITING
            reason = "too few corners with sensor depth to begin tracking"
            return self._answer(frame, TrackStatus.INITIALISING, reason=reason)
        self._open_component(frame, grey, local_map)
        return self._posed(frame, {}, keyframe=True)

    def _open_component(self, frame: Frame, grey: np.ndarray, local_map: LocalMap) -> None:
        """From here on the camera is tracked in this map, whose last keyframe is the frame."""
        self._take_up()
        self.local_map, self.component, self.grey = local_map, self.components, grey
        self.components += 1
        self.movers.forget()
        self.phase, self.lost, self.late_at = Phase.TRACKING, 0, -1
        self.motion.correct(local_map.keyframes.T_world_cam[-1], frame.timestamp_s)
        self.keyframe_tracks = int(local_map.tracks.followed.sum())
        self.memory.remember(local_map, grey, self.component)

    def _continue_start(self, frame: Frame, grey: np.ndarray) -> TrackedFrame:
        """Waits for parallax; once it is there, all waiting frames get their poses through `revised`."""
        held = self.start.follow(self.grey, grey, frame.index)
        self.grey = grey
        if not held:
            return self._begin(frame, grey)
        if self.has_depth:  # two images that fit together are enough: neither is noise
            return self._begin_with_depth(frame, grey)
        if not self.start.attempt(self.motion.T_world_cam, frame.index):
            return self._answer(frame, TrackStatus.INITIALISING, reason="waiting for the camera to move")
        local_map = self.start.local_map
        self.mapper.add_corners(local_map, self._view(frame, grey, local_map.keyframes.T_world_cam[-1]))
        self._open_component(frame, grey, local_map)
        self.start.local_map = LocalMap()
        self.late_at = len(local_map.keyframes) + _LATE_AFTER_KEYFRAMES
        revised = self.start.late_poses(local_map)
        revised.pop(frame.index)
        return self._posed(frame, revised, keyframe=True)

    def _continue(self, frame: Frame, grey: np.ndarray) -> TrackedFrame:
        """Poses a frame among the landmarks."""
        pair = Pair(self.grey, grey, frame.index, frame.timestamp_s)
        located = self.locator.locate(self.local_map, self.motion, pair, self.movers.fills() > _MUCH_MOVES)
        if located is None:
            return self._come_back(frame, grey) or self._lose(frame)
        return self._take(frame, grey, located)

    def _take(self, frame: Frame, grey: np.ndarray, located: Located) -> TrackedFrame:
        """Takes over a frame's pose and what it saw; makes it a keyframe where that adds something."""
        tracks, rows, uv, T_world_cam = self.local_map.tracks, located.rows, located.uv, located.T_world_cam
        inliers = self.movers.judge(self.local_map, rows, uv, T_world_cam, located.inliers)
        tracks.followed[:] = False
        good = rows[inliers]
        tracks.uv[good], tracks.followed[good], tracks.last_seen[good] = uv[inliers], True, frame.index
        tracks.found[good] += 1
        tracks.missed[rows[~inliers]] += 1
        seen = uv[inliers], uv[~inliers]
        self.movers.watch(self.local_map, (self.grey, grey), seen, T_world_cam, frame.timestamp_s)
        self.lost, self.grey = 0, grey
        self.motion.update(T_world_cam, frame.timestamp_s)
        known = good[tracks.is_landmark[good]]
        uv_ideal, xyz = self.lens.to_ideal(tracks.uv[known]), tracks.xyz[known].copy()
        revised, correction, keyframe = {}, None, self._wants_keyframe(T_world_cam)
        if keyframe:
            revised, correction = self._insert_keyframe(frame, grey)
        answer = self._posed(frame, revised, keyframe)
        answer.correction = correction
        return self._judged(answer, uv_ideal, xyz, T_world_cam)

    def _judged(self, answer: TrackedFrame, uv: np.ndarray, xyz: np.ndarray, T_world_cam: np.ndarray) -> TrackedFrame:
        """The answer with how well a pose is known that rests on landmarks xyz f64 [N,3] at ideal pixels uv [N,2]."""
        answer.covariance = pose_covariance(uv, xyz, self.lens.pinhole, T_world_cam)
        if answer.covariance is not None:
            depth = transform(inverse(T_world_cam), xyz)[:, 2]
            answer.confidence = pose_confidence(answer.covariance, float(np.median(depth)))
        return answer

    def _wants_keyframe(self, T_world_cam: np.ndarray) -> bool:
        """New ground: parallax to the last keyframe, or too much of what it saw is out of sight."""
        tracks = self.local_map.tracks
        seen = tracks.followed & tracks.is_landmark
        scarce = seen.sum() < 3 * self.settings.min_inliers
        if tracks.followed.sum() < (0.9 if scarce else 0.6) * self.keyframe_tracks:
            return True
        depth = transform(inverse(T_world_cam), tracks.xyz[seen])[:, 2]
        baseline = np.linalg.norm(T_world_cam[:3, 3] - self.local_map.keyframes.T_world_cam[-1, :3, 3])
        return bool(baseline > np.tan(np.radians(self.settings.keyframe_angle_deg)) * np.median(depth))

    def _insert_keyframe(self, frame: Frame, grey: np.ndarray) -> tuple[dict[int, np.ndarray], Correction | None]:
        """Grows the map and has it adjusted; gives late poses of earlier frames, and what a loop corrects."""
        view = self._view(frame, grey, self.motion.T_world_cam)
        self.movers.release(self.local_map, view.moving)
        self.mapper.insert_keyframe(self.local_map, view)
        correction = None
        if self.memory.remember(self.local_map, grey, self.component):
            metric = self.scale_status is ScaleStatus.METRIC
            correction = self.memory.close_loop(self.local_map, self.component, metric)
        if correction is not None and correction.component == self.component:
            self._correct(correction)
        revised = {}
        if len(self.local_map.keyframes) == self.late_at:
            revised = self.start.late_poses(self.local_map)
            self.start.waiting, self.late_at = Waiting(), -1
        revised.pop(frame.index, None)
        self.local_map.forget(self.settings.max_keyframes, self.settings.max_landmarks)
        self.back_end.want()
        self.back_end.begin(self.local_map, frame.index)
        self.keyframe_tracks = int(self.local_map.tracks.followed.sum())
        return revised, correction

    def _correct(self, correction: Correction) -> None:
        """Moves the local map and the camera along with the places."""
        self.local_map.correct(correction)
        self.back_end.settle(int(self.local_map.keyframes.index[-1]))
        self.adjusted = {index: moved_pose(correction.at(index), T) for index, T in self.adjusted.items()}
        self.motion.move(correction.at(self.local_map.keyframes.index[-1]))
        self.movers.forget()
        self.component = correction.joined

    def _come_back(self, frame: Frame, grey: np.ndarray) -> TrackedFrame | None:
        """Poses a frame of a lost camera by a place that it shows; None where it shows none."""
        recognised = self.memory.recognise(grey)
        if recognised is None:
            return None
        found, uv = recognised
        T_world_cam = found.place.T_world_cam @ found.T_place_cam
        if found.place.index in self.local_map.keyframes.index:
            self.local_map.tracks.followed[:] = False
            rows, seen, _ = association.find_again(
                self.local_map, self.lens, grey, T_world_cam, self.settings.max_landmarks, 0
            )
            located = self.locator.solve(self.local_map, rows, seen, T_world_cam)
            if located is not None:
                self.phase, self.component = Phase.TRACKING, found.place.component
                return self._take(frame, grey, located)
        return self._resume(frame, grey, found, uv)

    def _resume(self, frame: Frame, grey: np.ndarray, found: Recognition, uv: np.ndarray) -> TrackedFrame:
        """Begins a new local map in the world of a place: the place and the frame are its first keyframes."""
        self._take_up()
        place = found.place
        self.local_map, self.start.waiting, self.late_at = LocalMap(), Waiting(), -1
        self.component, self.phase, self.lost, self.grey = place.component, Phase.TRACKING, 0, grey
        T_world_cam = place.T_world_cam @ found.T_place_cam
        self.mapper.insert_known(self.local_map, self._view(frame, grey, T_world_cam), found, uv)
        self.motion.rest()
        self.movers.forget()
        self.motion.correct(T_world_cam, frame.timestamp_s)
        self.keyframe_tracks = int(self.local_map.tracks.followed.sum())
        xyz = transform(place.T_world_cam, place.xyz[found.points].astype(np.float64))
        return self._judged(self._posed(frame, {}, keyframe=True), self.lens.to_ideal(uv), xyz, T_world_cam)

    def _lose(self, frame: Frame) -> TrackedFrame:
        self.lost += 1
        if self.lost >= self.settings.lost_before_restart:
            self.phase = Phase.WAITING
        return self._answer(frame, TrackStatus.LOST, reason="too few landmarks of the map were found in the image")

    def _posed(self, frame: Frame, revised: dict[int, np.ndarray], keyframe: bool) -> TrackedFrame:
        answer = self._answer(frame, TrackStatus.TRACKED)
        answer.T_world_cam = self.motion.T_world_cam.copy()
        answer.reference = frame.index if keyframe else int(self.local_map.keyframes.index[-1])
        answer.revised = revised
        answer.moving = self.movers.coarse()
        tracks = self.local_map.tracks
        rows = np.flatnonzero(tracks.followed & tracks.is_landmark)
        if len(rows) > _MAX_SPARSE_POINTS:
            rows = rows[np.linspace(0, len(rows) - 1, _MAX_SPARSE_POINTS).round().astype(int)]
        answer.points = SparsePoints(tracks.uv[rows].astype(np.float32), tracks.xyz[rows].copy())
        return answer

    def _answer(self, frame: Frame, status: TrackStatus, reason: str = "") -> TrackedFrame:
        return TrackedFrame(
            frame.index, frame.timestamp_s, status, self.scale_status, component=self.component, reason=reason
        )

    def _view(self, frame: Frame, grey: np.ndarray, T_world_cam: np.ndarray) -> KeyframeView:
        return KeyframeView(frame.index, T_world_cam, grey, self._depth(frame), self.movers.mask(frame))

    def _depth(self, frame: Frame) -> np.ndarray | None:
        """The frame's depth where it fits the image; a depth image of another size counts as missing."""
        if frame.depth_m is None or frame.depth_m.shape != self.grey.shape:
            return None
        return frame.depth_m if self.has_depth else None

    def state(self) -> dict[str, np.ndarray]:
        return {
            **self.local_map.to_arrays(),
            **self.motion.to_arrays(),
            **self.memory.places.to_arrays(),
            **self.movers.to_arrays(),
            **self.back_end.to_arrays(),
            **self.start.local_map.to_arrays("start.map"),
            **self.start.waiting.to_arrays("start.waiting"),
            "start.reference": np.array(self.start.reference),
            "counters": np.array([int(getattr(self, name)) for name in _COUNTERS], np.int64),
            "grey": self.grey.copy(),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        self.local_map = LocalMap.from_arrays(state)
        self.motion.from_arrays(state)
        self.memory.places.from_arrays(state)
        self.movers.from_arrays(state)
        self.back_end.from_arrays(state)
        self.start.local_map = LocalMap.from_arrays(state, "start.map")
        self.start.waiting = Waiting.from_arrays(state, "start.waiting")
        self.start.reference = int(state["start.reference"])
        for name, value in zip(_COUNTERS, state["counters"].tolist(), strict=True):
            setattr(self, name, value)
        self.phase = Phase(self.phase)
        self.grey = np.array(state["grey"])
