"""Which frames are worth fusing, and which neighbours show them best."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mapping.slam.rigid import transform
from mapping.slam.tracked import Correction, SparsePoints, TrackedFrame, TrackStatus, Trajectory
from streammtl.camera import Camera
from streammtl.views import Frame, ScaleStatus


class ViewSelectionSettings(BaseModel):
    """Keyframe test and neighbour choice. Distances are metres, or tracker units while the scale is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int = Field(3, ge=0, le=16, description="neighbours given to the model with each keyframe")
    min_distance: float = Field(
        0.06, gt=0, description="pose distance (m and angle) from the last keyframe to a new one"
    )
    best_baseline: float = Field(0.15, gt=0, description="baseline (m) at which a neighbour is most useful")
    min_overlap: float = Field(0.4, ge=0, le=1, description="fraction of the keyframe that a neighbour must see")
    buffer: int = Field(30, ge=2, description="recent keyframes among which neighbours are sought")
    delay: int = Field(
        2, ge=0, description="keyframes to wait before one is fused: later neighbours and refined poses; 0 for live"
    )


@dataclass
class View:
    """A posed image."""

    index: int
    timestamp_s: float
    image: np.ndarray  # u8 [H,W,3]
    camera: Camera
    T_world_cam: np.ndarray  # f64 [4,4]
    depth_m: np.ndarray | None = None  # f32 [H,W] from a sensor, 0 = invalid
    moving: np.ndarray | None = None  # bool [rows,columns] over the image: what the tracker saw move by itself


@dataclass
class ViewTuple:
    """A keyframe with its neighbours, best first: what the model sees."""

    reference: View
    neighbours: list[View]
    component: int
    scale_status: ScaleStatus
    points_uv: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))  # [N,2] reference pixels
    points_depth: np.ndarray = field(default_factory=lambda: np.zeros(0))  # [N] optical axis, unit of the poses

    def depth_range(self, near_m: float, far_m: float) -> tuple[float, float]:
        """Near and far for this keyframe: 2nd and 98th percentile of its points with 25 % margin, else the given ones.

        Source: SPEC A1.
        """
        depth = self.points_depth[self.points_depth > 0]
        if len(depth) < 20:
            return near_m, far_m
        low, high = np.percentile(depth, [2, 98])
        return max(0.06, 0.75 * low), 1.25 * high

    def scaled(self, factor: float, status: ScaleStatus) -> ViewTuple:
        """The same views with all lengths multiplied by `factor`, and what they mean now."""

        def moved(view: View) -> View:
            T = view.T_world_cam.copy()
            T[:3, 3] *= factor
            return replace(view, T_world_cam=T)

        return replace(
            self,
            reference=moved(self.reference),
            neighbours=[moved(view) for view in self.neighbours],
            points_depth=self.points_depth * factor,
            scale_status=status,
        )


def pose_distance(T_world_a: np.ndarray, T_world_b: np.ndarray) -> tuple[float, float]:
    """(translation, rotation measure) between two poses: |dt| in metres and R = sqrt(2 (1 - min(3, tr dR) / 3)).

    Source: keyframe rule of deep multi-view stereo, SPEC §5.
    """
    delta = np.linalg.inv(T_world_a) @ T_world_b
    rotation = np.sqrt(2 * (1 - min(3.0, np.trace(delta[:3, :3])) / 3))
    return float(np.linalg.norm(delta[:3, 3])), float(rotation)


def neighbour_penalty(translation: float, rotation: float, best_baseline: float) -> float:
    """How bad a neighbour is: R^2 + (t - best)^2, the second term five-fold below the best baseline. SPEC §5."""
    parallax = (translation - best_baseline) ** 2
    return rotation**2 + (5 * parallax if translation < best_baseline else parallax)


def frustum_overlap(reference: View, other: View, depth: float) -> float:
    """Fraction of the reference's pixels that `other` sees if the scene lay at `depth`, by a 12 x 9 grid of rays."""
    camera = reference.camera
    u, v = np.meshgrid(np.linspace(0, camera.width - 1, 12), np.linspace(0, camera.height - 1, 9))
    rays = np.linalg.inv(camera.K) @ np.stack([u.ravel(), v.ravel(), np.ones(u.size)])
    T_other_reference = np.linalg.inv(other.T_world_cam) @ reference.T_world_cam
    points = T_other_reference[:3, :3] @ (rays * depth) + T_other_reference[:3, 3:]
    pixels = other.camera.K @ points
    with np.errstate(divide="ignore", invalid="ignore"):
        uv = pixels[:2] / pixels[2]
    inside = (points[2] > 1e-3) & (uv[0] >= 0) & (uv[0] < other.camera.width) & (uv[1] >= 0)
    return float(np.mean(inside & (uv[1] < other.camera.height)))


@dataclass
class _Keyframe:
    frame: Frame
    points: SparsePoints | None
    moving: np.ndarray | None = None


