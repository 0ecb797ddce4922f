"""Grows the local map at keyframes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mapping.slam import colmap, features
from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.locating import is_scarce
from mapping.slam.recognition import Recognition
from mapping.slam.rigid import transform
from mapping.slam.sensor_depth import depth_at
from mapping.slam.settings import TrackerSettings

_MIN_POINT_ANGLE_DEG = 1.0
_SCARCE_POINT_ANGLE_DEG = 0.35  # where landmarks are few; a point is then known to a fifth of its depth or better


@dataclass(frozen=True)
class KeyframeView:
    """A frame that becomes a keyframe: its index and pose T_world_cam f64 [4,4], its image grey u8 [H,W], sensor depth
    depth_m f32 [H,W] where there is some, and `moving` bool [H,W], where nothing new may be taken up."""

    index: int
    T_world_cam: np.ndarray
    grey: np.ndarray
    depth_m: np.ndarray | None
    moving: np.ndarray | None


class Mapper:
    """Inserts keyframes into a local map. Holds settings only; the map holds all state."""

    def __init__(self, settings: TrackerSettings, lens: Lens) -> None:
        self.settings = settings
        self.lens = lens

    def insert_keyframe(self, local_map: LocalMap, view: KeyframeView) -> None:
        """Makes the current frame a keyframe: sightings of all followed tracks, new landmarks, new corners."""
        local_map.keyframes.append(index=np.array([view.index]), T_world_cam=view.T_world_cam)
        self._measure(local_map, view, np.flatnonzero(local_map.tracks.followed))
        self._triangulate(local_map, _MIN_POINT_ANGLE_DEG)
        landmarks = int((local_map.tracks.followed & local_map.tracks.is_landmark).sum())
        if is_scarce(landmarks, self.settings):
            self._triangulate(local_map, _SCARCE_POINT_ANGLE_DEG)
        self.add_corners(local_map, view)

    def insert_known(self, local_map: LocalMap, view: KeyframeView, found: Recognition, uv: np.ndarray) -> None:
        """Fills an empty map with a place and the frame that shows it, at uv f64 [M,2] of its landmarks."""
        place, points = found.place, found.points
        usable = features.inside(uv, *view.grey.shape)
        uv, points = uv[usable], points[usable]
        local_map.keyframes.append(index=np.array([place.index]), T_world_cam=place.T_world_cam)
        local_map.keyframes.append(index=np.array([view.index]), T_world_cam=view.T_world_cam)
        xyz = transform(place.T_world_cam, place.xyz[points].astype(np.float64))
        local_map.add_tracks(view.grey, uv, self.lens.to_ideal(uv), xyz, view.index)
        local_map.sightings.append(keyframe=place.index, track=local_map.tracks.id, uv=place.uv[points], depth_m=0.0)
        self._measure(local_map, view, np.arange(len(uv)))
        self.add_corners(local_map, view)

    def add_corners(self, local_map: LocalMap, view: KeyframeView) -> None:
        """Tops the tracks up with corners of a keyframe, landmarks at once where there is sensor depth."""
        taken = local_map.tracks.uv[local_map.tracks.followed]
        uv = features.detect(view.grey, self.settings.max_tracks - len(taken), taken, view.moving)
        uv_ideal = self.lens.to_ideal(uv)
        first = len(local_map.tracks)
        local_map.add_tracks(view.grey, uv, uv_ideal, np.full((len(uv), 3), np.nan), view.index)
        self._measure(local_map, view, np.arange(first, len(local_map.tracks)))

    def _measure(self, local_map: LocalMap, view: KeyframeView, rows: np.ndarray) -> None:
        """Records what a keyframe sees of tracks `rows`; sensor depth places those without position."""
        if not len(rows):
            return
        tracks = local_map.tracks
        uv_ideal = self.lens.to_ideal(tracks.uv[rows])
        depth = depth_at(view.depth_m, tracks.uv[rows], self.settings.max_depth_m)
        placed = (depth > 0) & ~tracks.is_landmark[rows]
        in_camera = self.lens.rays(uv_ideal[placed]) * depth[placed, None]
        tracks.xyz[rows[placed]] = transform(view.T_world_cam, in_camera)
        local_map.sightings.append(keyframe=view.index, track=tracks.id[rows], uv=uv_ideal, depth_m=depth)

    def _triangulate(self, local_map: LocalMap, min_angle_deg: float) -> None:
        """Gives candidates a position where keyframes see them under an angle of min_angle_deg or more."""
        tracks, sightings = local_map.tracks, local_map.sightings
        rows = np.flatnonzero(tracks.followed & ~tracks.is_landmark)
        track_rows = local_map.rows_of(sightings.track)
        views = local_map.keyframe_rows(sightings.keyframe)
        wanted = np.flatnonzero(np.isin(track_rows, rows))
        order = wanted[np.argsort(track_rows[wanted], kind="stable")]
        starts = np.searchsorted(track_rows[order], rows)
        ends = np.searchsorted(track_rows[order], rows, side="right")
        seen = [
            (views[order[a:b]], sightings.uv[order[a:b]].astype(np.float64))
            for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
        tracks.xyz[rows] = colmap.triangulate(
            seen,
            local_map.keyframes.T_world_cam,
            self.lens.pinhole,
            self.settings.seed,
            min_angle_deg,
        )
