"""Turns a piece into one soup in its own frame, once, so that copies of it cost next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from streammtl.data.rooms.piece import Patch, Piece
from streammtl.data.rooms.scene import Material

# The unit box's faces in the order of piece.FACES: the axis each faces, and the two axes that its u and v follow.
_AXES = ((0, 1, 2), (0, 1, 2), (1, 0, 2), (1, 0, 2), (2, 0, 1), (2, 0, 1))
_SPLIT = np.array([[0, 1, 2], [0, 2, 3]])
# Neighbouring boxes show different parts of a texture: steps of a two-dimensional low-discrepancy sequence.
_STEPS = np.array([0.7548776662466927, 0.5698402909980532])


class Packed(NamedTuple):
    """corners, normals f32 [m,3,3], uv f32 [m,3,2], material [m] into `materials`, label u8 [m]; the piece's frame."""

    corners: np.ndarray
    uv: np.ndarray
    normals: np.ndarray
    material: np.ndarray
    label: np.ndarray
    materials: list[Material]


def _unit_box() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    corners, normals, uv = np.zeros((6, 4, 3)), np.zeros((6, 3)), np.zeros((6, 4, 2))
    for face, (axis, first, second) in enumerate(_AXES):
        side = 1.0 if face % 2 else -1.0
        normals[face, axis] = side
        # Seen from outside u runs to the right and v up; on top and bottom v runs away from the front.
        right = side if axis == 0 else -side
        for k, (a, b) in enumerate(((-1, -1), (1, -1), (1, 1), (-1, 1))):
            corners[face, k, axis] = side
            corners[face, k, first] = a * right
            corners[face, k, second] = b if axis != 2 else -b
            uv[face, k] = (a, b)
    return corners, normals, uv


_CORNERS, _NORMALS, _UV = _unit_box()


def pack(piece: Piece) -> Packed:
    """The whole piece as one soup; remembered by the piece, which must not change afterwards."""
    if piece.packed is None:
        materials: list[Material] = []
        index: dict[int, int] = {}

        def number(material: Material) -> int:
            if id(material) not in index:
                index[id(material)] = len(materials)
                materials.append(material)
            return index[id(material)]

        parts = [_boxes(piece, number)] if piece.centres else []
        parts += [_patch(patch, k, number) for k, patch in enumerate(piece.patches)]
        for model in piece.models:
            matrix, offset = model.turn.astype(np.float32), model.offset.astype(np.float32)
            corners, normals = model.corners @ matrix.T + offset, model.normals @ matrix.T
            material = np.array([number(m) for m in model.materials], np.int32)[model.material]
            parts.append((corners, model.uv, normals, material, model.label))
        piece.packed = Packed(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)), materials)
    return piece.packed


def _boxes(piece: Piece, number: Callable[[Material], int]) -> tuple[np.ndarray, ...]:
    axes, count = np.array(piece.axes), len(piece.centres)
    corners = np.einsum("nij,fkj->nfki", axes, _CORNERS) + np.array(piece.centres)[:, None, None, :]
    half = np.sqrt((axes**2).sum(axis=1))
    normals = np.einsum("nij,fj->nfi", axes / np.maximum(half[:, None, :], 1e-12), _NORMALS)
    repeat = np.array([[f.repeat_m or 0.0 for f in faces] for faces in piece.finishes])[:, :, None, None]
    first, second = half[:, [a[1] for a in _AXES]], half[:, [a[2] for a in _AXES]]
    extent = np.stack([first, second], axis=-1)[:, :, None, :]
    shift = ((np.arange(count)[:, None] + 1) * _STEPS % 1.0)[:, None, None, :]
    tiled = _UV * extent / np.where(repeat > 0, repeat, 1.0) + shift
    # Grain follows the longer side.
    tiled = np.where((second > first)[:, :, None, None], tiled[..., ::-1], tiled)
    uv = np.where(repeat > 0, tiled, 0.5 + 0.5 * _UV)
    material = np.array([[number(f.material) for f in faces] for faces in piece.finishes])
    return (
        corners[:, :, _SPLIT].reshape(-1, 3, 3).astype(np.float32),
        uv[:, :, _SPLIT].reshape(-1, 3, 2).astype(np.float32),
        np.repeat(normals.reshape(-1, 1, 3), 6, axis=1).reshape(-1, 3, 3).astype(np.float32),
        np.repeat(material.reshape(-1), 2).astype(np.int32),
        np.repeat(np.array(piece.labels, np.uint8), 12),
    )


def _patch(patch: Patch, place: int, number: Callable[[Material], int]) -> tuple[np.ndarray, ...]:
    shape, repeat, count = patch.shape, patch.finish.repeat_m, len(patch.shape.corners)
    uv = shape.uv if repeat is None else shape.uv / repeat + (place + 1) * _STEPS % 1.0
    return (
        shape.corners.astype(np.float32),
        uv.astype(np.float32),
        shape.normals.astype(np.float32),
        np.full(count, number(patch.finish.material), np.int32),
        np.full(count, patch.label, np.uint8),
    )