class ViewSelector:
    """Finds keyframes in the stream of tracked frames and, `delay` keyframes later, their best neighbours.

    The delay lets bundle adjustment settle the pose and brings neighbours from both sides. Deterministic: ties go to
    the more recent view.
    """

    def __init__(self, settings: ViewSelectionSettings, fallback_depth: float = 2.0) -> None:
        self.settings = settings
        self._fallback_depth = fallback_depth
        self._trajectory = Trajectory()
        self._keyframes: list[_Keyframe] = []
        self._waiting: list[int] = []  # frame indices of keyframes not given out yet
        self._component = 0
        self._scale_status = ScaleStatus.UP_TO_SCALE

    def select(self, frame: Frame | None, tracked: TrackedFrame) -> list[ViewTuple]:
        """Takes the next frame (None where the recording skipped one); gives the keyframes that are now due."""
        due: list[ViewTuple] = []
        self._trajectory.update(tracked)
        if tracked.correction is not None and tracked.correction.component == self._component:
            self._correct(tracked.correction)
        if tracked.component != self._component:
            due = self.flush()
            self._keyframes.clear()
            self._component = tracked.component
        self._scale_status = tracked.scale_status
        chosen = frame is not None and tracked.status is TrackStatus.TRACKED and self._is_keyframe(tracked)
        if chosen or tracked.reference == tracked.index:  # no other pose is asked for later
            self._trajectory.hold(tracked)
        if chosen:
            self._keyframes.append(_Keyframe(frame, tracked.points, tracked.moving))
            self._waiting.append(frame.index)
            while len(self._waiting) > self.settings.delay:
                due.append(self._tuple(self._waiting.pop(0)))
            self._trim()
        return due

    def _correct(self, correction: Correction) -> None:
        self._component = correction.joined
        for keyframe in self._keyframes:
            if keyframe.points is not None:
                S = correction.at(keyframe.frame.index)
                keyframe.points = SparsePoints(keyframe.points.uv, transform(S, keyframe.points.xyz))

    def flush(self) -> list[ViewTuple]:
        """Gives out all keyframes still waiting: the recording or the component ends."""
        due = [self._tuple(index) for index in self._waiting]
        self._waiting.clear()
        return due

    def _is_keyframe(self, tracked: TrackedFrame) -> bool:
        if not self._keyframes:
            return True
        T_world_last = self._trajectory.pose(self._keyframes[-1].frame.index)
        translation, rotation = pose_distance(T_world_last, tracked.T_world_cam)
        return bool(np.hypot(translation, rotation) >= self.settings.min_distance)

    def _trim(self) -> None:
        keep = max(self.settings.buffer, len(self._waiting))
        del self._keyframes[:-keep]
        self._trajectory.forget_before(self._keyframes[0].frame.index)

    def _view(self, keyframe: _Keyframe) -> View:
        frame = keyframe.frame
        T_world_cam = self._trajectory.pose(frame.index)
        return View(
            frame.index, frame.timestamp_s, frame.image, frame.camera, T_world_cam, frame.depth_m, keyframe.moving
        )

    def _tuple(self, index: int) -> ViewTuple:
        keyframe = next(k for k in self._keyframes if k.frame.index == index)
        reference = self._view(keyframe)
        uv, depth = np.zeros((0, 2), np.float32), np.zeros(0)
        if keyframe.points is not None and len(keyframe.points.uv):
            T_cam_world = np.linalg.inv(reference.T_world_cam)
            depth = keyframe.points.xyz @ T_cam_world[2, :3] + T_cam_world[2, 3]
            uv = keyframe.points.uv
        typical = float(np.median(depth[depth > 0])) if (depth > 0).any() else self._fallback_depth
        others = [self._view(k) for k in self._keyframes if k.frame.index != index]
        ranked = []
        for other in others:
            translation, rotation = pose_distance(reference.T_world_cam, other.T_world_cam)
            if translation < 1e-3 or frustum_overlap(reference, other, typical) < self.settings.min_overlap:
                continue  # no parallax, or looks elsewhere
            penalty = neighbour_penalty(translation, rotation, self.settings.best_baseline)
            ranked.append((penalty, -other.index, other))
        ranked.sort(key=lambda entry: entry[:2])
        neighbours = [other for _, _, other in ranked[: self.settings.k]]
        return ViewTuple(reference, neighbours, self._component, self._scale_status, uv, depth)

    def state(self) -> dict[str, np.ndarray]:
        """All but the images, which a resumed run reads again from the recording: see `frames_needed`."""
        points = [k.points if k.points is not None else SparsePoints(*_NO_POINTS) for k in self._keyframes]
        return {
            "keyframes": np.array([k.frame.index for k in self._keyframes], np.int64),
            "waiting": np.array(self._waiting, np.int64),
            "component": np.array([self._component], np.int64),
            "metric": np.array([self._scale_status is ScaleStatus.METRIC]),
            "points_count": np.array([len(p.uv) for p in points], np.int64),
            "points_uv": np.concatenate([p.uv for p in points] or [_NO_POINTS[0]]),
            "points_xyz": np.concatenate([p.xyz for p in points] or [_NO_POINTS[1]]),
            **{f"moving_{k.frame.index}": k.moving for k in self._keyframes if k.moving is not None},
            **{f"trajectory_{name}": array for name, array in self._trajectory.state().items()},
        }

    @staticmethod
    def frames_needed(state: dict[str, np.ndarray]) -> list[int]:
        """Indices of the frames that `restore` wants."""
        return [int(i) for i in state["keyframes"]]

    def restore(self, state: dict[str, np.ndarray], frames: dict[int, Frame]) -> None:
        """Continues from `state`; keyframes whose image can no longer be read are dropped."""
        self._component = int(state["component"][0])
        self._scale_status = ScaleStatus.METRIC if state["metric"][0] else ScaleStatus.UP_TO_SCALE
        ends = np.cumsum(state["points_count"])
        self._keyframes = [
            _Keyframe(
                frames[int(i)],
                SparsePoints(state["points_uv"][e - n : e], state["points_xyz"][e - n : e]),
                state.get(f"moving_{int(i)}"),
            )
            for i, n, e in zip(state["keyframes"], state["points_count"], ends, strict=True)
            if int(i) in frames
        ]
        self._waiting = [int(i) for i in state["waiting"] if int(i) in frames]
        prefix = "trajectory_"
        self._trajectory.restore({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})


_NO_POINTS = (np.zeros((0, 2), np.float32), np.zeros((0, 3)))
