"""Camera poses as a file gives them, and what its format says that they mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from streammtl.camera import Camera

# Camera axes of a file -> rotation that takes OpenCV camera axes (x right, y down, z forward) to them.
AXES = {
    "OpenCV": np.eye(3),
    "OpenGL": np.diag([1.0, -1.0, -1.0]),  # x right, y up, z backward: OpenGL, Blender, ARKit, nerfstudio
    "ROS": np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),  # x forward, y left, z up: robot bodies
}
DIRECTIONS = ("camera-to-world", "world-to-camera")
QUATERNIONS = ("x y z w", "w x y z")


@dataclass(frozen=True)
class Convention:
    """How the numbers of a pose file are to be read."""

    direction: str = "camera-to-world"
    axes: str = "OpenCV"
    quaternion: str = "x y z w"  # order of the columns

    def differences(self, usual: Convention) -> list[str]:
        """What is unlike `usual`, in words."""
        words = []
        if self.direction != usual.direction:
            words.append(self.direction)
        if self.axes != usual.axes:
            words.append(f"{self.axes} axes")
        if self.quaternion != usual.quaternion:
            words.append(f"quaternions in the order {self.quaternion}")
        return words


@dataclass(frozen=True)
class PoseTable:
    """Poses in the order of time, with what each belongs to: a time, a frame's position, or an image's name.

    Exactly one of `timestamps_s`, `numbers` and `names` is there. Values may be anything that a file can hold;
    `pose_flaws.py` judges them.
    """

    source: Path
    kind: str  # the format, for people
    places: tuple[str, ...]  # where each pose stands, for people: "line 7", "000012.txt"
    translations: np.ndarray  # f64 [N,3] as written
    rotations: np.ndarray | None = None  # f64 [N,3,3] as written, or
    quaternions: np.ndarray | None = None  # f64 [N,4] as written
    convention: Convention = Convention()  # that of the format
    timestamps_s: np.ndarray | None = None  # f64 [N] ascending
    numbers: np.ndarray | None = None  # i64 [N] positions in the recording, ascending
    names: tuple[str, ...] | None = None  # image files, without folder and suffix
    camera: Camera | None = None  # where the file brings a calibration
    points_xyz: tuple[np.ndarray, ...] | None = None  # f64 [n,3] each: scene points that an image sees
    by_position: bool = False  # `numbers` count the frames, whatever the images are called
    metric: bool = True  # False: lengths of the format have no unit
    notes: tuple[str, ...] = ()  # what the format leaves open, for people

    def __len__(self) -> int:
        return len(self.translations)

    @property
    def T_world_cam(self) -> np.ndarray:
        """f64 [N,4,4], OpenCV axes, as the format is defined."""
        return self.under(self.convention)

    def under(self, convention: Convention) -> np.ndarray:
        """T_world_cam f64 [N,4,4] if the numbers were meant as `convention` says."""
        T = np.tile(np.eye(4), (len(self), 1, 1))
        T[:, :3, :3] = self._rotations(convention)
        T[:, :3, 3] = self.translations
        if convention.direction == "world-to-camera":
            T[:, :3, :3] = T[:, :3, :3].transpose(0, 2, 1)
            T[:, :3, 3] = -np.einsum("nij,nj->ni", T[:, :3, :3], self.translations)
        T[:, :3, :3] = T[:, :3, :3] @ AXES[convention.axes]
        return T

    def _rotations(self, convention: Convention) -> np.ndarray:
        if self.quaternions is None:
            return self.rotations
        last = convention.quaternion == "x y z w"
        return rotations_from(self.quaternions if last else np.roll(self.quaternions, -1, axis=1))

    def is_calibration_of(self, width: int, height: int) -> bool:
        """Whether the file brings a calibration, and it is one of images of this size."""
        return self.camera is not None and (self.camera.width, self.camera.height) == (width, height)

    def conventions(self) -> Iterator[Convention]:
        """All that the numbers could mean, that of the format first."""
        orders = QUATERNIONS if self.quaternions is not None else (self.convention.quaternion,)
        others = [Convention(*choice) for choice in product(DIRECTIONS, AXES, orders)]
        yield self.convention
        yield from (other for other in others if other != self.convention)

    def ordered(self, order: np.ndarray) -> PoseTable:
        """The same poses in another order i64 [N]."""

        def moved(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[order]

        return replace(
            self,
            places=tuple(self.places[i] for i in order),
            translations=self.translations[order],
            rotations=moved(self.rotations),
            quaternions=moved(self.quaternions),
            timestamps_s=moved(self.timestamps_s),
            numbers=moved(self.numbers),
            names=None if self.names is None else tuple(self.names[i] for i in order),
            points_xyz=None if self.points_xyz is None else tuple(self.points_xyz[i] for i in order),
        )


def rotations_from(quaternions_xyzw: np.ndarray) -> np.ndarray:
    """Rotation matrices f64 [N,3,3] of quaternions f64 [N,4] of any length; NaN where the length is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y, z, w = (quaternions_xyzw / np.linalg.norm(quaternions_xyzw, axis=1, keepdims=True)).T
    R = np.empty((len(quaternions_xyzw), 3, 3))
    R[:, 0] = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], axis=1)
    R[:, 1] = np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], axis=1)
    R[:, 2] = np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], axis=1)
    return R
