"""Fusion as tensor operations gives what the slow reference and the kernels of the CPU give, to rounding."""

import numpy as np
import pytest
import torch

from mapping.fusion.grid import VoxelGrid
from mapping.fusion.precision import from_stored, to_stored
from mapping.fusion.settings import FusionSettings
from mapping.fusion.tensors import view
from mapping.fusion.tensors.grid import Stages, TensorGrid
from mapping.fusion.voxels import COLOUR_ONE, TSDF_ONE, units_of
from mapping.records import BLOCK_SIZE, Blocks
from streammtl.camera import Camera
from streammtl.errors import CameraError, GeometryError, MapError
from tests.mapping.fusion.fusion_scenes import (
    plain_observation,
    plane_depth,
    pose,
    rough_observation,
    small_camera,
    sphere_depth,
)
from tests.mapping.fusion.reference_fusion import ReferenceGrid, assert_agrees

CPU = torch.device("cpu")
SETTINGS = FusionSettings(voxel_size_m=0.05, truncation_m=0.12, far_m=1.5, max_weight=3.0)
POSES = [pose((0, 0, 0)), pose((-0.1, 0.05, 0.02), (0.3, 1, 0.2), 0.25), pose((0.08, -0.03, -0.1), (1, 0.2, 0), -0.2)]
# no voxel falls on the border of two pixels, where rounding decides which one it reads
CAMERA = Camera.pinhole(40, 30, 36.1, 35.3, 19.613, 15.317)
ROUGH = [rough_observation(seed, T, CAMERA) for seed, T in enumerate(POSES)]


def fused(grid, observations):
    changed = [grid.integrate(observation) for observation in observations]
    return grid, changed


def on_tensors(settings, observations, device=CPU) -> Blocks:
    return fused(TensorGrid(settings, device), observations)[0].blocks()


def assert_same(a: Blocks, b: Blocks):
    for name, array in vars(a).items():
        np.testing.assert_array_equal(array, getattr(b, name), err_msg=name)
        assert array.dtype == getattr(b, name).dtype


def assert_same_to_rounding(ours: Blocks, kernels: Blocks, settings: FusionSettings, frames: int, apart=0.0):
    """Every update of either rounds by less than a unit, but for a share of `apart`: voxels on the border of pixels."""
    np.testing.assert_array_equal(ours.index, kernels.index)
    units = units_of(settings)
    for name, tolerance in (
        ("tsdf", 2 * frames / TSDF_ONE),
        ("weight", frames * units.weight),
        ("colour", 2 * frames / COLOUR_ONE + 1),
        ("label_weights", 4 * frames * units.label),
    ):
        difference = np.abs(getattr(ours, name).astype(np.float64) - getattr(kernels, name))
        assert (difference > 1.001 * tolerance).mean() <= apart, name
    clear = kernels.label_weights[..., 0] - kernels.label_weights[..., 1:2].sum(-1) > 8 * frames * units.label
    assert (clear & (ours.label_ids[..., 0] != kernels.label_ids[..., 0])).mean() <= apart
    assert ((ours.label_ids == 0) == (ours.label_weights == 0)).all()
    assert (np.diff(ours.label_weights, axis=-1) <= 0).all()


def test_they_agree_with_the_slow_reference_voxel_by_voxel():
    reference = ReferenceGrid(SETTINGS)
    for observation in ROUGH:
        reference.integrate(observation, np.array([-24, -24, -8]), np.array([24, 24, 40]))
    assert_agrees(on_tensors(SETTINGS, ROUGH), reference, frames=len(ROUGH))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"max_weight": 0.5},  # full after a frame or two: old evidence fades
        {"labels_per_voxel": 2},  # fewer than there are: labels displace each other
        {"labels_per_voxel": 1, "label_band": 0.5},
        {"free_space_weight": 0.3, "max_weight": 2048},
        {"free_space_weight": 0},
        {"cosine_floor": 0.5, "max_pixel_weight": 1.5, "min_confidence": 0.6},
    ],
)
def test_they_agree_with_the_kernels_over_many_rough_frames(changes):
    settings = FusionSettings(**{**SETTINGS.model_dump(), **changes})
    (kernels, theirs), (tensors, ours) = (
        fused(grid, ROUGH * 3) for grid in (VoxelGrid(settings), TensorGrid(settings, CPU))
    )
    assert ours == theirs
    assert len(tensors) == len(kernels) > 40
    assert_same_to_rounding(tensors.blocks(), kernels.blocks(), settings, frames=9)


