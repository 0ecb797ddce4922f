"""A small z-buffer: coloured triangles on a square picture."""

from __future__ import annotations

import numba
import numpy as np


def rasterise(
    pixels: np.ndarray, nearness: np.ndarray, colours: np.ndarray, faces: np.ndarray, side: int
) -> np.ndarray:
    """f32 [side,side,3] colours of the nearest triangle at every pixel centre; NaN where there is none.

    Shapes: pixels f64 [N,2] (column, row), nearness f64 [N], colours f32 [N,3], faces [F,3]. `nearness` grows towards
    the viewer and is linear in the picture (minus depth for parallel rays, 1 / depth for a pinhole), so it is
    interpolated exactly; colours are interpolated linearly, which small triangles allow.
    Convention: pixel centres at integers.
    """
    picture = np.full((side, side, 3), np.nan, dtype=np.float32)
    buffer = np.full((side, side), -np.inf)
    _fill(pixels, nearness, colours.astype(np.float32), np.ascontiguousarray(faces, np.int64), picture, buffer)
    return picture


@numba.njit
def _fill(pixels, nearness, colours, faces, picture, buffer):
    side = picture.shape[0]
    for f in range(len(faces)):
        i, j, k = faces[f]
        ax, ay = pixels[i]
        bx, by = pixels[j]
        cx, cy = pixels[k]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area == 0:
            continue
        first_row = max(0, int(np.ceil(min(ay, by, cy))))
        last_row = min(side - 1, int(np.floor(max(ay, by, cy))))
        first_column = max(0, int(np.ceil(min(ax, bx, cx))))
        last_column = min(side - 1, int(np.floor(max(ax, bx, cx))))
        for row in range(first_row, last_row + 1):
            for column in range(first_column, last_column + 1):
                v = ((column - ax) * (cy - ay) - (cx - ax) * (row - ay)) / area
                w = ((bx - ax) * (row - ay) - (column - ax) * (by - ay)) / area
                u = 1 - v - w
                if u < 0 or v < 0 or w < 0:
                    continue
                near = u * nearness[i] + v * nearness[j] + w * nearness[k]
                if near > buffer[row, column]:
                    buffer[row, column] = near
                    for channel in range(3):
                        picture[row, column, channel] = (
                            u * colours[i, channel] + v * colours[j, channel] + w * colours[k, channel]
                        )
