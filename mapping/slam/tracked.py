"""What a tracker says about a frame, and the trajectory that collects it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from mapping.slam.rigid import moved_pose, scale_of
from streammtl.views import ScaleStatus

CONFIDENT_SHIFT = 0.01  # of the depth of the scene


class TrackStatus(StrEnum):
    INITIALISING = "initialising"  # no pose yet; may get one later, through `revised` of a later frame
    TRACKED = "tracked"
    LOST = "lost"
    SKIPPED = "skipped"  # the frame could not be used at all (wrong size, black, damaged)


@dataclass
class SparsePoints:
    """Map points that a frame sees: what depth ranges and scale are taken from."""

    uv: np.ndarray  # f32 [N,2] pixels, integer centres
    xyz: np.ndarray  # f64 [N,3] in the tracker's world


@dataclass(frozen=True)
class Correction:
    """The past has moved: a loop closed, or a component turned out to be part of an older one.

    It is known at places along the path of one component; all else of that component moves as the nearest place does.
    """

    component: int  # which one moves
    joined: int  # the component that it belongs to from now on; itself, unless two were joined
    index: np.ndarray  # i64 [N] frame indices of the places, ascending
    S_new_old: np.ndarray  # f64 [N,4,4] similarities from the old world to the new; rigid where lengths are metres

    def at(self, index: np.ndarray | int) -> np.ndarray:
        """S_new_old [...,4,4] at frame indices [...]."""
        return self.S_new_old[nearest_place(self.index, index)]


def nearest_place(places: np.ndarray, index: np.ndarray | int) -> np.ndarray:
    """Rows [...] of ascending frame indices [N], not empty, that are nearest to others [...]; the earlier of two."""
    after = np.searchsorted(places, index).clip(1, max(1, len(places) - 1))
    before = after - 1
    after = after.clip(max=len(places) - 1)
    return np.where(index - places[before] <= places[after] - index, before, after)


@dataclass
class TrackedFrame:
    """A tracker's word on one frame. Holds no image: it travels between processes.

    A frame hangs on a reference keyframe of the tracker: when bundle adjustment moves that keyframe (it then appears in
    a later frame's `revised`), the frame moves along. `revised` also brings poses for frames that had none when they
    were tracked (start-up). Poses of different components cannot be compared: tracking was lost in between. A
    `correction` moves all earlier frames of a component; `revised` and the frame's own pose are in the corrected world.
    """

    index: int
    timestamp_s: float
    status: TrackStatus
    scale_status: ScaleStatus
    component: int = 0
    T_world_cam: np.ndarray | None = None  # f64 [4,4]; None unless tracked
    reference: int | None = None  # frame index of the tracker keyframe this frame hangs on (itself for a keyframe)
    revised: dict[int, np.ndarray] = field(default_factory=dict)  # earlier frame index -> T_world_cam f64 [4,4]
    correction: Correction | None = None  # to be applied before `revised`
    points: SparsePoints | None = None
    moving: np.ndarray | None = None  # bool [rows,columns] over the image: what moves by itself; None: nothing does
    covariance: np.ndarray | None = None  # f64 [6,6] turn (radians) and shift of the camera's axes; None: not known
    reason: str = ""  # why the frame is lost or skipped, for people
    state: dict[str, np.ndarray] | None = None  # the tracker's state after this frame, at a checkpoint
    confidence: float = np.nan  # pose_confidence() when it was tracked; NaN: not known


def pose_confidence(covariance: np.ndarray, depth: float) -> float:
    """Probability that the camera's centre is within 1 % of the scene's depth of where a pose says it is.

    covariance f64 [6,6] of a turn and a shift of the camera's axes; depth in the unit of the shift. The error counts as
    equally large in all directions, as in its worst one: a chi distribution of three degrees of freedom. Landmarks are
    taken as exact, so this tells a pose that hangs on little from a well-seen one; drift is not in it.
    """
    worst = float(np.linalg.eigvalsh(covariance[3:, 3:])[-1])
    if worst <= 0:
        return 1.0
    ratio = CONFIDENT_SHIFT * depth / math.sqrt(worst)
    return math.erf(ratio / math.sqrt(2)) - math.sqrt(2 / math.pi) * ratio * math.exp(-0.5 * ratio * ratio)


class Trajectory:
    """Poses of recent frames, kept true while the tracker revises them. Memory is bounded through `forget_before`."""

    def __init__(self) -> None:
        self._frames: dict[int, TrackedFrame] = {}
        self._T_reference_cam: dict[int, np.ndarray] = {}  # of frames that hang on another frame

    def add(self, tracked: TrackedFrame) -> None:
        """Takes a frame and applies what it brings to earlier frames."""
        self.update(tracked)
        self.hold(tracked)

    def update(self, tracked: TrackedFrame) -> None:
        """Applies the correction and the revisions that a frame brings to earlier ones, without taking the frame."""
        if tracked.correction is not None:
            self.correct(tracked.correction)
        self.revise(tracked.revised)

    def hold(self, tracked: TrackedFrame) -> None:
        """Takes a frame that `update` has seen; what becomes of it here does not reach the one that was given."""
        self._frames[tracked.index] = replace(tracked)
        anchor = tracked.reference
        if tracked.T_world_cam is not None and anchor not in (None, tracked.index) and anchor in self._frames:
            T_world_reference = self._frames[anchor].T_world_cam
            if T_world_reference is not None:
                self._T_reference_cam[tracked.index] = np.linalg.inv(T_world_reference) @ tracked.T_world_cam

    def revise(self, revised: dict[int, np.ndarray]) -> None:
        """Moves earlier frames; those that hang on them follow. Frames that are not held any more are final."""
        for index, T_world_cam in revised.items():
            earlier = self._frames.get(index)
            if earlier is not None:
                earlier.T_world_cam = T_world_cam
                earlier.status = TrackStatus.TRACKED
                self._T_reference_cam.pop(index, None)

    def correct(self, correction: Correction) -> None:
        """Moves the frames of one component; those that hang on a frame that is held follow it."""
        for index, frame in self._frames.items():
            if frame.component != correction.component:
                continue
            frame.component = correction.joined
            S = correction.at(index)
            if index in self._T_reference_cam and frame.reference in self._frames:
                S = correction.at(frame.reference)
                self._T_reference_cam[index][:3, 3] *= scale_of(S)
            if frame.T_world_cam is not None:
                frame.T_world_cam = moved_pose(S, frame.T_world_cam)

    def __len__(self) -> int:
        return len(self._frames)

    def pose(self, index: int) -> np.ndarray | None:
        """T_world_cam of a frame as known now, or None while it has no pose."""
        tracked = self._frames.get(index)
        if tracked is None or tracked.T_world_cam is None:
            return None
        relative = self._T_reference_cam.get(index)
        if relative is None or tracked.reference not in self._frames:
            return tracked.T_world_cam
        T_world_reference = self._frames[tracked.reference].T_world_cam
        return tracked.T_world_cam if T_world_reference is None else T_world_reference @ relative

    def frames(self) -> list[TrackedFrame]:
        """All frames held, in order, with poses as known now."""
        for index in self._frames:
            self._frames[index].T_world_cam = self.pose(index)
        return [self._frames[index] for index in sorted(self._frames)]

    def forget_before(self, index: int) -> None:
        """Drops frames before `index`, freezing poses that hang on them."""
        kept = {i: frame for i, frame in self._frames.items() if i >= index}
        for i in kept:
            if i in self._T_reference_cam and kept[i].reference not in kept:
                kept[i].T_world_cam = self.pose(i)
                del self._T_reference_cam[i]
        self._T_reference_cam = {i: T for i, T in self._T_reference_cam.items() if i in kept}
        self._frames = kept

    def state(self) -> dict[str, np.ndarray]:
        """Everything as arrays, exactly."""
        held = [self._frames[i] for i in sorted(self._frames)]
        nowhere = np.full((4, 4), np.nan)
        poses = [f.T_world_cam if f.T_world_cam is not None else nowhere for f in held]
        relative = [self._T_reference_cam.get(f.index, nowhere) for f in held]
        return {
            "index": np.array([f.index for f in held], np.int64),
            "timestamp_s": np.array([f.timestamp_s for f in held], np.float64),
            "status": np.array([_STATUSES.index(f.status) for f in held], np.uint8),
            "metric": np.array([f.scale_status is ScaleStatus.METRIC for f in held], bool),
            "component": np.array([f.component for f in held], np.int64),
            "reference": np.array([-1 if f.reference is None else f.reference for f in held], np.int64),
            "T_world_cam": np.array(poses, np.float64).reshape(-1, 4, 4),
            "T_reference_cam": np.array(relative, np.float64).reshape(-1, 4, 4),
            "confidence": np.array([f.confidence for f in held], np.float64),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continues from what `state` gave."""
        self._frames, self._T_reference_cam = {}, {}
        for row, index in enumerate(state["index"].tolist()):
            T_world_cam, reference = state["T_world_cam"][row], int(state["reference"][row])
            self._frames[index] = TrackedFrame(
                index=index,
                timestamp_s=float(state["timestamp_s"][row]),
                status=_STATUSES[state["status"][row]],
                scale_status=ScaleStatus.METRIC if state["metric"][row] else ScaleStatus.UP_TO_SCALE,
                component=int(state["component"][row]),
                T_world_cam=None if np.isnan(T_world_cam).any() else T_world_cam.copy(),
                reference=None if reference < 0 else reference,
                confidence=float(state["confidence"][row]) if "confidence" in state else np.nan,  # older maps
            )
            if not np.isnan(state["T_reference_cam"][row]).any():
                self._T_reference_cam[index] = state["T_reference_cam"][row].copy()


_STATUSES = tuple(TrackStatus)
