"""Corrections of the tracker reach the map as anchors and components; voxels stay as they are."""

import numpy as np
import pytest

from mapping.slam.rigid import inverse, rotation_matrix, similarity
from mapping.slam.scale import ScaleEstimate
from mapping.slam.tracked import Correction, TrackedFrame, TrackStatus, Trajectory
from mapping.slam.view_selection import View, ViewTuple
from mapping.store.header import MapHeader
from mapping.store.reader import open_map
from pipelines.mapping_stage import Mapping
from pipelines.settings import load_settings
from pipelines.stages import Step
from streammtl.camera import Camera
from streammtl.views import ScaleStatus

CAMERA = Camera.pinhole(32, 24, 30.0, 30.0, 15.5, 11.5)
SETTINGS = load_settings(
    None, ["run.keyframes_per_submap=3", "run.surface=false", "fusion.voxel_size_m=0.1", "fusion.truncation_m=0.3"]
)


def moved(x, turn=0.0):
    T = np.eye(4)
    T[:3, :3] = rotation_matrix(np.array([0.0, turn, 0.0]))
    T[0, 3] = x
    return T


def word(index, T, component=0, correction=None):
    return TrackedFrame(
        index, index / 30, TrackStatus.TRACKED, ScaleStatus.METRIC, component, T, index, correction=correction
    )


def step(index, T, component=0, correction=None, checkpoint=False):
    image, depth = np.full((24, 32, 3), 90, np.uint8), np.full((24, 32), 2.0, np.float32)
    views = ViewTuple(View(index, index / 30, image, CAMERA, T, depth), [], component, ScaleStatus.METRIC)
    words = [word(index, T, component, correction)]
    return Step(words, views, checkpoint={} if checkpoint else None)


def turned_back(index):
    """A correction that grows along the path: nothing at the start, 0.3 m and 0.1 rad at frame 9."""
    return np.array([moved(-0.3 * i / 9, 0.1 * i / 9) for i in index])


def header():
    return MapHeader(voxel_size_m=SETTINGS.fusion.voxel_size_m, truncation_m=SETTINGS.fusion.truncation_m)


@pytest.fixture
def mapping(tmp_path):
    stage = Mapping(SETTINGS, tmp_path / "m.zarr", header(), resume=False)
    yield stage
    stage.close()


def test_a_loop_moves_closed_submaps_and_their_frames_and_leaves_their_voxels(mapping, tmp_path):
    for i in range(9):
        mapping.integrate((step(i, moved(0.5 * i), checkpoint=i == 8), None))
    before = {submap.number: submap for submap in open_map(tmp_path / "m.zarr").submaps()}
    assert before[0].closed and not before[2].closed
    index = np.arange(9)
    S = turned_back(index)
    mapping.integrate((step(9, S[8] @ moved(4.5), correction=Correction(0, 0, index, S)), None))
    mapping.finish({}, complete=True, dropped=0)
    reader = open_map(tmp_path / "m.zarr")
    after = {submap.number: submap for submap in reader.submaps()}
    for number, middle in ((0, 1), (1, 4)):
        assert np.allclose(after[number].T_world_submap, S[middle] @ before[number].T_world_submap)
        assert np.array_equal(after[number].blocks.tsdf, before[number].blocks.tsdf)
    centres = reader.trajectory().T_world_cam[:, :3, 3]
    expected = np.array([(S[i] @ moved(0.5 * i))[:3, 3] for i in range(9)] + [(S[8] @ moved(4.5))[:3, 3]])
    # Frames of a closed submap move with its middle, those of open ones each on its own.
    assert np.abs(centres[6:] - expected[6:]).max() < 1e-6
    assert np.abs(centres - expected).max() < 0.08


