"""Finds the tracks of the local map in a new image."""

from __future__ import annotations

import numpy as np

from mapping.slam import features, patches
from mapping.slam.lens import Lens
from mapping.slam.local_map import LocalMap
from mapping.slam.rigid import inverse, transform

MIN_CORRELATION = 0.75  # of a followed track with its patch
_MIN_FOUND_CORRELATION = 0.85  # of a landmark found again by search, which can hit a look-alike
_SEARCH_PX = 6


def predict(
    local_map: LocalMap, lens: Lens, rows: np.ndarray, T_world_cam: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where tracks should appear in a view, and how their patches are stretched there.

    Candidates without a position are taken to be infinitely far. Returns image pixels f64 [n,2], NaN where the track is
    behind the camera, and warps f64 [n,2,2] from pixel steps of the view to pixel steps of the patch, for surfaces that
    face the camera that cut the patch.
    """
    tracks = local_map.tracks
    keyframe_rows = local_map.keyframe_rows(tracks.patch_keyframe[rows])
    T_cam_world = inverse(T_world_cam)
    T_cam_patch = T_cam_world @ local_map.keyframes.T_world_cam[keyframe_rows]
    rays = lens.rays(tracks.patch_uv[rows])
    xyz = tracks.xyz[rows]
    landmark = np.isfinite(xyz[:, 0])
    in_patch_z = np.ones(len(rows))
    in_camera = np.einsum("nij,nj->ni", T_cam_patch[:, :3, :3], rays)
    in_camera[landmark] = transform(T_cam_world, xyz[landmark])
    T_patch_world = inverse(local_map.keyframes.T_world_cam[keyframe_rows[landmark]])
    in_patch_z[landmark] = np.einsum("nj,nj->n", T_patch_world[:, 2, :3], xyz[landmark]) + T_patch_world[:, 2, 3]
    fx, fy = lens.camera.fx, lens.camera.fy
    x, y, z = in_camera.T
    z = np.where((z > 1e-3) & (in_patch_z > 1e-3), z, np.nan)
    uv = np.stack([x / z * fx + lens.camera.cx, y / z * fy + lens.camera.cy], axis=1)
    steps = (
        T_cam_patch[:, :3, :2] * (in_patch_z[:, None] / [fx, fy])[:, None, :]
    )  # [n,3,2] one patch pixel, in the camera
    projection = np.zeros((len(rows), 2, 3))
    projection[:, 0, 0], projection[:, 0, 2] = fx / z, -fx * x / z**2
    projection[:, 1, 1], projection[:, 1, 2] = fy / z, -fy * y / z**2
    return lens.to_image(uv), _invert(projection @ steps)


def _invert(warps: np.ndarray) -> np.ndarray:
    """Inverse of [n,2,2]; NaN where a patch would be seen from the side, or much larger or smaller."""
    a, b, c, d = warps[:, 0, 0], warps[:, 0, 1], warps[:, 1, 0], warps[:, 1, 1]
    determinant = a * d - b * c
    usable = (determinant > 0.3) & (determinant < 6.0)
    adjugate = np.stack([np.stack([d, -b], axis=1), np.stack([-c, a], axis=1)], axis=1)
    return adjugate / np.where(usable, determinant, np.nan)[:, None, None]


def follow(
    local_map: LocalMap, lens: Lens, previous: np.ndarray, grey: np.ndarray, T_world_cam: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Follows the tracks seen in the previous grey image into this one, given a guess of its pose.

    Returns rows of tracks that were found and their image pixels f64 [n,2].
    """
    tracks = local_map.tracks
    rows = np.flatnonzero(tracks.followed)
    uv = tracks.uv[rows]
    start, warps = predict(local_map, lens, rows, T_world_cam)
    usable = features.inside(start, *grey.shape, margin=0)
    start = np.where(usable[:, None], start, uv)
    moved, found = features.follow(previous, grey, uv, start, check=~tracks.is_landmark[rows])
    aligned, correlation = _match(local_map, grey, rows, warps, moved, radius=0, max_shift=2.0)
    good = correlation > MIN_CORRELATION
    moved[good] = aligned[good]
    # Blur and changing light spoil the correlation before they spoil the flow: a fair match keeps the flow's word.
    found &= (correlation > 0.4) & features.inside(moved, *grey.shape)
    return rows[found], moved[found]


def find_again(
    local_map: LocalMap, lens: Lens, grey: np.ndarray, T_world_cam: np.ndarray, count: int, turn: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Looks for landmarks that are in view of a pose but not followed.

    At most `count` are tried; `turn` rotates the choice from frame to frame.
    Returns rows of tracks found with their image pixels f64 [n,2], and rows that were looked for in vain.
    """
    tracks = local_map.tracks
    rows = np.flatnonzero(tracks.is_landmark & ~tracks.followed)
    none = np.zeros(0, int)
    if not len(rows) or count <= 0:
        return none, np.zeros((0, 2)), none
    uv, warps = predict(local_map, lens, rows, T_world_cam)
    visible = features.inside(uv, *grey.shape) & np.isfinite(warps[:, 0, 0])
    rows, uv, warps = rows[visible], uv[visible], warps[visible]
    if len(rows) > count:
        chosen = np.sort(np.roll(np.arange(len(rows)), -(turn * count) % len(rows))[:count])
        rows, uv, warps = rows[chosen], uv[chosen], warps[chosen]
    moved, correlation = _match(local_map, grey, rows, warps, uv, radius=_SEARCH_PX, max_shift=2.0)
    found = (correlation > _MIN_FOUND_CORRELATION) & features.inside(moved, *grey.shape)
    return rows[found], moved[found], rows[~found]


def _match(
    local_map: LocalMap,
    grey: np.ndarray,
    rows: np.ndarray,
    warps: np.ndarray,
    uv: np.ndarray,
    radius: int,
    max_shift: float,
) -> tuple[np.ndarray, np.ndarray]:
    tracks = local_map.tracks
    return patches.match(grey, tracks.patch[rows], tracks.patch_offset[rows], warps, uv, radius, max_shift)
