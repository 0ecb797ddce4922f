import numpy as np
import pytest

from mapping.fusion.anchor import new_anchor
from mapping.fusion.grid import VoxelGrid
from mapping.fusion.settings import FusionSettings
from mapping.records import Blocks, Submap
from mapping.surface.merge import in_world, merge_submaps
from mapping.surface.mesh import extract_mesh
from streammtl.errors import GeometryError, MapError
from tests.mapping.fusion.fusion_scenes import pose, rough_observation, small_camera
from tests.mapping.surface.distance_fields import filled_blocks, sphere

VOXEL, TRUNCATION = 0.05, 0.2
FIELDS = ("index", "tsdf", "weight", "colour", "label_ids", "label_weights")


def ball() -> Blocks:
    return filled_blocks(sphere(0.7), (-3, -3, -3), (3, 3, 3), VOXEL, TRUNCATION)


def submap(blocks: Blocks, T: np.ndarray, number: int = 0) -> Submap:
    return Submap(number, 0, T, blocks, closed=True)


def merged(*submaps: Submap) -> Blocks:
    return merge_submaps(submaps, VOXEL, TRUNCATION)


def test_one_unmoved_submap_merges_to_itself_bit_for_bit():
    settings = FusionSettings(voxel_size_m=VOXEL, truncation_m=TRUNCATION)
    grid = VoxelGrid(settings)
    for seed in range(3):
        grid.integrate(rough_observation(seed, pose((0.05 * seed, 0, 0)), small_camera()))
    blocks, anchor = grid.blocks(), new_anchor(pose((-7.3, 2.2, 1.1)), settings)
    result = merged(submap(blocks, anchor))
    np.testing.assert_array_equal(result.index, blocks.index + np.round(anchor[:3, 3] / (8 * VOXEL)).astype(int))
    for name in FIELDS[1:]:
        np.testing.assert_array_equal(getattr(result, name), getattr(blocks, name), err_msg=name)


def test_overlapping_submaps_are_averaged_by_weight_and_their_evidence_adds_up():
    a, b = ball(), ball()
    b.weight *= 3
    b.tsdf += 0.04
    b.colour[..., 1] = 100
    b.label_ids[..., 0], b.label_ids[..., 1] = 7, 3
    b.label_weights[..., 0], b.label_weights[..., 1] = 4, 1
    result = merged(submap(a, np.eye(4)), submap(b, np.eye(4)))
    seen = a.weight > 0
    np.testing.assert_array_equal(result.index, a.index)
    np.testing.assert_allclose(result.tsdf[seen], a.tsdf[seen] + 0.03, atol=1e-6)
    np.testing.assert_array_equal(result.weight[seen], 4)
    assert (result.colour[seen][:, 1] == 125).all()
    lower = seen & (a.label_ids[..., 0] == 3)  # 2 + 1 for label 3 against 4 for label 7
    assert (result.label_ids[lower] == (7, 3)).all() and (result.label_weights[lower] == (4, 3)).all()
    upper = seen & (a.label_ids[..., 0] == 5)
    assert (result.label_ids[upper] == (7, 5)).all() and (result.label_weights[upper] == (4, 2)).all()


def test_submaps_on_the_grid_that_meet_at_a_block_border_make_one_closed_surface():
    blocks = ball()
    shift = np.eye(4)
    shift[:3, 3] = (2 * 8 * VOXEL, 0, -8 * VOXEL)
    left = blocks.index[:, 0] < 0
    parts = [Blocks(*(getattr(blocks, name)[half] for name in FIELDS)) for half in (left, ~left)]
    parts[1].index = parts[1].index - np.array([2, 0, -1], np.int32)
    together = merged(submap(parts[0], np.eye(4)), submap(parts[1], shift, 1))
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(together, name), getattr(blocks, name), err_msg=name)


@pytest.mark.parametrize(
    "T", [pose((0.013, -0.021, 0.3)), pose((0, 0, 0), (1, 2, 3), 0.02), pose((5.1, -3.3, 0.77), (1, -1, 0.4), 2.0)]
)
def test_a_moved_submap_has_the_same_surface_elsewhere(T):
    mesh = extract_mesh(merged(submap(ball(), T)), VOXEL)
    error = np.linalg.norm((mesh.vertices - T[:3, 3]) @ T[:3, :3], axis=1) - 0.7
    assert len(mesh.faces) == pytest.approx(len(extract_mesh(ball(), VOXEL).faces), rel=0.1)
    assert np.abs(error).max() < 0.05 * VOXEL
    labels = mesh.labels[np.abs((mesh.vertices - T[:3, 3]) @ T[:3, 2]) > 2 * VOXEL]
    truth = ((mesh.vertices - T[:3, 3]) @ T[:3, 2] > 0)[np.abs((mesh.vertices - T[:3, 3]) @ T[:3, 2]) > 2 * VOXEL]
    assert (labels == np.where(truth, 5, 3)).all()


def test_moved_and_moved_back_is_the_same_surface():
    T = pose((0.33, 0.1, -0.2), (0.3, 1, 0.2), 0.7)
    there = in_world(ball(), T, VOXEL, TRUNCATION)
    back = in_world(there, np.linalg.inv(T), VOXEL, TRUNCATION)
    mesh, before = extract_mesh(back, VOXEL), extract_mesh(ball(), VOXEL)
    assert len(mesh.faces) == pytest.approx(len(before.faces), rel=0.1)
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.7).max() < 0.1 * VOXEL


def test_resampling_onto_the_same_points_changes_nothing():
    T = pose((3 * VOXEL, -VOXEL, 10 * VOXEL))  # whole voxels, not whole blocks: resampled, but onto samples
    result = in_world(ball(), T, VOXEL, TRUNCATION)
    back = in_world(result, np.linalg.inv(T), VOXEL, TRUNCATION)
    for name in FIELDS:
        np.testing.assert_allclose(getattr(back, name), getattr(ball(), name), atol=1e-5, err_msg=name)


def test_nothing_is_invented_between_an_object_and_what_is_far_behind_it():
    blocks = filled_blocks(
        lambda p: np.where(p[..., 0] < 0.101, 0.19, -0.19), (-1, -1, -1), (1, 1, 1), VOXEL, TRUNCATION
    )
    result = in_world(blocks, pose((0.02, 0.01, 0.0)), VOXEL, TRUNCATION)
    values = np.abs(result.tsdf[result.weight > 0])
    assert np.isclose(values, 0.95).all()


def test_no_submaps_make_no_blocks():
    assert len(merged()) == 0
    assert len(extract_mesh(merged(), VOXEL).faces) == 0


def test_submaps_that_cannot_belong_together_are_refused():
    other = filled_blocks(sphere(0.7), (-3, -3, -3), (3, 3, 3), VOXEL, TRUNCATION, k=3)
    with pytest.raises(MapError, match="labels per voxel"):
        merged(submap(ball(), np.eye(4)), submap(other, np.eye(4)))
    with pytest.raises(GeometryError, match="scale"):
        merged(submap(ball(), np.diag([1.1, 1.1, 1.1, 1.0])))
    with pytest.raises(GeometryError, match="reach"):
        merged(submap(ball(), pose((1e9 * 8 * VOXEL, 0, 0))))
