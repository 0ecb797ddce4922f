"""A mesh that follows its grid piece by piece is the mesh of the whole grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mapping.records import Blocks
from mapping.surface.live_mesh import GROUP, LiveMesh
from mapping.surface.map_mesh import join
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


class Followed:
    """A live mesh and the pieces that it gave so far, as whoever shows them keeps them."""

    def __init__(self) -> None:
        self.live, self.pieces = LiveMesh(VOXEL), {}

    def update(self, blocks: Blocks) -> list[tuple[int, int, int]]:
        fresh = self.live.update(blocks)
        self.pieces = {group: piece for group, piece in {**self.pieces, **fresh}.items() if len(piece.faces)}
        return sorted(fresh)

    def assert_equals(self, blocks: Blocks) -> None:
        whole = join([self.pieces[group] for group in sorted(self.pieces)])
        np.testing.assert_array_equal(triangles(whole), triangles(extract_mesh(blocks, VOXEL)))


def test_the_pieces_are_the_whole_mesh_bit_for_bit():
    followed, blocks = Followed(), ball()
    assert len(followed.update(blocks)) >= 8 and len(followed.pieces) == 8
    followed.assert_equals(blocks)


def test_only_groups_near_a_change_are_meshed_anew():
    followed, blocks = Followed(), ball()
    followed.update(blocks)
    assert followed.update(replace(blocks, tsdf=blocks.tsdf.copy())) == []
    inner = int(np.flatnonzero((blocks.index == (2, 2, 1)).all(1))[0])
    changed = replace(blocks, tsdf=blocks.tsdf.copy(), colour=blocks.colour.copy())
    changed.tsdf[inner] = np.clip(changed.tsdf[inner] + 0.1, -1, 1)
    assert followed.update(changed) == [(0, 0, 0)]
    followed.assert_equals(changed)
    border = int(np.flatnonzero((blocks.index == (0, 2, 1)).all(1))[0])
    changed = replace(changed, tsdf=changed.tsdf.copy())
    changed.tsdf[border] = np.clip(changed.tsdf[border] - 0.1, -1, 1)
    assert followed.update(changed) == [(-1, 0, 0), (0, 0, 0)]
    followed.assert_equals(changed)


def test_a_growing_grid_in_any_order_and_blocks_that_vanish_are_followed():
    followed, whole = Followed(), ball()
    order = np.random.default_rng(2).permutation(len(whole))
    for count in (60, 150, len(whole), 40, 0):
        some = Blocks(*(array[order[:count]] for array in vars(whole).values()))
        followed.update(some)
        arranged = np.lexsort(some.index.T[::-1])
        followed.assert_equals(Blocks(*(array[arranged] for array in vars(some).values())))
    assert followed.pieces == {} and GROUP == 8
