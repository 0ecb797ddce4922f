"""Finds where a frame was taken from, among the tracks of the local map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mapping.slam import association, colmap
from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.motion import Motion
from mapping.slam.rigid import inverse, transform
from mapping.slam.scarce_pose import Expected, Points, scarce_pose, turn_between
from mapping.slam.settings import TrackerSettings

_MIN_AGREEMENT = 0.3  # share of the landmarks found that must agree on a pose
_SCARCE_AGREEMENT = 0.4  # share of all tracks found that must, where candidates help
_SCARCE = 4  # times the landmarks that a pose must rest on: with fewer than that, candidates help
_LEAST_LANDMARKS = 5  # that must agree then, or nothing tells how far the camera moved
_MORE_THAN_LANDMARKS = 5  # tracks that must agree then beyond what landmarks alone must
_SPEED_CHANGE = 0.25  # of a camera's way from one frame to the next, standard deviation, and at least
_LEAST_SPREAD = 0.01  # metres, or of a unit of which the first landmarks were two away


def is_scarce(landmarks: int, settings: TrackerSettings) -> bool:
    """Whether so many landmarks in sight are few."""
    return landmarks < _SCARCE * settings.min_inliers


@dataclass(frozen=True)
class Pair:
    """The image of the last frame that was posed, and that of the one to pose."""

    before: np.ndarray  # u8 [H,W]
    grey: np.ndarray  # u8 [H,W]
    index: int  # of the frame
    timestamp_s: float


@dataclass
class Located:
    """A pose, and the tracks that were found."""

    rows: np.ndarray  # i64 [N] of tracks
    uv: np.ndarray  # f64 [N,2] where the image shows them
    T_world_cam: np.ndarray  # f64 [4,4]
    inliers: np.ndarray  # bool [N] who agrees with the pose


class Locator:
    """Poses frames in a local map. Holds settings only; the map holds all state."""

    def __init__(self, settings: TrackerSettings, lens: Lens) -> None:
        self.settings = settings
        self.lens = lens

    def locate(self, local_map: LocalMap, motion: Motion, pair: Pair, moving: bool) -> Located | None:
        """Where the second image of a pair was taken; None where too little tells.

        With `moving`, much of the view moves by itself: candidates could be on it, and landmarks alone decide.
        """
        predicted = motion.predict(pair.timestamp_s)
        expected = None if moving else _expected(predicted, motion.T_world_cam)
        located = self._follow(local_map, (predicted, motion.T_world_cam), pair, expected)
        if located is None:
            return None
        tracks = local_map.tracks
        if expected is not None and self._is_scarce(local_map, located.rows[located.inliers]):
            located = self._solve_scarce(local_map, located.rows, located.uv, located.T_world_cam, expected) or located
        rows, uv = located.rows[located.inliers], located.uv[located.inliers]
        tracks.followed[:] = False
        tracks.followed[rows] = True
        more, more_uv, missed = association.find_again(
            local_map, self.lens, pair.grey, located.T_world_cam, self.settings.max_tracks, pair.index
        )
        tracks.missed[missed] += 1
        rows, uv = np.concatenate([rows, more]), np.concatenate([uv, more_uv])
        if expected is not None and self._is_scarce(local_map, rows):
            solved = self._solve_scarce(local_map, rows, uv, located.T_world_cam, expected)
        else:
            solved = self.solve(local_map, rows, uv, located.T_world_cam)
        return solved or Located(rows, uv, located.T_world_cam, np.ones(len(rows), bool))

    def _follow(
        self, local_map: LocalMap, priors: tuple[np.ndarray, np.ndarray], pair: Pair, expected: Expected | None
    ) -> Located | None:
        """The pose by what is followed from image to image: from where the camera should be, else from where it was."""
        most: tuple[np.ndarray, np.ndarray] = np.zeros(0, int), np.zeros((0, 2))
        for prior in priors:
            rows, uv = association.follow(local_map, self.lens, pair.before, pair.grey, prior)
            located = self.solve(local_map, rows, uv, prior)
            if located is not None:
                return located
            if len(rows) > len(most[0]):
                most = rows, uv
        if expected is None:
            return None
        return self._solve_scarce(local_map, *most, self._turned(local_map, *most, priors[1]), expected)

    def solve(self, local_map: LocalMap, rows: np.ndarray, uv: np.ndarray, prior: np.ndarray) -> Located | None:
        """Pose from the landmarks among the tracks. Candidates without position always agree."""
        landmark = local_map.tracks.is_landmark[rows]
        uv_ideal = self.lens.to_ideal(uv[landmark])
        xyz = local_map.tracks.xyz[rows[landmark]]
        pose = colmap.absolute_pose(uv_ideal, xyz, self.lens.pinhole, self.settings.seed, prior, self.lens.tolerance_px)
        if pose is None or pose.inliers.sum() < max(self.settings.min_inliers, _MIN_AGREEMENT * len(uv_ideal)):
            return None
        agrees = np.ones(len(rows), bool)
        agrees[landmark] = pose.inliers
        return Located(rows, uv, pose.T_world_cam, agrees)

    def _is_scarce(self, local_map: LocalMap, rows: np.ndarray) -> bool:
        return is_scarce(int(local_map.tracks.is_landmark[rows].sum()), self.settings)

    def _turned(self, local_map: LocalMap, rows: np.ndarray, uv: np.ndarray, T_world_cam: np.ndarray) -> np.ndarray:
        """The last frame's pose, turned as the tracks have moved since."""
        turned = T_world_cam.copy()
        if len(rows) > 2:
            before, now = (self.lens.rays(self.lens.to_ideal(p)) for p in (local_map.tracks.uv[rows], uv))
            turned[:3, :3] = turned[:3, :3] @ turn_between(before, now)
        return turned

    def _solve_scarce(
        self, local_map: LocalMap, rows: np.ndarray, uv: np.ndarray, guess: np.ndarray, expected: Expected
    ) -> Located | None:
        """Pose from landmarks and candidates."""
        tracks = local_map.tracks
        landmark = tracks.is_landmark[rows]
        order = np.argsort(~landmark, kind="stable")
        known, unknown = rows[landmark], rows[~landmark]
        if len(known) < _LEAST_LANDMARKS:
            return None
        depth = float(np.median(transform(inverse(guess), tracks.xyz[known])[:, 2]))
        if depth <= 0:
            return None
        views = local_map.keyframes.T_world_cam[local_map.keyframe_rows(tracks.patch_keyframe[unknown])]
        points = Points(tracks.xyz[known], self.lens.rays(tracks.patch_uv[unknown]), views, depth)
        pose = scarce_pose(
            self.lens.to_ideal(uv[order]), points, self.lens.pinhole, guess, expected, self.lens.tolerance_px
        )
        agrees = np.empty(len(rows), bool)
        agrees[order] = pose.inliers
        enough = max(self.settings.min_inliers + _MORE_THAN_LANDMARKS, _SCARCE_AGREEMENT * len(rows))
        if agrees.sum() < enough or agrees[landmark].sum() < _LEAST_LANDMARKS:
            return None
        return Located(rows, uv, pose.T_world_cam, agrees)


def _expected(predicted: np.ndarray, last: np.ndarray) -> Expected:
    """Where a camera should be that was at `last`; how fast it goes changes little from frame to frame."""
    centre = predicted[:3, 3]
    return Expected(centre, max(_SPEED_CHANGE * float(np.linalg.norm(centre - last[:3, 3])), _LEAST_SPREAD))
