"""Passes over a line of pixels, each a loop without branches that becomes vector code."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mapping.fusion.voxels import COLOUR_ONE, MOST

TILE = 4  # pixels along each side of a tile; `least_of_tiles` is written for so many
SLOPE_ONE = (1 << 15) - 1  # the greatest slope in units of a stored one


class Intrinsics(NamedTuple):
    fx: float
    fy: float
    cx: float
    cy: float


class PixelRules(NamedTuple):
    """The settings that a pixel's weight depends on."""

    near_m: float
    far_m: float
    truncation_m: float
    min_confidence: float
    cosine_floor: float
    max_weight: float
    per_unit: float  # units of a voxel's weight in a weight of 1


@njit(cache=True, nogil=True, error_model="numpy")
def slope(before, here, after, step, out):
    """Slope of depth from whichever neighbours lie at a similar depth; NaN where neither does."""
    step = np.float32(step)
    for u in range(len(out)):
        back = here[u] - before[u]
        ahead = after[u] - here[u]
        back_fits = (before[u] > 0) & (abs(back) < step)
        ahead_fits = (after[u] > 0) & (abs(ahead) < step)
        back = back if back_fits else np.float32(0)
        ahead = ahead if ahead_fits else np.float32(0)
        both = np.float32(0.5) if back_fits & ahead_fits else np.float32(1)
        out[u] = (back + ahead) * both if back_fits | ahead_fits else np.float32(np.nan)


@njit(cache=True, nogil=True, error_model="numpy")
def trust(confidence, least, out):
    for u in range(len(out)):
        out[u] = confidence[u] if confidence[u] >= np.float32(least) else np.float32(0)


@njit(cache=True, nogil=True, error_model="numpy")
def weigh(depth, trust, slope_u, slope_v, v, k, rules, out):
    """Weights in whole units, at least one, from the cosine between the viewing ray r = (x, y, 1) and the normal of the
    surface with these slopes.

    With X(u,v) = z r, the normal dX/du x dX/dv is along (-a, -b, z + a x + b y), where a = fx dz/du and b = fy dz/dv;
    its product with r is z.
    """
    fx, fy, cx = np.float32(k.fx), np.float32(k.fy), np.float32(k.cx)
    per_fx = np.float32(1 / k.fx)
    y = np.float32((v - k.cy) / k.fy)
    floor, most, per_unit = np.float32(rules.cosine_floor), np.float32(rules.max_weight), np.float32(rules.per_unit)
    for u in range(len(out)):
        z = depth[u]
        x = (np.float32(u) - cx) * per_fx
        a = fx * slope_u[u]
        b = fy * slope_v[u]
        c = z + a * x + b * y
        cosine = z / np.sqrt((a * a + b * b + c * c) * (x * x + y * y + np.float32(1)))
        cosine = cosine if cosine > floor else floor  # NaN without slope
        weight = trust[u] * cosine / (z * z)
        weight = weight if weight < most else most
        units = np.float32(np.int32(weight * per_unit + np.float32(0.5)))
        out[u] = min(max(units, np.float32(1)), np.float32(MOST))


@njit(cache=True, nogil=True, error_model="numpy")
def use(depth, trust, slope_u, slope_v, rules, near, far, out):
    """Writes depth where it is to be used, NaN elsewhere, and widens the range of depths that the bands of each column
    reach: least depth, and minus the greatest."""
    least, most = np.float32(rules.near_m), np.float32(rules.far_m)
    truncation = np.float32(rules.truncation_m)
    half, nothing = np.float32(0.5), np.float32(np.inf)
    for u in range(len(out)):
        z = depth[u]
        used = (z >= least) & (z <= most) & (trust[u] > 0)
        band = truncation + half * (_or_zero(abs(slope_u[u])) + _or_zero(abs(slope_v[u])))  # half a pixel to each side
        out[u] = z if used else np.float32(np.nan)
        near[u] = min(near[u], z - band if used else nothing)
        far[u] = min(far[u], -z - band if used else nothing)


@njit(cache=True, nogil=True, error_model="numpy")
def pack_geometry(depth, slope_u, slope_v, slope_m, out):
    """Slopes in units, and depth carried to the pixel's upper left corner by them."""
    halves = out.view(np.uint32)
    unit, per_unit = np.float32(slope_m / SLOPE_ONE), np.float32(SLOPE_ONE / slope_m)
    for u in range(len(depth)):
        a = np.int32(_or_zero(slope_u[u]) * per_unit)
        b = np.int32(_or_zero(slope_v[u]) * per_unit)
        corner = depth[u] - np.float32(np.int32(a + b)) * (np.float32(0.5) * unit)
        halves[2 * u] = np.float32(corner).view(np.uint32)
        halves[2 * u + 1] = np.uint32(np.int32(a & np.int32(0xFFFF)) | np.int32(b << np.int32(16)))


@njit(cache=True, nogil=True, error_model="numpy")
def pack_content(weight, image, out):
    halves = out.view(np.uint32)
    one = np.uint32(COLOUR_ONE)
    for u in range(len(weight)):
        red, green, blue = np.uint32(image[3 * u]), np.uint32(image[3 * u + 1]), np.uint32(image[3 * u + 2])
        colour = np.uint32(red * one) | np.uint32(np.uint32(green * one) << np.uint32(10))
        halves[2 * u] = np.float32(weight[u]).view(np.uint32)
        halves[2 * u + 1] = np.uint32(colour | np.uint32(np.uint32(blue * one) << np.uint32(20)))


@njit(cache=True, nogil=True, error_model="numpy")
def least_of_tiles(near, far, out):
    """The least of every four columns, of both one after the other."""
    for tile in range(len(near) // 4):
        u = 4 * tile
        out[2 * tile] = min(min(near[u], near[u + 1]), min(near[u + 2], near[u + 3]))
        out[2 * tile + 1] = min(min(far[u], far[u + 1]), min(far[u + 2], far[u + 3]))


@njit(cache=True, nogil=True, inline="always")
def _or_zero(slope):
    return slope if slope == slope else np.float32(0)
