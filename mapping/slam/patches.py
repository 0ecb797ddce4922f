"""Small image patches that tell where a landmark really is: search by correlation, then sub-pixel alignment.

Following a point from frame to frame lets it creep; comparing each frame with the patch in which the point was first
seen, warped to the present view, does not. Source: Klein and Murray, PTAM, ISMAR 2007 (warped search); Forster et al.,
SVO, ICRA 2014 (feature alignment).
"""

from __future__ import annotations

import numba
import numpy as np

RADIUS = 8  # of stored patches: 17 x 17 pixels
_WARP = 5  # of warped patches: 11 x 11, of which the inner 9 x 9 are compared
_INNER = 4
_STEP = 2  # search grid, pixels; the alignment that follows reaches over it


def cut(grey: np.ndarray, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Patches u8 [N,17,17] around pixels uv f64 [N,2], and offsets f64 [N,2] of the points from their middles.

    Pixels must be at least RADIUS + 0.5 from the border.
    """
    middle = np.rint(uv).astype(int)
    steps = np.arange(-RADIUS, RADIUS + 1)
    rows, columns = middle[:, 1, None, None] + steps[:, None], middle[:, 0, None, None] + steps[None, :]
    return grey[rows, columns], uv - middle


@numba.njit(cache=True)
def match(grey, patches, offsets, warps, uv, radius, max_shift):  # type: ignore[no-untyped-def]
    """Finds patches in a grey image u8 [H,W], near uv f64 [N,2].

    patches u8 [N,17,17] and offsets f64 [N,2] are cut()'s; warps f64 [N,2,2] take pixel steps of the image to pixel
    steps of the patch. Integer positions up to `radius` pixels around uv are searched (0: none), then aligned.
    Alignment may not end further than max_shift pixels from where it began.
    Returns positions f64 [N,2] and normalised correlation f64 [N] there, in [-1,1]; -1 where there is no result.
    """
    count = len(patches)
    found = uv.copy()
    score = np.full(count, -1.0)
    side = 2 * _WARP + 1
    warped = np.empty((side, side))
    for i in range(count):
        if not _warp(patches[i], offsets[i], warps[i], warped):
            continue
        x, y = uv[i, 0], uv[i, 1]
        if radius > 0:
            x, y = _search(grey, warped, x, y, radius)
        ax, ay, correlation = _align(grey, warped, x, y)
        if abs(ax - x) <= max_shift and abs(ay - y) <= max_shift:
            found[i, 0], found[i, 1] = ax, ay
            score[i] = correlation
    return found, score


@numba.njit(cache=True)
def _warp(patch, offset, warp, out):  # type: ignore[no-untyped-def]
    """Resamples a stored patch as the present view would show it. False where that needs what was not stored."""
    limit = 2 * RADIUS
    for r in range(2 * _WARP + 1):
        for c in range(2 * _WARP + 1):
            dx, dy = c - _WARP, r - _WARP
            x = warp[0, 0] * dx + warp[0, 1] * dy + offset[0] + RADIUS
            y = warp[1, 0] * dx + warp[1, 1] * dy + offset[1] + RADIUS
            if not (-1.5 <= x <= limit + 1.5 and -1.5 <= y <= limit + 1.5):
                return False
            x, y = min(max(x, 0.0), limit - 1e-6), min(max(y, 0.0), limit - 1e-6)
            x0, y0 = int(x), int(y)
            fx, fy = x - x0, y - y0
            top = patch[y0, x0] * (1 - fx) + patch[y0, x0 + 1] * fx
            bottom = patch[y0 + 1, x0] * (1 - fx) + patch[y0 + 1, x0 + 1] * fx
            out[r, c] = top * (1 - fy) + bottom * fy
    return True


@numba.njit(cache=True)
def _search(grey, warped, x, y, radius):  # type: ignore[no-untyped-def]
    """Position on a coarse grid around (x, y) where the patch correlates best."""
    height, width = grey.shape
    n = (2 * _INNER + 1) ** 2
    mean, square = 0.0, 0.0
    for r in range(1, 2 * _WARP):
        for c in range(1, 2 * _WARP):
            mean += warped[r, c]
            square += warped[r, c] ** 2
    mean /= n
    spread = np.sqrt(max(square / n - mean * mean, 1e-6))
    best, best_x, best_y = -2.0, x, y
    x0, y0 = int(np.rint(x)), int(np.rint(y))
    for sy in range(-radius, radius + 1, _STEP):
        for sx in range(-radius, radius + 1, _STEP):
            cx, cy = x0 + sx, y0 + sy
            if cx < _INNER or cy < _INNER or cx >= width - _INNER or cy >= height - _INNER:
                continue
            total, total_square, product = 0.0, 0.0, 0.0
            for r in range(-_INNER, _INNER + 1):
                for c in range(-_INNER, _INNER + 1):
                    value = float(grey[cy + r, cx + c])
                    total += value
                    total_square += value * value
                    product += value * warped[r + _WARP, c + _WARP]
            m = total / n
            s = np.sqrt(max(total_square / n - m * m, 1e-6))
            correlation = (product / n - m * mean) / (s * spread)
            if correlation > best:
                best, best_x, best_y = correlation, float(cx), float(cy)
    return best_x, best_y


@numba.njit(cache=True)
def _align(grey, warped, x, y):  # type: ignore[no-untyped-def]
    """Sub-pixel position and correlation: inverse-compositional translation, brightness and contrast normalised out."""
    height, width = grey.shape
    side = 2 * _INNER + 1
    n = side * side
    template, gx, gy = np.empty((side, side)), np.empty((side, side)), np.empty((side, side))
    spread = _prepare(warped, template, gx, gy)
    hxx, hxy, hyy = np.sum(gx * gx), np.sum(gx * gy), np.sum(gy * gy)
    determinant = hxx * hyy - hxy * hxy
    if spread < 1.0 or determinant < 1e-6 * (hxx + hyy) ** 2:
        return x, y, -1.0
    seen = np.empty((side, side))
    correlation = -1.0
    for _ in range(12):
        if not (_INNER <= x < width - _INNER - 1 and _INNER <= y < height - _INNER - 1):
            return x, y, -1.0
        seen_spread = _sample(grey, x, y, seen)
        if seen_spread < 0.5:
            return x, y, -1.0
        correlation = np.sum(seen * template) / (n * spread * seen_spread)
        residual = seen * (spread / seen_spread) - template
        bx, by = np.sum(gx * residual), np.sum(gy * residual)
        dx = (hyy * bx - hxy * by) / determinant
        dy = (hxx * by - hxy * bx) / determinant
        x, y = x - dx, y - dy
        if dx * dx + dy * dy < 1e-4:
            break
    return x, y, correlation


@numba.njit(cache=True)
def _prepare(warped, template, gx, gy):  # type: ignore[no-untyped-def]
    """Fills in the inner patch without its mean, and its gradients. Returns its standard deviation."""
    side = 2 * _INNER + 1
    n = side * side
    for r in range(side):
        for c in range(side):
            template[r, c] = warped[r + 1, c + 1]
            gx[r, c] = 0.5 * (warped[r + 1, c + 2] - warped[r + 1, c])
            gy[r, c] = 0.5 * (warped[r + 2, c + 1] - warped[r, c + 1])
    template -= np.sum(template) / n
    spread = np.sqrt(np.sum(template * template) / n)
    # What brightness and contrast can explain is taken out of the gradients too, or steps come out too short.
    if spread >= 1.0:
        for g in (gx, gy):
            g -= np.sum(g) / n
            g -= template * (np.sum(g * template) / (n * spread * spread))
    return spread


@numba.njit(cache=True)
def _sample(grey, x, y, seen):  # type: ignore[no-untyped-def]
    """Fills in the image around (x, y), bilinear, without its mean. Returns its standard deviation."""
    side = 2 * _INNER + 1
    x0, y0 = int(x), int(y)
    fx, fy = x - x0, y - y0
    for r in range(side):
        for c in range(side):
            px, py = x0 + c - _INNER, y0 + r - _INNER
            top = grey[py, px] * (1 - fx) + grey[py, px + 1] * fx
            bottom = grey[py + 1, px] * (1 - fx) + grey[py + 1, px + 1] * fx
            seen[r, c] = top * (1 - fy) + bottom * fy
    seen -= np.sum(seen) / (side * side)
    return np.sqrt(np.sum(seen * seen) / (side * side))
