import itertools

import numpy as np
import pytest

from mapping.fusion.grid import VoxelGrid
from mapping.fusion.settings import FusionSettings
from mapping.records import Blocks
from mapping.surface.cube_cases import EDGE_START, cube_cases
from mapping.surface.mesh import drop_small_components, extract_mesh, sample_surface
from tests.mapping.fusion.fusion_scenes import plain_observation, plane_depth, pose, small_camera, sphere_depth
from tests.mapping.surface.distance_fields import area, edge_balance, filled_blocks, points_of, sphere, volume

VOXEL = 0.05


def test_a_sphere_across_many_blocks_closes_and_has_its_volume_and_area():
    mesh = extract_mesh(filled_blocks(sphere(0.7), (-3, -3, -3), (3, 3, 3), VOXEL, 0.2), VOXEL)
    one_way, other_way = edge_balance(mesh.faces)
    assert (one_way == 1).all() and (other_way == 1).all()
    assert len(mesh.vertices) - len(one_way) + len(mesh.faces) == 2  # Euler: one closed surface without handles
    assert volume(mesh.vertices, mesh.faces) == pytest.approx(4 / 3 * np.pi * 0.7**3, rel=0.005)
    assert area(mesh.vertices, mesh.faces) == pytest.approx(4 * np.pi * 0.7**2, rel=0.005)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 0.7, atol=0.02 * VOXEL)


def test_normals_are_unit_and_face_free_space():
    mesh = extract_mesh(filled_blocks(sphere(0.7), (-3, -3, -3), (3, 3, 3), VOXEL, 0.2), VOXEL)
    outward = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    assert (mesh.normals * outward).sum(1).min() > 0.99
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)


def test_any_signs_give_a_closed_surface():
    rng = np.random.default_rng(0)
    index = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), -1).reshape(-1, 3).astype(np.int32)
    points = points_of(index, 1.0)
    tsdf = rng.uniform(-1, 1, points.shape[:-1]).astype(np.float32)
    tsdf[(np.abs(points - 3.5) > 10).any(-1)] = 1.0  # free space all around
    shape = (*tsdf.shape, 1)
    blocks = Blocks(
        index,
        tsdf,
        np.ones_like(tsdf),
        np.zeros((*tsdf.shape, 3), np.uint8),
        np.zeros(shape, np.uint8),
        np.zeros(shape, "f4"),
    )
    mesh = extract_mesh(blocks, 1.0)
    one_way, other_way = edge_balance(mesh.faces)
    assert len(mesh.faces) > 10_000
    np.testing.assert_array_equal(one_way, other_way)
    assert (one_way == 1).mean() > 0.99
    assert area(mesh.vertices, mesh.faces) > 0


