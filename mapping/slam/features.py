"""Corners spread over the image, and following them from one image to the next."""

from __future__ import annotations

import cv2
import numpy as np

MARGIN_PX = 12  # corners and tracks nearer to the border are dropped: their patch would leave the image
_WINDOW = (15, 15)
_LEVELS = 4
_CELL_PX = 40
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02)


def inside(uv: np.ndarray, height: int, width: int, margin: float = MARGIN_PX) -> np.ndarray:
    """Which pixels uv [N,2] lie at least `margin` from the border. False for NaN."""
    x, y = uv[:, 0], uv[:, 1]
    return (x >= margin) & (y >= margin) & (x <= width - 1 - margin) & (y <= height - 1 - margin)


def detect(grey: np.ndarray, count: int, taken: np.ndarray, moving: np.ndarray | None = None) -> np.ndarray:
    """Up to `count` new corners f64 [N,2] in u8 [H,W], away from those `taken` [M,2] and spread over cells of 40 px.

    None is chosen where `moving` bool [H,W] says so.

    Corners are strong within their own neighbourhood rather than within the image, so a window or a lamp does not
    draw them all. Source: Shi and Tomasi, Good Features to Track, 1994.
    """
    height, width = grey.shape
    if count <= 0:
        return np.zeros((0, 2))
    mask = np.zeros_like(grey)
    mask[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] = 255
    if moving is not None:
        mask[moving] = 0
    for x, y in np.rint(taken).astype(int).tolist():
        cv2.circle(mask, (x, y), 10, 0, -1)
    found = cv2.goodFeaturesToTrack(grey, 0, 0.003, 8, mask=mask, blockSize=5)
    if found is None:
        return np.zeros((0, 2))
    corners = found.reshape(-1, 2).astype(np.float64)  # strongest first
    columns = width // _CELL_PX + 1
    cells = _cells(corners, columns)
    occupied = np.bincount(_cells(taken, columns), minlength=columns * (height // _CELL_PX + 1))
    # Rank of each corner within its cell, on top of the tracks already there: sparse cells are filled first.
    by_cell = np.argsort(cells, kind="stable")
    rank = np.empty(len(corners), int)
    rank[by_cell] = np.arange(len(corners)) - np.searchsorted(cells[by_cell], cells[by_cell])
    return _sharpened(grey, corners[np.argsort(rank + occupied[cells], kind="stable")[:count]])


def _sharpened(grey: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Corners f64 [N,2] moved to where they are between pixels, so that another view finds the same points."""
    if not len(corners):
        return corners
    start = np.ascontiguousarray(corners, np.float32).reshape(-1, 1, 2)
    moved = cv2.cornerSubPix(grey, start, (3, 3), (-1, -1), _STOP).reshape(-1, 2).astype(np.float64)
    near = np.abs(moved - corners).max(axis=1) < 1.5
    return np.where((near & inside(moved, *grey.shape))[:, None], moved, corners)


def _cells(uv: np.ndarray, columns: int) -> np.ndarray:
    """Number of the cell in which each pixel [N,2] lies."""
    return (uv[:, 1] // _CELL_PX * columns + uv[:, 0] // _CELL_PX).astype(int)


def follow(
    previous: np.ndarray, current: np.ndarray, uv: np.ndarray, start: np.ndarray, check: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the points uv f64 [N,2] of one grey image u8 [H,W] are in the next, searching from `start` f64 [N,2].

    Returns positions f64 [N,2] and whether they were found. Those marked in `check` bool [N] are followed back as
    well and must come home within 1 px. Source: Bouguet's pyramidal Lucas-Kanade; Kalal et al., ICPR 2010.
    """
    if not len(uv):
        return np.zeros((0, 2)), np.zeros(0, bool)
    moved, found = _flow(previous, current, uv, start)
    found &= inside(moved, *current.shape)
    again = np.flatnonzero(found & check)
    if len(again):
        back, status = _flow(current, previous, moved[again], moved[again] + uv[again] - start[again])
        found[again] &= status & (np.linalg.norm(back - uv[again], axis=1) < 1.0)
    return moved, found


def _flow(
    previous: np.ndarray, current: np.ndarray, uv: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        previous,
        current,
        uv.astype(np.float32),
        start.astype(np.float32),
        winSize=_WINDOW,
        maxLevel=_LEVELS,
        criteria=_STOP,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return moved.astype(np.float64), status[:, 0] > 0
