"""The zero level of a voxel grid as a triangle mesh with colours and labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mapping.fusion.block_index import BlockIndex
from mapping.records import BLOCK_SIZE, Blocks
from mapping.surface.cube_cases import EDGE_START, cube_cases
from mapping.surface.marching import count_elements, fill_faces, fill_vertices, vertex_normals

BLOCKS_AROUND = np.indices((3, 3, 3), np.int32).reshape(3, 27).T - 1


@dataclass(frozen=True)
class Mesh:
    """Triangles in the frame of the grid they come from; seen from free space they run counter-clockwise."""

    vertices: np.ndarray  # f32 [N,3] m
    faces: np.ndarray  # i32 [F,3]
    normals: np.ndarray  # f32 [N,3] unit, towards free space
    colours: np.ndarray  # u8 [N,3]
    labels: np.ndarray  # u8 [N]; 0 = no label
    label_confidence: np.ndarray | None = None  # f32 [N] share of the evidence that speaks for the label


def extract_mesh(blocks: Blocks, voxel_size_m: float, min_weight: float = 0.05, kept: np.ndarray | None = None) -> Mesh:
    """Marching cubes over all cells whose eight voxels have more than `min_weight` (in sure frontal views from 1 m).

    Vertices lie where the distance, linear between two voxels, is zero; vertices on block borders are shared. Colours
    are interpolated alike; the label is the one with most evidence in these two voxels and, at half, in those beside.
    With `kept` bool [M], only the triangles of cells that start in those blocks; normals count the others too.
    """
    index = BlockIndex()
    index.add(np.ascontiguousarray(blocks.index, np.int32))
    neighbours = np.stack([index.find(blocks.index + offset) for offset in BLOCKS_AROUND], -1)
    table, triangles = cube_cases()
    flat = (len(blocks), BLOCK_SIZE**3)
    tsdf = np.ascontiguousarray(blocks.tsdf, np.float32).reshape(flat)
    seen = np.ascontiguousarray(blocks.weight.reshape(flat) > min_weight)
    counts = count_elements(neighbours, tsdf, seen, triangles)
    starts = np.zeros((len(blocks) + 1, 2), np.int64)
    np.cumsum(counts, axis=0, out=starts[1:])
    vertices = np.empty((starts[-1, 0], 3), np.float32)
    colours = np.empty((starts[-1, 0], 3), np.uint8)
    labels = np.empty(starts[-1, 0], np.uint8)
    confidence = np.empty(starts[-1, 0], np.float32)
    first = np.empty(flat, np.int32)
    crossed = np.empty(flat, np.uint8)
    k = blocks.label_ids.shape[-1]
    fill_vertices(
        np.ascontiguousarray(blocks.index, np.int32),
        neighbours,
        (tsdf, seen),
        blocks.colour.reshape(*flat, 3),
        (blocks.label_ids.reshape(*flat, k), blocks.label_weights.reshape(*flat, k)),
        voxel_size_m,
        starts[:, 0],
        (first, crossed),
        (vertices, colours, labels, confidence),
    )
    faces = np.empty((starts[-1, 1], 3), np.int32)
    edge_start = np.array(EDGE_START, np.int8)
    fill_faces(neighbours, (tsdf, seen), (first, crossed), (table, triangles, edge_start), starts[:, 1], faces)
    normals = np.zeros_like(vertices)
    vertex_normals(vertices, faces, normals)
    wanted = np.ones(len(faces), bool) if kept is None else np.repeat(kept, counts[:, 1])
    return keep_faces(Mesh(vertices, faces, normals, colours, labels, confidence), wanted)


def drop_small_components(mesh: Mesh, min_faces: int) -> Mesh:
    """The mesh without the connected pieces that have fewer than `min_faces` triangles."""
    if not len(mesh.faces):
        return mesh
    a, b = mesh.faces[:, [0, 1]].T, mesh.faces[:, [1, 2]].T
    ends = np.concatenate([a, b], axis=1)
    n = len(mesh.vertices)
    _, piece = connected_components(
        coo_matrix((np.ones(ends.shape[1], bool), tuple(ends)), shape=(n, n)), directed=False
    )
    piece_of_face = piece[mesh.faces[:, 0]]
    return keep_faces(mesh, np.bincount(piece_of_face)[piece_of_face] >= min_faces)


def keep_faces(mesh: Mesh, kept: np.ndarray) -> Mesh:
    """The mesh with only the faces marked in bool [F], and the vertices these use."""
    faces = mesh.faces[kept]
    used = np.zeros(len(mesh.vertices), bool)
    used[faces.reshape(-1)] = True
    renumbered = (np.cumsum(used) - 1).astype(np.int32)
    return replace(
        mesh,
        vertices=mesh.vertices[used],
        faces=renumbered[faces],
        normals=mesh.normals[used],
        colours=mesh.colours[used],
        labels=mesh.labels[used],
        label_confidence=None if mesh.label_confidence is None else mesh.label_confidence[used],
    )


def sample_surface(mesh: Mesh, n: int, seed: int) -> np.ndarray:
    """n points f64 [n,3] spread evenly over the area of the mesh."""
    if not len(mesh.faces):
        return np.empty((0, 3))
    rng = np.random.default_rng(seed)
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    area = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    # one point per equal share of the area, at random within it: evener than n independent draws
    face = np.searchsorted(area, (np.arange(n) + rng.random(n)) / n * area[-1], side="right").clip(max=len(area) - 1)
    # square root: uniform over the triangle (Osada et al. 2002, eq. 1)
    r1, r2 = np.sqrt(rng.random((n, 1))), rng.random((n, 1))
    return (1 - r1) * a[face] + r1 * (1 - r2) * b[face] + r1 * r2 * c[face]
