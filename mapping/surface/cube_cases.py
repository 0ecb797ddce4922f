"""The triangles of each of the 256 sign patterns of a cube, derived rather than typed in.

Corner c of a cube lies at (c & 1, c >> 1 & 1, c >> 2 & 1). Edge e runs along axis e // 4 from the corner that
EDGE_START[e] gives. Source: marching cubes (Lorensen and Cline 1987); a face with two inside corners on a diagonal
keeps them apart, which is the same decision from both sides of the face, so that surfaces close (Montani, Scateni and
Scopigno 1994).
"""

from __future__ import annotations

from functools import cache

import numpy as np

# the low corner of each edge: the axes other than e // 4 take the two bits of e % 4
EDGE_START = tuple(
    sum(((e % 4) >> i & 1) << other for i, other in enumerate(axis for axis in range(3) if axis != e // 4))
    for e in range(12)
)
EDGE_OF = {frozenset((start, start | 1 << e // 4)): e for e, start in enumerate(EDGE_START)}


@cache
def cube_cases() -> tuple[np.ndarray, np.ndarray]:
    """For each pattern (bit c: corner c is inside) its edges, three per triangle, i8 [256,n], and triangle count i8
    [256].

    Seen from outside, that is from where the distance is positive, a triangle runs counter-clockwise.
    """
    triangles = [_triangles(pattern) for pattern in range(256)]
    table = np.full((256, 3 * max(map(len, triangles))), -1, np.int8)
    for pattern, corners in enumerate(triangles):
        table[pattern, : 3 * len(corners)] = np.array(corners, np.int8).reshape(-1)
    return table, np.array([len(t) for t in triangles], np.int8)


def _triangles(pattern: int) -> list[tuple[int, int, int]]:
    following = {}
    for face in _faces():
        following.update(_segments(face, pattern))
    triangles = []
    while following:
        loop = [next(iter(following))]
        while (edge := following.pop(loop[-1])) != loop[0]:
            loop.append(edge)
        loop = min((loop[i:] + loop[:i] for i in range(len(loop))), key=_diagonals_on_faces)
        triangles += [(loop[0], loop[i], loop[i + 1]) for i in range(1, len(loop) - 1)]
    return triangles


def _diagonals_on_faces(loop: list[int]) -> int:
    """How many diagonals of the fan from the first edge lie in a face, where the next cube could have the same one."""
    ends = [{EDGE_START[e], EDGE_START[e] | 1 << e // 4} for e in loop]
    return sum(any(ends[0] | other <= set(face) for face in _faces()) for other in ends[2:-1])


def _faces() -> list[list[int]]:
    """The corners of each face, counter-clockwise seen from outside the cube."""
    faces = []
    for axis in range(3):
        b, c = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
        faces += [[0, c, b | c, b], [corner | 1 << axis for corner in (0, b, b | c, c)]]
    return faces


def _segments(face: list[int], pattern: int) -> dict[int, int]:
    """Where the surface crosses a face: from the edge that enters each run of inside corners to the edge that leaves
    it."""
    inside = [pattern >> corner & 1 for corner in face]
    edges = [EDGE_OF[frozenset((face[i], face[(i + 1) % 4]))] for i in range(4)]
    segments = {}
    for i in range(4):
        if inside[i] and not inside[(i + 1) % 4]:
            first = i
            while inside[first - 1]:
                first -= 1
            segments[edges[first - 1]] = edges[i]
    return segments