@pytest.mark.parametrize("tilt", [0.0, 0.6, 1.1, 1.4])
def test_an_oblique_plane_touches_the_same_blocks(tilt):
    camera, settings = small_camera(83, 61), FusionSettings(voxel_size_m=0.02, truncation_m=0.04, far_m=3)
    T = pose((-0.013, 0.021, 0.007), (1, 2, 0.5), 0.1)
    depth = plane_depth(camera, T, np.array([0.0, np.sin(tilt), -np.cos(tilt)]), -0.9 * np.cos(tilt) - 0.05)
    ids = np.random.default_rng(0).integers(0, 6, (61, 83, 3)).astype(np.uint8)
    observations = [plain_observation(depth, camera, T, label_ids=ids)] * 2
    kernels = fused(VoxelGrid(settings), observations)[0].blocks()
    assert_same_to_rounding(on_tensors(settings, observations), kernels, settings, frames=2)


def test_a_sphere_from_all_sides_is_the_same():
    camera, settings, centre = small_camera(160, 120), FusionSettings(voxel_size_m=0.02), np.array([0.05, -0.04, 1.2])
    poses = [pose((np.sin(a), 0.1 * a, 1.2 - 1.2 * np.cos(a)), (0, 1, 0), -a) for a in np.arange(0, 6.2, 0.8)]
    observations = [
        plain_observation(
            sphere_depth(camera, T, centre, 0.3), camera, T, label_ids=np.full((120, 160, 1), n, np.uint8)
        )
        for n, T in enumerate(poses)
    ]
    kernels = fused(VoxelGrid(settings), observations)[0].blocks()
    assert len(kernels) > 60
    assert_same_to_rounding(on_tensors(settings, observations), kernels, settings, frames=len(poses))


def test_a_lone_far_pixel_fills_its_whole_footprint():
    camera, settings = small_camera(16, 12), FusionSettings(voxel_size_m=0.02, truncation_m=0.08)
    depth = np.zeros((12, 16), np.float32)
    depth[3, 12] = 3.0
    observation = plain_observation(depth, camera, pose((0.1, 0.2, -0.3), (1, 0, 1), 0.7))
    kernels = fused(VoxelGrid(settings), [observation])[0].blocks()
    assert_same_to_rounding(on_tensors(settings, [observation]), kernels, settings, frames=1)


def test_what_lies_behind_the_camera_is_left_alone():
    camera, settings = small_camera(), FusionSettings(voxel_size_m=0.1, truncation_m=0.3, near_m=0.1)
    observation = plain_observation(np.full((30, 40), 0.15, np.float32), camera, pose((0.02, 0.03, 0.1)))
    kernels = fused(VoxelGrid(settings), [observation])[0].blocks()
    assert_same_to_rounding(on_tensors(settings, [observation]), kernels, settings, frames=1)


def test_the_same_frames_give_the_same_map_however_much_is_looked_at_once(monkeypatch):
    whole = on_tensors(SETTINGS, ROUGH)
    monkeypatch.setattr(view, "BLOCKS_AT_ONCE", 50)
    assert_same(on_tensors(SETTINGS, ROUGH), whole)


def test_a_shift_by_whole_blocks_shifts_the_index_and_nothing_else():
    shift, settings = np.array([-3, 2, -70001]), FusionSettings(voxel_size_m=2.0**-5, truncation_m=0.1)
    T = POSES[1].copy()
    T[:3, 3] += shift * BLOCK_SIZE * settings.voxel_size_m
    near, far = (on_tensors(settings, [rough_observation(0, pose, CAMERA)]) for pose in (POSES[1], T))
    np.testing.assert_array_equal(far.index, near.index + shift)
    np.testing.assert_allclose(far.tsdf, near.tsdf, atol=2 / TSDF_ONE)


def test_growing_keeps_what_was_there():
    camera, settings = small_camera(160, 120), FusionSettings(voxel_size_m=0.01, truncation_m=0.04)
    grid = TensorGrid(settings, CPU)
    grid.integrate(rough_observation(0, POSES[0], camera))
    first = grid.blocks()
    grid.integrate(rough_observation(1, pose((5, 5, 5)), camera))
    both = grid.blocks()
    assert len(grid) == len(both) > len(first) > 512
    old = {tuple(index) for index in first.index}
    kept = [tuple(index) in old for index in both.index]
    assert_same(Blocks(*(array[kept] for array in vars(both).values())), first)
    assert grid.memory_bytes > len(grid) * 512 * 16


