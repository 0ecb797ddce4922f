"""A card before a wall is taken away, put there or shifted: that is what the comparison of two maps says."""

from __future__ import annotations

import numpy as np
import pytest

from mapping.difference import difference
from mapping.fusion.grid import VoxelGrid
from mapping.fusion.observation import DepthObservation
from mapping.fusion.settings import FusionSettings
from mapping.records import FrameRecord, KeyframeRecord, Submap
from mapping.slam.tracked import TrackStatus
from mapping.store import MapWriter, ScaleRecord, StoreSettings
from streammtl.camera import Camera
from streammtl.errors import StoreError
from streammtl.views import ScaleStatus
from tests.mapping.store.tiny_maps import header, pose

WALL_Z, CARD_Z = 2.0, 1.5
CAMERA = Camera.pinhole(80, 60, 70.0, 70.0, 39.5, 29.5)
FUSION = FusionSettings(voxel_size_m=0.02, truncation_m=0.08)
SIZE = np.array([0.3, 0.24])  # of the card


def depth_of(card, T_world_cam):
    """Depth f32 [h,w] of a wall and, in front of it, a card with the low corner `card` [x,y] or none."""
    v, u = np.mgrid[0 : CAMERA.height, 0 : CAMERA.width]
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy], -1)
    depth = np.full(u.shape, WALL_Z, np.float32)
    if card is not None:
        there = T_world_cam[:2, 3] + rays * CARD_Z
        depth[((there >= card) & (there <= card + SIZE)).all(-1)] = CARD_Z
    return depth


def write(path, card, T_other_world=None, cameras=(-0.1, 0.0, 0.1), **fields):
    """A map of the scene, its world moved by T_other_world."""
    T = np.eye(4) if T_other_world is None else T_other_world
    grid, keyframes, frames = VoxelGrid(FUSION), [], []
    for i, x in enumerate(cameras):
        local = pose(x)
        depth, image = depth_of(card, local), np.full((60, 80, 3), 90, np.uint8)
        grid.integrate(DepthObservation(depth, image, CAMERA, local))
        ones, labels = np.ones_like(depth), np.zeros(depth.shape, np.uint8)
        keyframes.append(KeyframeRecord(i, i / 30, 0, local, CAMERA, image, depth, ones, labels))
        frames.append(FrameRecord(i, i / 30, local, TrackStatus.TRACKED, ScaleStatus.METRIC, True))
    with MapWriter.create(path, header(len(frames), **fields), StoreSettings(durable=False)) as writer:
        submap = Submap(0, 0, T, grid.blocks(), frames, True)
        writer.commit(submaps=[submap], keyframes=keyframes, header=header(len(frames), **fields))
    return path


LEFT, RIGHT = np.array([-0.4, -0.1]), np.array([0.2, -0.1])


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    return {
        "empty": write(folder / "empty.zarr", None),
        "left": write(folder / "left.zarr", LEFT),
        "right": write(folder / "right.zarr", RIGHT),
        "turned": write(folder / "turned.zarr", LEFT, pose(1.0, -0.5, 0.2, yaw=0.6)),
    }


def test_nothing_changed_between_a_map_and_itself(maps):
    found = difference(maps["left"], maps["left"])
    assert found.regions == () and found.area_m2["a_unchanged"] > 2
    assert found.area_m2["a_changed"] == found.area_m2["b_changed"] == 0


@pytest.mark.parametrize(("a", "b", "kind"), [("empty", "left", "appeared"), ("left", "empty", "disappeared")])
def test_a_card_that_comes_or_goes_is_one_region(maps, a, b, kind):
    (region,) = difference(maps[a], maps[b]).regions
    assert region.kind == kind
    np.testing.assert_allclose(region.centre, [*(LEFT + SIZE / 2), CARD_Z], atol=0.03)
    # pixels are as wide as voxels here, so that fusion may widen the card by up to two of them on each side
    assert SIZE.prod() <= region.area_m2 <= (SIZE + 4 * FUSION.voxel_size_m).prod()


def test_a_shifted_card_has_moved(maps):
    (region,) = difference(maps["left"], maps["right"]).regions
    assert region.kind == "moved"
    np.testing.assert_allclose(region.moved_by_m, [*(RIGHT - LEFT), 0], atol=2 * FUSION.voxel_size_m)


def test_maps_of_two_worlds_are_compared_through_their_transform(maps):
    T = np.linalg.inv(pose(1.0, -0.5, 0.2, yaw=0.6))
    assert difference(maps["left"], maps["turned"], T).regions == ()
    (region,) = difference(maps["empty"], maps["turned"], T).regions
    np.testing.assert_allclose(region.centre, [*(LEFT + SIZE / 2), CARD_Z], atol=0.03)


def test_what_the_other_map_never_saw_is_unknown_not_changed(maps, tmp_path):
    """The other camera stands far to the right: it sees the wall there, and nothing of the card's place."""
    away = write(tmp_path / "away.zarr", None, cameras=(4.0, 4.1, 4.2))
    found = difference(maps["left"], away)
    assert found.regions == () and found.area_m2["a_not_seen_by_the_other"] > 2


def test_lengths_of_unknown_scale_are_not_compared_with_metres(maps, tmp_path):
    metric = write(tmp_path / "metric.zarr", None, scale=ScaleRecord(status=ScaleStatus.METRIC))
    with pytest.raises(StoreError, match="cannot be compared"):
        difference(maps["left"], metric)
