"""Components of a map stay apart."""

from types import SimpleNamespace

import numpy as np

from mapping.fusion.grid import VoxelGrid
from mapping.fusion.settings import FusionSettings
from mapping.records import Submap
from mapping.surface.map_mesh import join, map_mesh
from mapping.surface.mesh import Mesh
from tests.mapping.fusion.fusion_scenes import plain_observation, plane_depth, small_camera


def triangle(x):
    return Mesh(
        vertices=np.array([[x, 0, 0], [x + 1, 0, 0], [x, 1, 0]], np.float32),
        faces=np.array([[0, 1, 2]], np.int32),
        normals=np.tile(np.float32([0, 0, 1]), (3, 1)),
        colours=np.full((3, 3), 7, np.uint8),
        labels=np.full(3, 5, np.uint8),
    )


def test_joined_meshes_keep_their_own_triangles():
    both = join([triangle(0), triangle(10)])
    assert both.faces.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert both.vertices[both.faces[1], 0].tolist() == [10, 11, 10]
    assert both.labels.tolist() == [5] * 6


def test_no_meshes_join_to_an_empty_one():
    empty = join([])
    assert empty.vertices.shape == (0, 3)
    assert empty.faces.shape == (0, 3)


def test_surfaces_of_two_components_at_the_same_place_do_not_merge():
    settings = FusionSettings(voxel_size_m=0.02, truncation_m=0.08)
    grid, camera = VoxelGrid(settings), small_camera()
    grid.integrate(plain_observation(plane_depth(camera, np.eye(4), np.array([0, 0, 1.0]), 0.7), camera, np.eye(4)))
    blocks = grid.blocks()
    submaps = {n: Submap(n, component, np.eye(4), blocks) for n, component in ((0, 0), (1, 0), (2, 1))}
    entries = [SimpleNamespace(number=n, component=s.component) for n, s in submaps.items()]
    header = SimpleNamespace(submaps=entries, voxel_size_m=settings.voxel_size_m, truncation_m=settings.truncation_m)
    reader = SimpleNamespace(header=header, submap=submaps.__getitem__)
    one = map_mesh(reader, component=0)
    assert len(one.faces) > 0
    assert len(map_mesh(reader).faces) == 2 * len(one.faces)