def test_a_grid_taken_from_stored_blocks_goes_on_bit_for_bit():
    uninterrupted = fused(TensorGrid(SETTINGS, CPU), ROUGH[:2])[0]
    uninterrupted.round_to_stored()
    stored = from_stored(to_stored(uninterrupted.blocks()))
    resumed = TensorGrid.from_blocks(SETTINGS, stored, CPU)
    assert_same(resumed.blocks(), uninterrupted.blocks())
    for grid in (uninterrupted, resumed):
        grid.integrate(ROUGH[2])
        grid.round_to_stored()
    assert_same(resumed.blocks(), uninterrupted.blocks())


def test_the_two_kinds_of_grid_go_on_from_each_other():
    kernels, tensors = VoxelGrid(SETTINGS), TensorGrid(SETTINGS, CPU)
    for grid in (kernels, tensors):
        fused(grid, ROUGH[:2])[0].round_to_stored()
    swapped = VoxelGrid.from_blocks(SETTINGS, tensors.blocks()), TensorGrid.from_blocks(SETTINGS, kernels.blocks(), CPU)
    for grid in swapped:
        grid.integrate(ROUGH[2])
    assert_same_to_rounding(swapped[1].blocks(), swapped[0].blocks(), SETTINGS, frames=4)


def test_a_grid_without_blocks_is_rounded_stored_and_goes_on():
    empty = TensorGrid(SETTINGS, CPU)
    empty.round_to_stored()
    blocks = empty.blocks()
    assert len(empty) == len(blocks) == empty.memory_bytes == 0
    assert_same(blocks, VoxelGrid(SETTINGS).blocks())
    resumed = TensorGrid.from_blocks(SETTINGS, blocks, CPU)
    assert_same(fused(resumed, ROUGH)[0].blocks(), on_tensors(SETTINGS, ROUGH))


def test_a_frame_without_usable_depth_changes_nothing():
    grid = fused(TensorGrid(SETTINGS, CPU), ROUGH)[0]
    before = grid.blocks()
    for value in (0.0, np.nan, np.inf, -1.0, 100.0, 0.01):
        depth = np.full((30, 40), value, np.float32)
        assert grid.integrate(plain_observation(depth, small_camera(), np.eye(4))) == 0
    unsure = plain_observation(ROUGH[0].depth_m, small_camera(), np.eye(4), confidence=np.zeros((30, 40), np.float32))
    assert grid.integrate(unsure) == 0
    assert_same(grid.blocks(), before)


def test_frames_may_change_in_size_be_read_only_and_come_without_labels():
    depths = [np.full((h, w), 0.8, np.float32) for h, w in ((30, 40), (17, 9), (1, 1))]
    observations = [plain_observation(d, small_camera(d.shape[1], d.shape[0]), np.eye(4)) for d in depths]
    for observation in observations:
        observation.depth_m.setflags(write=False)
        observation.image.setflags(write=False)
    kernels = fused(VoxelGrid(SETTINGS), observations)[0].blocks()
    assert_same_to_rounding(on_tensors(SETTINGS, observations), kernels, SETTINGS, frames=3, apart=0.001)


def test_what_does_not_fit_is_named():
    grid, camera, depth = TensorGrid(SETTINGS, CPU), small_camera(), np.full((30, 40), 0.8, np.float32)
    with pytest.raises(CameraError, match="Undistort"):
        grid.integrate(plain_observation(depth[1:], camera, np.eye(4)))
    with pytest.raises(GeometryError, match="reach"):
        grid.integrate(plain_observation(depth, camera, pose((1e9, 0, 0))))
    blocks = on_tensors(SETTINGS, ROUGH[:1])
    with pytest.raises(MapError, match="labels_per_voxel"):
        TensorGrid.from_blocks(FusionSettings(labels_per_voxel=3), blocks, CPU)
    blocks.index[1] = blocks.index[0]
    with pytest.raises(MapError, match="twice"):
        TensorGrid.from_blocks(SETTINGS, blocks, CPU)


def test_every_stage_compiles_as_a_whole():
    stages = Stages(*(torch.compile(stage, dynamic=True, fullgraph=True, backend="eager") for stage in Stages()))
    assert_same(fused(TensorGrid(SETTINGS, CPU, stages), ROUGH)[0].blocks(), on_tensors(SETTINGS, ROUGH))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here: nothing of this has run on a GPU")
def test_on_a_gpu_they_give_the_same():
    device = torch.device("cuda")
    grid = fused(TensorGrid(SETTINGS, device), ROUGH * 3)[0]
    assert_same_to_rounding(grid.blocks(), on_tensors(SETTINGS, ROUGH * 3), SETTINGS, frames=9)
    grid.round_to_stored()
    resumed = TensorGrid.from_blocks(SETTINGS, from_stored(to_stored(grid.blocks())), device)
    for both in (grid, resumed):
        both.integrate(ROUGH[0])
    assert_same(resumed.blocks(), grid.blocks())