def test_all_cube_patterns_cross_exactly_the_edges_whose_ends_differ():
    table, triangles = cube_cases()
    for pattern in range(256):
        used = set(table[pattern, : 3 * triangles[pattern]].tolist())
        ends = [(start, start | 1 << e // 4) for e, start in enumerate(EDGE_START)]
        differ = {e for e, (a, b) in enumerate(ends) if (pattern >> a & 1) != (pattern >> b & 1)}
        assert used == differ


def test_cells_with_an_unseen_corner_stay_open():
    blocks = filled_blocks(sphere(0.7), (-3, -3, -3), (3, 3, 3), VOXEL, 0.2)
    whole = extract_mesh(blocks, VOXEL)
    upper = (points_of(blocks.index, VOXEL)[..., 1] > 0) & (blocks.weight > 0)
    blocks.weight[upper] = 0.04
    half = extract_mesh(blocks, VOXEL, min_weight=0.05)
    assert half.vertices[:, 1].max() <= 1e-6
    assert len(half.faces) == pytest.approx(len(whole.faces) / 2, rel=0.1)
    assert len(extract_mesh(blocks, VOXEL, min_weight=0.03).faces) == len(whole.faces)


def test_colours_are_interpolated():
    mesh = extract_mesh(filled_blocks(sphere(0.7), (-3, -3, -3), (3, 3, 3), VOXEL, 0.2), VOXEL)
    np.testing.assert_allclose(mesh.colours[:, 0], 100 + 50 * mesh.vertices[:, 0], atol=1.5)
    assert (mesh.colours[:, 1:] == (200, 10)).all()


def test_a_label_is_what_both_ends_and_the_voxels_beside_them_speak_for():
    rng = np.random.default_rng(3)
    blocks = filled_blocks(sphere(0.7), (-3, -3, -3), (3, 3, 3), VOXEL, 0.2)
    blocks.label_ids[:] = rng.integers(0, 6, blocks.label_ids.shape)
    blocks.label_weights[:] = np.where(blocks.label_ids > 0, rng.integers(0, 8, blocks.label_ids.shape) / 4, 0)
    mesh = extract_mesh(blocks, VOXEL)
    evidence = {}
    for b, n in np.ndindex(len(blocks), 512):
        x, y, z = np.unravel_index(n, (8, 8, 8))
        place = tuple((blocks.index[b] * 8 + (x, y, z)).tolist())
        evidence[place] = np.zeros(6)
        np.add.at(evidence[place], blocks.label_ids[b, x, y, z], blocks.label_weights[b, x, y, z])
    for i in range(0, len(mesh.vertices), 7):
        place = mesh.vertices[i] / VOXEL
        off = np.abs(place - np.rint(place))
        axis = int(off.argmax())
        start = np.rint(place).astype(int)
        start[axis] = np.floor(place[axis])
        total = np.zeros(6)
        for end in (0, 1):
            for across in itertools.product((-1, 0, 1), repeat=2):
                if abs(across[0]) + abs(across[1]) < 2:
                    voxel = start + np.insert(across, axis, end)
                    total += evidence.get(tuple(voxel.tolist()), np.zeros(6)) * (0.5 if any(across) else 1)
        assert mesh.labels[i] == total.argmax()
        assert mesh.label_confidence[i] == pytest.approx(total.max() / total.sum())


def test_where_one_end_has_no_label_the_other_speaks():
    blocks = filled_blocks(sphere(0.7), (-3, -3, -3), (3, 3, 3), VOXEL, 0.2)
    inside = blocks.tsdf < 0
    blocks.label_ids[inside] = 0
    blocks.label_weights[inside] = 0
    assert (extract_mesh(blocks, VOXEL).labels > 0).all()


@pytest.mark.parametrize("tilt", [0.0, 0.35, 0.9])
def test_a_plane_from_exact_depth_is_unbiased(tilt):
    settings, camera = FusionSettings(voxel_size_m=0.02, truncation_m=0.08), small_camera(320, 240)
    normal = np.array([0.2, np.sin(tilt), -np.cos(tilt)])
    normal /= np.linalg.norm(normal)
    grid = VoxelGrid(settings)
    for T in (pose((0.003, 0, 0)), pose((0.2, 0.1, -0.1), (0, 1, 0), -0.2)):
        grid.integrate(plain_observation(plane_depth(camera, T, normal, -1.03), camera, T))
    mesh = extract_mesh(grid.blocks(), settings.voxel_size_m)
    error = mesh.vertices @ normal + 1.03
    assert len(mesh.vertices) > 1000
    assert abs(error.mean()) < 0.005 * settings.voxel_size_m
    assert np.percentile(np.abs(error), 99) < 0.02 * settings.voxel_size_m
    assert np.abs(error).max() < 0.05 * settings.voxel_size_m  # where one of the views ends
    assert ((mesh.normals @ normal) > 0.99).all()


def test_a_sphere_from_exact_depth_is_unbiased():
    settings, camera = FusionSettings(voxel_size_m=0.02, truncation_m=0.08), small_camera(320, 240)
    grid, centre = VoxelGrid(settings), np.array([0.05, -0.04, 0.0])
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        T = pose((0, 0, 0), (0, 1, 0), angle) @ pose((0, 0, -1.2))
        grid.integrate(plain_observation(sphere_depth(camera, T, centre, 0.4), camera, T))
    mesh = extract_mesh(grid.blocks(), settings.voxel_size_m)
    error = np.linalg.norm(mesh.vertices - centre, axis=1) - 0.4
    assert abs(np.median(error)) < 0.02 * settings.voxel_size_m
    assert np.percentile(np.abs(error), 95) < 0.1 * settings.voxel_size_m  # linear tsdf of a curved surface


def test_nothing_gives_an_empty_mesh():
    mesh = extract_mesh(filled_blocks(sphere(0.7), (9, 9, 9), (10, 10, 10), VOXEL, 0.2), VOXEL)
    assert len(mesh.vertices) == len(mesh.faces) == 0
    assert len(drop_small_components(mesh, 5).faces) == 0
    assert sample_surface(mesh, 10, 0).shape == (0, 3)


def test_small_pieces_go_and_the_rest_stays_as_it_was():
    both = filled_blocks(
        lambda p: np.minimum(sphere(0.5, (-0.6, 0, 0))(p), sphere(0.12, (0.9, 0, 0))(p)),
        (-3, -3, -3),
        (3, 3, 3),
        VOXEL,
        0.2,
    )
    mesh = extract_mesh(both, VOXEL)
    kept = drop_small_components(mesh, 1000)
    assert 0 < len(kept.faces) < len(mesh.faces)
    assert kept.vertices[:, 0].max() < 0
    assert (
        len(kept.vertices) == len(kept.colours) == len(kept.normals) == len(kept.labels) == len(kept.label_confidence)
    )
    np.testing.assert_allclose(np.linalg.norm(kept.vertices - np.array([-0.6, 0, 0]), axis=1), 0.5, atol=0.02 * VOXEL)
    assert len(drop_small_components(mesh, 1).faces) == len(mesh.faces)


def test_samples_lie_on_the_surface_evenly_and_repeat():
    mesh = extract_mesh(filled_blocks(sphere(0.7), (-3, -3, -3), (3, 3, 3), VOXEL, 0.2), VOXEL)
    points = sample_surface(mesh, 20_000, seed=3)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 0.7, atol=0.05 * VOXEL)  # chords lie within
    np.testing.assert_allclose(points.mean(0), 0, atol=0.01)
    assert (points[:, 1] > 0.35).mean() == pytest.approx(0.25, abs=0.01)  # Archimedes: a cap of half the radius
    np.testing.assert_array_equal(points, sample_surface(mesh, 20_000, seed=3))