def test_a_resumed_map_takes_the_same_correction(mapping, tmp_path):
    for i in range(9):
        mapping.integrate((step(i, moved(0.5 * i), checkpoint=i == 8), None))
    mapping.close()
    resumed = Mapping(SETTINGS, tmp_path / "m.zarr", header(), resume=True)
    index = np.arange(9)
    resumed.integrate((step(9, moved(4.0), correction=Correction(0, 0, index, turned_back(index))), None))
    resumed.finish({}, complete=True, dropped=0)
    resumed.close()
    anchors = [submap.T_world_submap for submap in open_map(tmp_path / "m.zarr").submaps()]
    assert anchors[0][0, 0] == pytest.approx(np.cos(0.1 / 9)) and anchors[1][0, 0] == pytest.approx(np.cos(0.4 / 9))


def test_joined_components_become_one_in_the_map(mapping, tmp_path):
    for i in range(4):
        mapping.integrate((step(i, moved(0.5 * i), checkpoint=i == 3), None))
    for i in range(4, 8):
        mapping.integrate((step(i, moved(0.1 * i), component=1, checkpoint=i == 7), None))
    assert open_map(tmp_path / "m.zarr").header.components == 2
    shift = moved(1.6)
    joined = Correction(1, 0, np.arange(4, 8), np.array([shift] * 4))
    mapping.integrate((step(8, shift @ moved(0.8), correction=joined), None))
    mapping.finish({}, complete=True, dropped=0)
    reader = open_map(tmp_path / "m.zarr")
    trajectory = reader.trajectory()
    assert reader.header.components == 1 and set(trajectory.component.tolist()) == {0}
    assert np.allclose(trajectory.T_world_cam[4:, 0, 3], 1.6 + 0.1 * np.arange(4, 9))


def test_frames_in_which_a_component_started_belong_to_its_submap(mapping, tmp_path):
    for i in range(3):
        mapping.integrate((step(i, moved(0.5 * i)), None))
    waiting = [TrackedFrame(i, i / 30, TrackStatus.INITIALISING, ScaleStatus.METRIC, 1) for i in (3, 4)]
    last = step(5, moved(0.5), component=1)
    last.tracked[0].revised = {3: moved(0.3), 4: moved(0.4)}
    last.tracked[:0] = waiting
    mapping.integrate((last, None))
    mapping.finish({}, complete=True, dropped=0)
    trajectory = open_map(tmp_path / "m.zarr").trajectory()
    assert trajectory.component.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.allclose(trajectory.T_world_cam[3:, 0, 3], [0.3, 0.4, 0.5])


def test_a_correction_moves_frames_as_the_nearest_place_and_those_that_hang_on_them():
    trajectory = Trajectory()
    for i in range(6):
        frame = word(i, moved(float(i)))
        frame.reference = i - i % 3
        trajectory.add(frame)
    S = np.array([np.eye(4), similarity(moved(1.0), 2.0)])
    trajectory.add(word(6, moved(0.0), correction=Correction(0, 0, np.array([0, 3]), S)))
    x = [trajectory.pose(i)[0, 3] for i in range(6)]
    assert x == pytest.approx([0.0, 1.0, 2.0, 7.0, 9.0, 11.0])  # 2 x + 1 from frame 3 on
    assert all(np.allclose(trajectory.pose(i)[:3, :3], np.eye(3)) for i in range(6))


def test_a_correction_is_brought_to_the_scale_of_its_components():
    S = np.array([similarity(moved(1.0), 2.0)])
    frame = word(5, moved(3.0), component=0, correction=Correction(1, 0, np.array([2]), S))
    metric = {c: ScaleEstimate(ScaleStatus.METRIC, "", factor, (0.9, 1.1)) for c, factor in ((0, 10.0), (1, 20.0))}
    scaled = Step([frame]).scaled(metric).tracked[0]
    young = np.array([20.0 * 0.7, 0.0, 0.0, 1.0])  # a point at 0.7 units of component 1
    expected = 10.0 * (S[0] @ [0.7, 0.0, 0.0, 1.0])[0]
    assert (scaled.correction.S_new_old[0] @ young)[0] == pytest.approx(expected)
    assert inverse(scaled.T_world_cam)[0, 3] == pytest.approx(-30.0)
