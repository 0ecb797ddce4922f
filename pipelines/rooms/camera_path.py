"""Paths of a hand-held camera through a room: poses in time, and the frames picked from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mapping.surface.room_rays import SceneCaster
from pipelines.rooms.camera_path_check import FrameCheck
from pipelines.rooms.camera_path_route import Route, RoutePlanner
from pipelines.rooms.camera_path_settings import PathSettings, Style
from pipelines.rooms.camera_path_space import FreeSpace
from streammtl.data.rooms.scene import Scene
from streammtl.errors import GeometryError

BLUR_PROBE_S = 0.01
TICK_S = 1 / 60
SHAKE_WAVES = 5
STEP_HZ = 1.8
# Styles that often fail would be rare if every attempt drew another.
ATTEMPTS_PER_STYLE = 10


@dataclass(frozen=True)
class CameraPath:
    """The frames of one clip. Poses are camera to world, OpenCV axes; the world is metric with z up."""

    timestamp_s: np.ndarray  # f64 [F]
    T_world_cam: np.ndarray  # f64 [F,4,4]
    T_world_cam_later: np.ndarray  # f64 [F,4,4] BLUR_PROBE_S later, for motion blur
    K: np.ndarray  # f64 [3,3]


class Walk:
    """A route walked with a trembling hand: the pose at any time."""

    def __init__(self, route: Route, settings: PathSettings, rng: np.random.Generator) -> None:
        self._route, self._pitch = route, np.deg2rad(settings.pitch_deg)
        haste = rng.uniform(2.0, 3.0) if rng.random() < settings.burst_share else 1.0
        speed = rng.uniform(*settings.speed_m_s) * haste
        rate = np.deg2rad(rng.uniform(*settings.turn_rate_deg_s)) * haste
        way = np.linalg.norm(np.diff(route.positions, axis=0), axis=1)
        gaze = route.targets - route.positions
        gaze /= np.linalg.norm(gaze, axis=1, keepdims=True)
        turn = np.linalg.norm(np.diff(gaze, axis=0), axis=1)
        ticks = np.maximum(np.maximum(way / speed, turn / rate), 1e-4)
        self._times = np.concatenate([[0.0], np.cumsum(ticks)])
        self._frequency = rng.uniform(0.5, 5.0, (6, SHAKE_WAVES))
        size = np.repeat([np.deg2rad(rng.uniform(*settings.shake_deg)), rng.uniform(*settings.shake_m)], 3)
        self._amplitude = size[:, None] / (0.7 + self._frequency) * np.sqrt(2 / SHAKE_WAVES)
        self._phase = rng.uniform(0, 2 * np.pi, (6, SHAKE_WAVES))
        self._roll = np.deg2rad(rng.normal(0, settings.roll_deg))
        self._bob_m = rng.uniform(0.0, 0.012)

    @property
    def seconds(self) -> float:
        return float(self._times[-1])

    def poses(self, times_s: np.ndarray) -> np.ndarray:
        """f64 [n,4,4] camera-to-world at times [n]."""
        position = _interpolated(times_s, self._times, self._route.positions)
        gaze = _interpolated(times_s, self._times, self._route.targets) - position
        waves = np.sin(2 * np.pi * self._frequency * times_s[:, None, None] + self._phase)
        shake = (self._amplitude * waves).sum(-1)
        position = position + shake[:, 3:]
        position[:, 2] += self._bob_m * np.sin(2 * np.pi * STEP_HZ * times_s)
        yaw = np.arctan2(gaze[:, 1], gaze[:, 0]) + shake[:, 0]
        pitch = np.arctan2(gaze[:, 2], np.linalg.norm(gaze[:, :2], axis=1)) + shake[:, 1]
        pitch = np.clip(pitch, *self._pitch)
        result = np.tile(np.eye(4), (len(times_s), 1, 1))
        result[:, :3, :3] = camera_axes(yaw, pitch, self._roll + shake[:, 2])
        result[:, :3, 3] = position
        return result


def camera_axes(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """f64 [n,3,3] camera-to-world rotations; yaw from +x counter-clockwise, pitch upwards, roll clockwise, radians."""
    forward = np.stack([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)], axis=-1)
    right = np.stack([np.sin(yaw), -np.cos(yaw), np.zeros_like(yaw)], axis=-1)
    down = np.cross(forward, right)
    c, s = np.cos(roll)[:, None], np.sin(roll)[:, None]
    return np.stack([right * c + down * s, down * c - right * s, forward], axis=-1)


class PathPlanner:
    """Finds camera paths through one room."""

    def __init__(self, scene: Scene, caster: SceneCaster, settings: PathSettings, rng: np.random.Generator) -> None:
        """Raises: GeometryError when there is nowhere to stand."""
        self._settings, self._scene, self._caster = settings, scene, caster
        self._space = FreeSpace(scene, caster.at(0.0), settings, rng)
        self._routes = RoutePlanner(scene, self._space)

    def path(self, frames: int, size: tuple[int, int], rng: np.random.Generator) -> CameraPath:
        """A path of so many frames for pictures of `size` (height, width).

        Raises: GeometryError when every attempt left the room, met something, or saw too little.
        """
        K = random_intrinsics(size, self._settings, rng)
        check = FrameCheck(self._scene, self._caster, K, size, self._settings)
        # A dense path is a tenth as far from frame to frame as a sparse one.
        length_m = frames * (0.25 if self._settings.frame_rate is None else 0.02)
        rich = rng.random() < self._settings.rich_share
        for attempt in range(self._settings.attempts):
            # An empty room has no rich views; half of the attempts show it.
            rich &= attempt < self._settings.attempts / 2
            if attempt % ATTEMPTS_PER_STYLE == 0:
                style = self._random_style(rng)
            route = self._routes.route(style, length_m, rng)
            if route is None:
                continue
            walk = Walk(route, self._settings, rng)
            times = self._picked(walk, frames, rng)
            if times is None:
                continue
            poses = walk.poses(times)
            if self._space.is_free(poses[:, :3, 3]) and check.passes(poses, times, rich):
                return CameraPath(times, poses, walk.poses(times + BLUR_PROBE_S), K)
        raise GeometryError(
            f"no camera path of {frames} frames was found in {self._settings.attempts} attempts; the room leaves too "
            "little space. Use another seed, or allow more attempts."
        )

    def _random_style(self, rng: np.random.Generator) -> Style:
        styles, weights = zip(*self._settings.styles.items(), strict=True)
        return styles[rng.choice(len(styles), p=np.array(weights) / sum(weights))]

    def _picked(self, walk: Walk, frames: int, rng: np.random.Generator) -> np.ndarray | None:
        """f64 [frames] times of the frames; None when the walk is too short."""
        rate = self._settings.frame_rate
        if rate is not None:
            return None if walk.seconds < frames / rate else np.arange(frames) / rate
        ticks = np.arange(0.0, walk.seconds, TICK_S)
        poses = walk.poses(ticks)
        steps = np.exp(rng.uniform(*np.log(self._settings.step_m), frames))
        turns = np.deg2rad(rng.uniform(*self._settings.turn_deg, frames))
        chosen = [0]
        while len(chosen) < frames:
            last, k = chosen[-1], len(chosen)
            way = np.linalg.norm(poses[last + 1 :, :3, 3] - poses[last, :3, 3], axis=1)
            cosine = (np.einsum("nij,ij->n", poses[last + 1 :, :3, :3], poses[last, :3, :3]) - 1) / 2
            far = (way >= steps[k]) | (np.arccos(np.clip(cosine, -1, 1)) >= turns[k])
            if not far.any():
                return None
            chosen.append(last + 1 + int(far.argmax()))
        return ticks[chosen]


def random_intrinsics(size: tuple[int, int], settings: PathSettings, rng: np.random.Generator) -> np.ndarray:
    """f64 [3,3] with square pixels and a principal point near the centre of `size` (height, width)."""
    height, width = size
    focal = rng.uniform(*settings.focal_widths) * width
    cx, cy = (np.array([width, height]) - 1) / 2 + rng.normal(0.0, 0.01, 2) * width
    return np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1.0]])


def _interpolated(times: np.ndarray, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(times, knots, values[:, k]) for k in range(values.shape[1])], axis=1)
