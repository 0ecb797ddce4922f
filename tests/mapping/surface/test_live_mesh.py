"""A mesh that follows its grid piece by piece is the mesh of the whole grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mapping.records import Blocks
from mapping.surface.live_mesh import GROUP, LiveMesh
from mapping.surface.mesh import Mesh, extract_mesh
from tests.mapping.surface.distance_fields import filled_blocks, sphere

VOXEL, TRUNCATION = 0.05, 0.2


def ball(radius: float = 1.1, centre=(0.1, -0.2, 0.0)) -> Blocks:
    return filled_blocks(sphere(radius, centre), (-4, -4, -4), (4, 4, 4), VOXEL, TRUNCATION)


def triangles(mesh: Mesh) -> np.ndarray:
    """All that belongs to each triangle's corners, f64 [F,30], in an order of its own."""
    corners = np.concatenate(
        [mesh.vertices, mesh.normals, mesh.colours, mesh.labels[:, None], mesh.label_confidence[:, None]], axis=1
    )
    rows = corners.astype(np.float64)[mesh.faces].reshape(len(mesh.faces), 3 * corners.shape[1])
    return rows[np.lexsort(rows.T)]


def assert_follows(live: LiveMesh, blocks: Blocks) -> None:
    np.testing.assert_array_equal(triangles(live.mesh()), triangles(extract_mesh(blocks, VOXEL)))


def test_the_pieces_are_the_whole_mesh_bit_for_bit():
    live, blocks = LiveMesh(VOXEL), ball()
    assert len(live.update(blocks)) >= 8 and len(live.pieces) == 8
    assert_follows(live, blocks)


def test_only_groups_near_a_change_are_meshed_anew():
    live, blocks = LiveMesh(VOXEL), ball()
    live.update(blocks)
    assert live.update(replace(blocks, tsdf=blocks.tsdf.copy())) == []
    inner = int(np.flatnonzero((blocks.index == (2, 2, 1)).all(1))[0])
    changed = replace(blocks, tsdf=blocks.tsdf.copy(), colour=blocks.colour.copy())
    changed.tsdf[inner] = np.clip(changed.tsdf[inner] + 0.1, -1, 1)
    before = dict(live.pieces)
    assert live.update(changed) == [(0, 0, 0)]
    assert all(live.pieces[group] is before[group] for group in before if group != (0, 0, 0))
    assert_follows(live, changed)
    border = int(np.flatnonzero((blocks.index == (0, 2, 1)).all(1))[0])
    changed = replace(changed, tsdf=changed.tsdf.copy())
    changed.tsdf[border] = np.clip(changed.tsdf[border] - 0.1, -1, 1)
    assert sorted(live.update(changed)) == [(-1, 0, 0), (0, 0, 0)]
    assert_follows(live, changed)


def test_a_growing_grid_in_any_order_and_blocks_that_vanish_are_followed():
    live, whole = LiveMesh(VOXEL), ball()
    order = np.random.default_rng(2).permutation(len(whole))
    for count in (60, 150, len(whole), 40, 0):
        some = Blocks(*(array[order[:count]] for array in vars(whole).values()))
        live.update(some)
        arranged = np.lexsort(some.index.T[::-1])
        assert_follows(live, Blocks(*(array[arranged] for array in vars(some).values())))
    assert live.pieces == {} and GROUP == 8
