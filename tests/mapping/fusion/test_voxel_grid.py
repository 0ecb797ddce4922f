import numba
import numpy as np
import pytest

from mapping.fusion.grid import VoxelGrid
from mapping.fusion.precision import from_stored, to_stored
from mapping.fusion.settings import FusionSettings
from mapping.records import BLOCK_SIZE
from streammtl.errors import CameraError, GeometryError, MapError, ShapeError
from tests.mapping.fusion.fusion_scenes import (
    plain_observation,
    plane_depth,
    pose,
    rough_observation,
    small_camera,
    sphere_depth,
)
from tests.mapping.fusion.reference_fusion import ReferenceGrid, assert_agrees, voxels_of

SETTINGS = FusionSettings(voxel_size_m=0.05, truncation_m=0.12, far_m=1.5, max_weight=3.0)
POSES = [pose((0, 0, 0)), pose((-0.1, 0.05, 0.02), (0.3, 1, 0.2), 0.25), pose((0.08, -0.03, -0.1), (1, 0.2, 0), -0.2)]


def fused(settings, observations):
    grid = VoxelGrid(settings)
    for observation in observations:
        grid.integrate(observation)
    return grid


def assert_same(a, b):
    for name in ("index", "tsdf", "weight", "colour", "label_ids", "label_weights"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_the_kernels_agree_with_the_slow_reference_voxel_by_voxel():
    observations = [rough_observation(seed, T, small_camera()) for seed, T in enumerate(POSES)]
    reference = ReferenceGrid(SETTINGS)
    for observation in observations:
        reference.integrate(observation, np.array([-24, -24, -8]), np.array([24, 24, 40]))
    assert len(reference.voxels) > 1500
    assert_agrees(fused(SETTINGS, observations).blocks(), reference, frames=len(observations))


def test_a_frontal_pixel_at_one_metre_weighs_one_and_at_two_metres_a_quarter():
    camera, settings = small_camera(), FusionSettings(far_m=5)
    for depth_m, expected in ((1.0, 1.0), (2.0, 0.25), (0.25, settings.max_pixel_weight)):
        depth = np.full((camera.height, camera.width), depth_m, np.float32)
        straight_ahead = settings.voxel_size_m * round(depth_m / settings.voxel_size_m)
        blocks = fused(settings, [plain_observation(depth, camera, np.eye(4))]).blocks()
        voxel = voxels_of(blocks)[(0, 0, round(straight_ahead / settings.voxel_size_m))]
        assert voxel[1] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("tilt", [0.0, 0.6, 1.1, 1.4])
def test_no_voxel_near_an_oblique_plane_is_missed(tilt):
    camera, settings = (
        small_camera(80, 60),
        FusionSettings(voxel_size_m=0.02, truncation_m=0.04, far_m=3, free_space_weight=0),
    )
    normal = np.array([0.0, np.sin(tilt), -np.cos(tilt)])
    T = pose((-0.013, 0.021, 0.007), (1, 2, 0.5), 0.1)
    depth = plane_depth(camera, T, normal, -0.9 * np.cos(tilt) - 0.05)
    reference = ReferenceGrid(settings)
    observation = plain_observation(depth, camera, T)
    used = (depth >= settings.near_m) & (depth <= settings.far_m)
    assert used.sum() > 300
    fast = voxels_of(fused(settings, [observation]).blocks())
    # all voxels within the truncation of each of some pixels, in a window around the pixel's own point
    rng = np.random.default_rng(0)
    for row, column in rng.permutation(np.argwhere(used))[:25]:
        z = depth[row, column]
        point = (
            T[:3, :3] @ (z * np.array([(column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy, 1])) + T[:3, 3]
        )
        low = np.floor(point / settings.voxel_size_m).astype(int) - 4
        reference.integrate(observation, low, low + 9)
    assert len(reference.voxels) > 1000
    assert reference.voxels.keys() <= fast.keys()


def test_a_lone_far_pixel_fills_its_whole_footprint():
    camera, settings = small_camera(16, 12), FusionSettings(voxel_size_m=0.02, truncation_m=0.08)
    depth = np.zeros((12, 16), np.float32)
    depth[3, 12] = 3.0
    observation = plain_observation(depth, camera, pose((0.1, 0.2, -0.3), (1, 0, 1), 0.7))
    reference = ReferenceGrid(settings)
    ray = np.array([(12 - camera.cx) / camera.fx, (3 - camera.cy) / camera.fy, 1.0])
    middle = (observation.T_submap_cam @ [*(3.0 * ray), 1])[:3] / settings.voxel_size_m
    first = np.floor(middle / BLOCK_SIZE - 2).astype(int) * BLOCK_SIZE
    reference.integrate(observation, first, first + 5 * BLOCK_SIZE)
    assert voxels_of(fused(settings, [observation]).blocks()).keys() == reference.voxels.keys()


def test_threads_do_not_change_the_map():
    observations = [rough_observation(seed, T, small_camera(160, 120)) for seed, T in enumerate(POSES)]
    everything = fused(SETTINGS, observations).blocks()
    numba.set_num_threads(1)
    try:
        alone = fused(SETTINGS, observations).blocks()
    finally:
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    assert_same(everything, alone)


def test_a_shift_by_whole_blocks_shifts_the_index_and_nothing_else():
    shift = np.array([-3, 2, -70001])
    settings = FusionSettings(voxel_size_m=2.0**-5, truncation_m=0.1)
    near = fused(settings, [rough_observation(0, POSES[1], small_camera())]).blocks()
    T = POSES[1].copy()
    T[:3, 3] += shift * BLOCK_SIZE * settings.voxel_size_m
    far = fused(settings, [rough_observation(0, T, small_camera())]).blocks()
    np.testing.assert_array_equal(far.index, near.index + shift)
    np.testing.assert_allclose(far.tsdf, near.tsdf, atol=1e-5)
    assert (near.index < 0).any() and (near.index > 0).any()


def test_blocks_come_sorted_and_every_block_holds_something():
    blocks = fused(SETTINGS, [rough_observation(0, POSES[1], small_camera())]).blocks()
    assert [tuple(i) for i in blocks.index] == sorted({tuple(i) for i in blocks.index})
    assert (blocks.weight.reshape(len(blocks), -1).max(1) > 0).all()
    assert (np.abs(blocks.tsdf) <= 1).all()
    assert (np.diff(blocks.label_weights, axis=-1) <= 0).all()
    assert ((blocks.label_ids == 0) == (blocks.label_weights == 0)).all()


def test_a_grid_taken_from_stored_blocks_goes_on_bit_for_bit():
    observations = [rough_observation(seed, T, small_camera()) for seed, T in enumerate(POSES)]
    uninterrupted = fused(SETTINGS, observations[:2])
    uninterrupted.round_to_stored()
    resumed = VoxelGrid.from_blocks(SETTINGS, from_stored(to_stored(uninterrupted.blocks())))
    assert_same(resumed.blocks(), uninterrupted.blocks())
    for grid in (uninterrupted, resumed):
        grid.integrate(observations[2])
    assert_same(resumed.blocks(), uninterrupted.blocks())


def test_rounding_twice_is_rounding_once():
    grid = fused(SETTINGS, [rough_observation(seed, T, small_camera()) for seed, T in enumerate(POSES)])
    grid.round_to_stored()
    once = grid.blocks()
    grid.round_to_stored()
    assert_same(grid.blocks(), once)


def test_a_grid_without_blocks_is_rounded_stored_and_goes_on():
    empty = VoxelGrid(SETTINGS)
    empty.round_to_stored()
    blocks = from_stored(to_stored(empty.blocks()))
    assert len(blocks) == 0 and blocks.label_ids.shape == (0, *(BLOCK_SIZE,) * 3, SETTINGS.labels_per_voxel)
    observation = rough_observation(0, POSES[0], small_camera())
    resumed = VoxelGrid.from_blocks(SETTINGS, blocks)
    resumed.integrate(observation)
    assert_same(resumed.blocks(), fused(SETTINGS, [observation]).blocks())


def test_blocks_are_a_copy():
    grid = fused(SETTINGS, [rough_observation(0, POSES[0], small_camera())])
    blocks = grid.blocks()
    blocks.tsdf[:] = 7
    assert np.abs(grid.blocks().tsdf).max() <= 1


def test_a_frame_without_usable_depth_changes_nothing():
    camera = small_camera()
    grid = fused(SETTINGS, [rough_observation(0, POSES[0], camera)])
    before = grid.blocks()
    for value in (0.0, np.nan, np.inf, -1.0, 100.0, 0.01):
        depth = np.full((camera.height, camera.width), value, np.float32)
        assert grid.integrate(plain_observation(depth, camera, np.eye(4))) == 0
    unsure = rough_observation(0, POSES[0], camera)
    assert (
        grid.integrate(plain_observation(unsure.depth_m, camera, POSES[0], confidence=np.zeros_like(unsure.depth_m)))
        == 0
    )
    assert_same(grid.blocks(), before)


def test_what_a_later_frame_sees_through_goes_away():
    camera, near, far = small_camera(), 0.8, 0.9
    for free_space_weight, cleared in ((1.0, True), (0.0, False)):
        settings = FusionSettings(voxel_size_m=0.02, truncation_m=0.04, free_space_weight=free_space_weight)
        depths = [np.full((camera.height, camera.width), d, np.float32) for d in [near] + [far] * 9]
        voxels = voxels_of(fused(settings, [plain_observation(d, camera, np.eye(4)) for d in depths]).blocks())
        assert (voxels[(0, 0, 41)][0] > 0.5) == cleared  # just behind what only the first frame saw
        assert voxels[(0, 0, 46)][0] < -0.4


def test_old_observations_fade_once_the_weight_is_full():
    camera = small_camera()
    settings = FusionSettings(voxel_size_m=0.03, truncation_m=0.09, max_weight=4.0)
    grid = VoxelGrid(settings)
    for depth_m in [0.9] * 10 + [0.96] * 40:
        depth = np.full((camera.height, camera.width), depth_m, np.float32)
        grid.integrate(plain_observation(depth, camera, np.eye(4)))
    tsdf, weight, _, _ = voxels_of(grid.blocks())[(0, 0, 31)]
    assert weight == pytest.approx(4.0, rel=1e-4)
    assert tsdf == pytest.approx((0.96 - 0.93) / 0.09, abs=0.01)


def test_the_running_mean_of_a_colour_does_not_stall():
    camera = small_camera()
    depth = np.full((camera.height, camera.width), 0.9, np.float32)
    grid = VoxelGrid(FusionSettings(voxel_size_m=0.03, truncation_m=0.09, max_weight=2048))
    for level in [100] * 60 + [110] * 60:
        observation = plain_observation(depth, camera, np.eye(4))
        observation.image[:] = level
        grid.integrate(observation)
    assert int(voxels_of(grid.blocks())[(0, 0, 30)][2][0]) == pytest.approx(105, abs=1)


def test_exact_depth_of_a_sphere_gives_its_distance_field():
    settings = FusionSettings(voxel_size_m=0.02, truncation_m=0.08, far_m=3)
    camera, centre, radius = small_camera(320, 240), np.array([0.05, -0.04, 1.2]), 0.4
    blocks = fused(
        settings, [plain_observation(sphere_depth(camera, np.eye(4), centre, radius), camera, np.eye(4))]
    ).blocks()
    checked = 0
    for coordinates, (tsdf, weight, _, _) in voxels_of(blocks).items():
        x, y, z = np.array(coordinates) * settings.voxel_size_m
        through = np.array([x / z, y / z, 1.0])
        if weight > 0.35 and tsdf < 1:  # seen under less than 60 degrees or so
            b, a = through @ centre, through @ through
            surface = (b - np.sqrt(b * b - a * (centre @ centre - radius**2))) / a
            assert tsdf * settings.truncation_m == pytest.approx(surface - z, abs=2e-4)
            checked += 1
    assert checked > 2000


def test_growing_keeps_what_was_there():
    camera = small_camera(160, 120)
    settings = FusionSettings(voxel_size_m=0.01, truncation_m=0.04)
    grid = VoxelGrid(settings)
    grid.integrate(rough_observation(0, POSES[0], camera))
    first = grid.blocks()
    grid.integrate(rough_observation(1, pose((5, 5, 5)), camera))
    assert len(grid) > len(first) > 512
    both = grid.blocks()
    kept = np.array([tuple(i) in {tuple(j) for j in first.index} for i in both.index])
    np.testing.assert_array_equal(both.tsdf[kept], first.tsdf)
    assert grid.memory_bytes > len(grid) * 512 * 16


def test_what_does_not_fit_together_is_named():
    camera = small_camera()
    depth = np.full((camera.height, camera.width), 0.8, np.float32)
    grid = VoxelGrid(SETTINGS)
    with pytest.raises(CameraError, match="Undistort"):
        grid.integrate(plain_observation(depth[1:], camera, np.eye(4)))
    with pytest.raises(ShapeError, match="confidence"):
        grid.integrate(plain_observation(depth, camera, np.eye(4), confidence=depth[1:]))
    with pytest.raises(ShapeError, match="label_probabilities"):
        grid.integrate(plain_observation(depth, camera, np.eye(4), label_probabilities=depth[..., None]))
    with pytest.raises(GeometryError, match="finite"):
        grid.integrate(plain_observation(depth, camera, np.full((4, 4), np.nan)))
    with pytest.raises(GeometryError, match="scale"):
        grid.integrate(plain_observation(depth, camera, np.diag([2.0, 2.0, 2.0, 1.0])))
    with pytest.raises(GeometryError, match="reaches"):
        grid.integrate(plain_observation(depth, camera, pose((1e9, 0, 0))))
    assert len(grid) == 0


def test_blocks_of_other_settings_or_damaged_ones_are_refused():
    blocks = fused(SETTINGS, [rough_observation(0, POSES[0], small_camera())]).blocks()
    with pytest.raises(MapError, match="labels_per_voxel"):
        VoxelGrid.from_blocks(FusionSettings(labels_per_voxel=3), blocks)
    blocks.index[1] = blocks.index[0]
    with pytest.raises(MapError, match="twice"):
        VoxelGrid.from_blocks(SETTINGS, blocks)


def test_the_truncation_follows_the_voxels_unless_it_is_given():
    assert FusionSettings(voxel_size_m=0.04).truncation_m == pytest.approx(0.08)
    assert FusionSettings(voxel_size_m=0.04, truncation_m=0.2).truncation_m == 0.2
    assert FusionSettings().truncation_m == pytest.approx(2 * FusionSettings().voxel_size_m)
