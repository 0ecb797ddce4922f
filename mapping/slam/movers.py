"""Keeps points off things that move by themselves: where a network sees people, and where points do not move as the
camera says they should."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np

from mapping.slam import features
from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.rigid import inverse
from mapping.slam.table import Table
from mapping.slam.tracker import SeeMoving
from streammtl.views import Frame

_MARGIN_PX = 8  # a patch that reaches over the outline would move along
_NEAREST = 0.25  # of the median depth: nothing at rest is taken to be nearer
_FAR = 1e6  # median depth where no landmark tells
_CHECK_S = 0.25  # from one look at a witness to the next
_REMEMBER_S = 1.5  # a witness that keeps still for so long is none
_FOLLOWED_WIDTH = 400  # of the image in which witnesses are followed
_COLUMNS = 40  # of the grid on which witnesses are counted,
_REACH = 7  # cells a side
_APART_PX = 5.0  # from one witness to the next
_LEAST = 4  # witnesses that make a region
_MAX_DISAGREEING = 0.35  # of the tracks of a frame
_LANDMARKS_LEFT = 30  # to track the camera by


class Witnesses(Table):
    """Image points that moved by themselves, followed on."""

    columns: ClassVar = {
        "uv": ("f8", (2,)),  # image pixels
        "caught_s": ("f8", ()),  # when it was last seen to move by itself; -inf: never, it only fell out of line once
        "since_s": ("f8", ()),  # when, where and from where it was looked at last
        "since_uv": ("f8", (2,)),
        "since_T": ("f8", (4, 4)),
    }


class Movers:
    """Where in the image something moves by itself.

    Tracks that disagree with the camera's motion become witnesses. Where those are many, and more than the tracks that
    agree, nothing is at rest: one bad track alone says nothing. Witnesses are followed as long as they keep moving, so
    a region outlives the tracks that gave it away.
    """

    def __init__(self, lens: Lens, see_moving: SeeMoving | None, by_motion: bool) -> None:
        self.lens = lens
        self.by_motion = by_motion
        self.witnesses = Witnesses()
        self._see = see_moving
        self._grid = (round(_COLUMNS * lens.camera.height / lens.camera.width), _COLUMNS)
        self.region = np.zeros(self._grid, bool)  # rows x columns over the image

    def mask(self, frame: Frame) -> np.ndarray | None:
        """bool [H,W] where no points are to be taken; None where nothing moves."""
        masks = [self._on_image(self.region)] if self.region.any() else []
        if self._see is not None:
            side = 2 * _MARGIN_PX + 1
            masks.append(cv2.dilate(self._see(frame).astype(np.uint8), np.ones((side, side), np.uint8)) > 0)
        return np.logical_or.reduce(masks) if masks else None

    def _on_image(self, region: np.ndarray) -> np.ndarray:
        size = (self.lens.camera.width, self.lens.camera.height)
        return cv2.resize(region.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0

    def judge(
        self, local_map: LocalMap, rows: np.ndarray, uv: np.ndarray, T_world_cam: np.ndarray, agrees: np.ndarray
    ) -> np.ndarray:
        """Which tracks agree with the camera's pose, bool [n]: of those that `agrees`, not the candidates that are
        seen where no point at rest could be."""
        if not self.by_motion:
            return agrees
        agrees = agrees.copy()
        candidate = np.flatnonzero(~local_map.tracks.is_landmark[rows])
        at = rows[candidate]
        views = local_map.keyframe_rows(local_map.tracks.patch_keyframe[at])
        poses, origin = local_map.keyframes.T_world_cam[views], local_map.tracks.patch_uv[at]
        near = _NEAREST * self._depth(local_map, T_world_cam)
        agrees[candidate] = self._off_rest(poses, origin, T_world_cam, uv[candidate], near) < self.lens.tolerance_px
        return agrees

    def _depth(self, local_map: LocalMap, T_world_cam: np.ndarray) -> float:
        tracks = local_map.tracks
        z = self.lens.project(tracks.xyz[tracks.is_landmark & tracks.followed], T_world_cam)[1]
        return float(np.median(z)) if len(z) else _FAR

    def _off_rest(
        self, T_world_then: np.ndarray, uv_then: np.ndarray, T_world_cam: np.ndarray, uv: np.ndarray, near: float
    ) -> np.ndarray:
        """Distance f64 [n], pixels, of image pixels uv [n,2] from where points at rest, at least `near` away, are seen
        that were at ideal pixels uv_then [n,2] of earlier views [n,4,4]: a stretch of the epipolar line."""
        if not len(uv):
            return np.zeros(0)
        T_cam_then = inverse(T_world_cam) @ T_world_then
        far = np.einsum("nij,nj->ni", T_cam_then[:, :3, :3], self.lens.rays(uv_then))
        far, close = self._pixels(far), self._pixels(far * near + T_cam_then[:, :3, 3])
        along = close - far
        share = ((self.lens.to_ideal(uv) - far) * along).sum(1) / np.maximum((along**2).sum(1), 1e-12)
        return np.linalg.norm(far + share.clip(0, 1)[:, None] * along - self.lens.to_ideal(uv), axis=1)

    def _pixels(self, xyz: np.ndarray) -> np.ndarray:
        camera = self.lens.camera
        return xyz[:, :2] / np.maximum(xyz[:, 2:], 1e-3) * [camera.fx, camera.fy] + [camera.cx, camera.cy]

    def watch(
        self,
        local_map: LocalMap,
        images: tuple[np.ndarray, np.ndarray],
        seen: tuple[np.ndarray, np.ndarray],
        T_world_cam: np.ndarray,
        time_s: float,
    ) -> None:
        """Takes a posed frame: its grey image after that of the one before, and the pixels f64 [n,2] of tracks that
        agree with its pose and of those that do not. Landmarks and candidates in what moves are dropped."""
        if not self.by_motion:
            return
        agree, disagree = seen
        self._follow(*images)
        self._look(local_map, T_world_cam, time_s)
        if 0 < len(disagree) < _MAX_DISAGREEING * (len(agree) + len(disagree)):  # else the pose may be the one to blame
            self._suspect(disagree, T_world_cam, time_s)
        caught = np.isfinite(self.witnesses.caught_s)
        moving, still = self._count(self.witnesses.uv[caught]), self._count(agree)
        self.region = (moving >= _LEAST) & (moving > still)
        tracks = local_map.tracks
        inside = tracks.followed & self._inside(tracks.uv)
        if (tracks.followed & ~inside & tracks.is_landmark).sum() >= _LANDMARKS_LEFT:
            tracks.followed[inside], tracks.xyz[inside] = False, np.nan  # the next bundle adjustment drops them

    def _suspect(self, uv: np.ndarray, T_world_cam: np.ndarray, time_s: float) -> None:
        """Follows more points, image pixels [n,2], to see whether they move by themselves."""
        apart = np.linalg.norm(uv[:, None] - self.witnesses.uv, axis=2).min(axis=1, initial=np.inf)
        uv = uv[apart > _APART_PX]
        if len(uv):
            since = {"since_s": time_s, "since_uv": self.lens.to_ideal(uv), "since_T": T_world_cam}
            self.witnesses.append(uv=uv, caught_s=-np.inf, **since)

    def _follow(self, previous: np.ndarray, grey: np.ndarray) -> None:
        witnesses = self.witnesses
        if not len(witnesses):
            return
        times = 1
        while previous.shape[1] > _FOLLOWED_WIDTH:  # a rough place is enough, and costs a quarter
            previous, grey, times = cv2.pyrDown(previous), cv2.pyrDown(grey), 2 * times
        uv = witnesses.uv / times
        moved, found = features.follow(previous, grey, uv, uv, np.ones(len(uv), bool))
        witnesses.uv = moved * times
        witnesses.keep(found & features.inside(witnesses.uv, self.lens.camera.height, self.lens.camera.width))

    def _look(self, local_map: LocalMap, T_world_cam: np.ndarray, time_s: float) -> None:
        """Notes which witnesses still move by themselves, and lets those go that have not for long."""
        witnesses = self.witnesses
        due = np.flatnonzero(time_s - witnesses.since_s >= _CHECK_S)
        near = _NEAREST * self._depth(local_map, T_world_cam)
        off = self._off_rest(witnesses.since_T[due], witnesses.since_uv[due], T_world_cam, witnesses.uv[due], near)
        witnesses.caught_s[due[off > self.lens.tolerance_px]] = time_s
        witnesses.since_s[due], witnesses.since_T[due] = time_s, T_world_cam
        witnesses.since_uv[due] = self.lens.to_ideal(witnesses.uv[due])
        waiting = np.isinf(witnesses.caught_s)
        waiting[due] = False
        witnesses.keep(waiting | (time_s - witnesses.caught_s <= _REMEMBER_S))

    def _cells(self, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cell = self.lens.camera.width / _COLUMNS
        row, column = (uv[:, ::-1] / cell).astype(int).T
        return row.clip(0, self._grid[0] - 1), column.clip(0, self._grid[1] - 1)

    def _count(self, uv: np.ndarray) -> np.ndarray:
        """Points around every cell of the grid."""
        counts = np.zeros(self._grid, np.float32)
        np.add.at(counts, self._cells(uv), 1)
        return cv2.boxFilter(counts, -1, (_REACH, _REACH), normalize=False, borderType=cv2.BORDER_CONSTANT)

    def coarse(self) -> np.ndarray | None:
        """bool [rows,columns] over the image: where tracks gave away that something moves; None where nothing does."""
        return self.region.copy() if self.region.any() else None

    def fills(self) -> float:
        """Share of the image that moves by itself, as far as tracks gave it away."""
        return float(self.region.mean())

    def _inside(self, uv: np.ndarray) -> np.ndarray:
        return self.region[self._cells(uv)]

    def release(self, local_map: LocalMap, moving: np.ndarray | None) -> None:
        """Stops following the tracks that lie on what moves."""
        if moving is not None:
            tracks = local_map.tracks
            column, row = np.rint(tracks.uv).astype(int).T
            tracks.followed &= ~moving[row, column]

    def forget(self) -> None:
        """What was seen so far is not in the world of what comes."""
        self.witnesses, self.region = Witnesses(), np.zeros(self._grid, bool)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {**self.witnesses.to_arrays("witnesses"), "moving_region": self.region.copy()}

    def from_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        self.witnesses = Witnesses.from_arrays(arrays, "witnesses")
        self.region = np.array(arrays["moving_region"])
