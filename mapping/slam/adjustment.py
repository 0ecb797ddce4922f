"""Bundle adjustment of a local map's latest keyframes: what is put together, solved elsewhere, and taken up later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from mapping.slam.colmap_adjustment import Observations, bundle_adjust
from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.rigid import inverse
from mapping.slam.table import Table
from streammtl.camera import Camera

_MAX_ERROR = 2.5 / 3  # of the lens's tolerance
_SUPPORT = 10  # older keyframes that hold the adjusted ones in place


@dataclass(frozen=True)
class Problem:
    """Keyframes and landmarks to be adjusted, on their own: the map may go on meanwhile."""

    keyframes: np.ndarray  # i64 [K] frame indices
    T_world_cam: np.ndarray  # f64 [K,4,4]
    fixed: np.ndarray  # bool [K] those that hold the others in place
    tracks: np.ndarray  # i64 [P] ids
    xyz: np.ndarray  # f64 [P,3]
    seen: Observations
    camera: Camera
    max_iterations: int

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything as plain arrays."""
        plain = {name: getattr(self, name) for name in ("keyframes", "T_world_cam", "fixed", "tracks", "xyz")}
        return {
            **plain,
            **{f"seen.{name}": values for name, values in vars(self.seen).items()},
            "camera.model": np.array(self.camera.model),
            "camera.size": np.array([self.camera.width, self.camera.height]),
            "camera.params": np.array(self.camera.params),
            "max_iterations": np.array(self.max_iterations),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """Inverse of to_arrays."""
        plain = {name: arrays[name] for name in ("keyframes", "T_world_cam", "fixed", "tracks", "xyz")}
        seen = Observations(*(arrays[f"seen.{name}"] for name in ("view", "point", "uv", "depth_m")))
        size, params = arrays["camera.size"].tolist(), arrays["camera.params"].tolist()
        camera = Camera(str(arrays["camera.model"]), *size, tuple(params))
        return cls(**plain, seen=seen, camera=camera, max_iterations=int(arrays["max_iterations"]))


class AdjustedKeyframes(Table):
    """Where keyframes lie after adjustment."""

    columns: ClassVar = {"index": ("i8", ()), "T_world_cam": ("f8", (4, 4))}


class AdjustedTracks(Table):
    """Where landmarks lie after adjustment."""

    columns: ClassVar = {"id": ("i8", ()), "xyz": ("f8", (3,))}


@dataclass
class Solution:
    """What came out of a problem; empty where that was not finite."""

    keyframes: AdjustedKeyframes
    tracks: AdjustedTracks

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Both as plain arrays."""
        return {**self.keyframes.to_arrays("adjusted.keyframes"), **self.tracks.to_arrays("adjusted.tracks")}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """Inverse of to_arrays."""
        keyframes = AdjustedKeyframes.from_arrays(arrays, "adjusted.keyframes")
        return cls(keyframes, AdjustedTracks.from_arrays(arrays, "adjusted.tracks"))


def solve(problem: Problem) -> Solution:
    """Adjusts: a pure function, so it does not matter where it runs."""
    solution = Solution(AdjustedKeyframes(), AdjustedTracks())
    poses, xyz = bundle_adjust(
        problem.T_world_cam, problem.xyz, problem.seen, problem.camera, problem.fixed, problem.max_iterations
    )
    if np.isfinite(poses).all() and np.isfinite(xyz).all():
        free = ~problem.fixed
        solution.keyframes.append(index=problem.keyframes[free], T_world_cam=poses[free])
        solution.tracks.append(id=problem.tracks, xyz=xyz)
    return solution


class Adjustment:
    """Puts problems together from a local map and takes their solutions up. Holds no state."""

    def __init__(self, lens: Lens) -> None:
        self.lens = lens

    def problem(self, local_map: LocalMap, window: int, max_iterations: int = 8) -> Problem | None:
        """The last `window` keyframes and what they see; older ones hold them in place. None where nothing can move."""
        keyframes, sightings, tracks = local_map.keyframes, local_map.sightings, local_map.tracks
        rows = local_map.rows_of(sightings.track)
        views = local_map.keyframe_rows(sightings.keyframe)
        known = (rows >= 0) & tracks.is_landmark[rows]
        first = max(1, len(keyframes) - window)  # the oldest keyframe of all never moves
        seen = known & np.isin(rows, rows[known & (views >= first)])
        used = np.union1d(self._support(views[seen], first), np.arange(first, len(keyframes)))
        seen &= np.isin(views, used)
        points = np.flatnonzero(np.bincount(rows[seen], minlength=len(tracks)) >= 2)
        seen &= np.isin(rows, points)
        if not len(points) or len(keyframes) < 2:
            return None
        observations = Observations(
            np.searchsorted(used, views[seen]),
            np.searchsorted(points, rows[seen]),
            sightings.uv[seen].astype(np.float64),
            sightings.depth_m[seen].astype(np.float64),
        )
        return Problem(
            keyframes=keyframes.index[used],
            T_world_cam=keyframes.T_world_cam[used],
            fixed=used < first,
            tracks=tracks.id[points],
            xyz=tracks.xyz[points],
            seen=observations,
            camera=self.lens.pinhole,
            max_iterations=max_iterations,
        )

    def _support(self, views: np.ndarray, first: int) -> np.ndarray:
        """Older keyframes that see most of the adjusted landmarks, and the one before the window."""
        shared = np.bincount(views[views < first], minlength=first)
        order = np.argsort(-shared, kind="stable")[:_SUPPORT]
        return np.union1d(order[shared[order] > 0], [first - 1])

    def take_up(self, local_map: LocalMap, solution: Solution) -> np.ndarray:
        """Moves keyframes and landmarks where a solution has them, then drops outliers.

        What came since the problem was put together moves along: keyframes with the last one that was adjusted,
        landmarks with the keyframe that first saw them. Returns the rows of the keyframes that moved.
        """
        if not len(solution.keyframes):
            return np.zeros(0, int)
        keyframes, tracks = local_map.keyframes, local_map.tracks
        before = keyframes.T_world_cam.copy()
        rows = local_map.keyframe_rows(solution.keyframes.index)
        keyframes.T_world_cam[rows] = solution.keyframes.T_world_cam
        later = np.arange(rows[-1] + 1, len(keyframes))
        keyframes.T_world_cam[later] = keyframes.T_world_cam[rows[-1]] @ inverse(before[rows[-1]]) @ before[later]
        found = local_map.rows_of(solution.tracks.id)
        kept = (found >= 0) & tracks.is_landmark[found]  # what turned out to move by itself stays without a position
        moved, points = np.concatenate([rows, later]), found[kept]
        self._carry(local_map, before, moved, points)
        tracks.xyz[points] = solution.tracks.xyz[kept]
        self._drop_outliers(local_map, points)
        return moved

    def _carry(self, local_map: LocalMap, before: np.ndarray, moved: np.ndarray, adjusted: np.ndarray) -> None:
        """Moves the landmarks that were not adjusted along with the keyframes that first saw them."""
        tracks = local_map.tracks
        views = local_map.keyframe_rows(tracks.patch_keyframe)
        carried = tracks.is_landmark & np.isin(views, moved)
        carried[adjusted] = False
        change = (local_map.keyframes.T_world_cam @ inverse(before))[views[carried]]
        tracks.xyz[carried] = np.einsum("nij,nj->ni", change[:, :3, :3], tracks.xyz[carried]) + change[:, :3, 3]

    def _drop_outliers(self, local_map: LocalMap, points: np.ndarray) -> None:
        """Removes sightings far from where they should be, and landmarks that too few keyframes support."""
        tracks, sightings = local_map.tracks, local_map.sightings
        rows = local_map.rows_of(sightings.track)
        checked = np.flatnonzero((rows >= 0) & np.isin(rows, points))
        views = local_map.keyframe_rows(sightings.keyframe[checked])
        error = self._errors(local_map, rows[checked], views, sightings.uv[checked])
        keep = np.ones(len(sightings), bool)
        keep[checked[error > _MAX_ERROR * self.lens.tolerance_px]] = False
        sightings.keep(keep)
        support = np.bincount(local_map.rows_of(sightings.track), minlength=len(tracks))
        gone = np.zeros(len(tracks), bool)
        gone[points] = support[points] < 2
        gone |= (support == 0) | (tracks.missed > 20 + 4 * tracks.found)
        gone |= ~tracks.followed & ~tracks.is_landmark  # a candidate out of sight cannot be found again
        local_map.drop_tracks(gone)

    def _errors(self, local_map: LocalMap, rows: np.ndarray, views: np.ndarray, uv: np.ndarray) -> np.ndarray:
        T_cam_world = inverse(local_map.keyframes.T_world_cam[views])
        in_camera = np.einsum("nij,nj->ni", T_cam_world[:, :3, :3], local_map.tracks.xyz[rows]) + T_cam_world[:, :3, 3]
        camera = self.lens.camera
        z = np.where(in_camera[:, 2] > 1e-3, in_camera[:, 2], np.nan)
        projected = in_camera[:, :2] / z[:, None] * [camera.fx, camera.fy] + [camera.cx, camera.cy]
        return np.nan_to_num(np.linalg.norm(projected - uv, axis=1), nan=np.inf)
