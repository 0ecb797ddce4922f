from itertools import pairwise

import numpy as np
import pytest
import torch

from mapping.surface.room_rays import SceneCaster
from pipelines.rooms import camera_path_settings
from pipelines.rooms.__main__ import main
from pipelines.rooms.camera_path import PathPlanner
from pipelines.rooms.camera_path_settings import PathSettings
from pipelines.rooms.camera_path_space import inside_outline
from pipelines.rooms.render_picture import frame_row, write_sheet
from pipelines.rooms.render_pool import SPLIT_STARTS, PoolSettings, clip_path, write_pool
from streammtl.data.clip import load_clip
from streammtl.errors import ConfigError, DataError, GeometryError

SIZE = (48, 64)


@pytest.fixture(scope="module")
def paths(room):
    caster = SceneCaster(room)
    planner = PathPlanner(room, caster, PathSettings(), np.random.default_rng(0))
    return caster, [planner.path(8, SIZE, np.random.default_rng(seed)) for seed in range(12)]


def test_paths_stay_inside_and_clear_of_things(room, paths):
    caster, found = paths
    for path in found:
        places = path.T_world_cam[:, :3, 3]
        assert inside_outline(places[:, :2], room.floor).all()
        assert (places[:, 2] > 0.9).all() and (places[:, 2] < 1.9).all()
        assert (caster.at(0.0).distance_m(places) >= 0.2).all()


def test_frames_follow_each_other_as_a_keyframe_selector_picks_them(paths):
    for path in paths[1]:
        T = path.T_world_cam
        way = np.linalg.norm(np.diff(T[:, :3, 3], axis=0), axis=1)
        turn = np.arccos(np.clip((np.einsum("nij,nij->n", T[1:, :3, :3], T[:-1, :3, :3]) - 1) / 2, -1, 1))
        assert way.max() < 0.5
        assert np.degrees(turn).max() < 30
        assert np.maximum(way / 0.03, np.degrees(turn) / 4).min() >= 1.0
        assert (np.diff(path.timestamp_s) > 0).all()


def test_poses_are_rigid_and_upright(paths):
    for path in paths[1]:
        R = path.T_world_cam[:, :3, :3]
        assert np.allclose(R @ R.transpose(0, 2, 1), np.eye(3), atol=1e-9)
        assert np.allclose(np.linalg.det(R), 1.0)
        assert (R[:, 2, 1] < -0.6).all()  # the picture's down is down in the room
        assert (np.degrees(np.arcsin(R[:, 2, 2])) <= 15.01).all()


def test_a_dense_path_has_the_frame_rate_of_a_video(room):
    planner = PathPlanner(room, SceneCaster(room), camera_path_settings.DENSE, np.random.default_rng(0))
    path = planner.path(60, SIZE, np.random.default_rng(2))
    assert np.allclose(np.diff(path.timestamp_s), 1 / 30)
    assert np.linalg.norm(np.diff(path.T_world_cam[:, :3, 3], axis=0), axis=1).max() < 0.05


def test_a_room_without_space_is_refused(room):
    with pytest.raises(GeometryError, match="another seed"):
        PathPlanner(room, SceneCaster(room), PathSettings(clearance_m=3.0), np.random.default_rng(0))


def settings(**changes):
    return PoolSettings(**{"clips": 3, "frames": 3, "height": SIZE[0], "width": SIZE[1], **changes})


def test_the_same_seed_gives_the_same_bytes(room, tmp_path):
    torch.set_num_threads(1)
    for name in ("a", "b"):
        write_pool(tmp_path / name, settings(), lambda seed: room)
    for clip in range(3):
        assert clip_path(tmp_path / "a", clip).read_bytes() == clip_path(tmp_path / "b", clip).read_bytes()


def test_a_pool_goes_on_where_it_stopped(room, tmp_path):
    write_pool(tmp_path, settings(clips=2), lambda seed: room)
    before = clip_path(tmp_path, 0).stat().st_mtime_ns
    reports = write_pool(tmp_path, settings(clips=3), lambda seed: room)
    assert [(r.room, r.written) for r in reports] == [(2, 1)]
    assert clip_path(tmp_path, 0).stat().st_mtime_ns == before


def test_a_pool_of_other_settings_is_not_mixed_in(room, tmp_path):
    write_pool(tmp_path, settings(clips=1), lambda seed: room)
    with pytest.raises(ConfigError, match="another folder"):
        write_pool(tmp_path, settings(clips=1, frames=4), lambda seed: room)


def test_a_room_that_fails_is_counted_and_skipped(room, tmp_path):
    def build(seed):
        if seed == 1:
            raise ValueError("a chair without legs")
        return room

    reports = write_pool(tmp_path, settings(), build)
    assert [r.written for r in reports] == [1, 0, 1]
    assert "chair" in reports[1].problem
    assert not clip_path(tmp_path, 1).exists()


def test_splits_and_seeds_share_no_rooms():
    seeds = [settings(split=split, seed=seed) for split in ("train", "val", "test") for seed in (0, 99)]
    ranges = [(s.room_seed(0), s.room_seed(99_999)) for s in seeds]
    assert all(a[1] < b[0] for a, b in pairwise(ranges))
    assert ranges[-1][1] < SPLIT_STARTS["test3d"]


def test_clips_are_read_back_as_the_contract_says(room, tmp_path):
    write_pool(tmp_path, settings(clips=1), lambda seed: room)
    clip = load_clip(clip_path(tmp_path, 0))
    assert clip.images.shape == (3, *SIZE, 3) and clip.images.dtype == np.uint8
    assert clip.depth_m.shape == (3, *SIZE) and clip.depth_m.dtype == np.float16
    assert clip.normals.dtype == np.int8 and clip.labels.dtype == np.uint8
    assert clip.K.dtype == np.float32 and clip.T_world_cam.dtype == np.float64
    assert clip.flow is None and clip.moving is None
    assert 40 < clip.images.mean() < 215


def test_the_sheet_shows_frames_with_their_truth(room, tmp_path):
    write_pool(tmp_path, settings(clips=2), lambda seed: room)
    write_sheet(tmp_path, tmp_path / "sheet.png", frames=3)
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    row = frame_row(load_clip(clip_path(tmp_path, 0)), 1)
    assert row.shape == (SIZE[0] + 2, 5 * (SIZE[1] + 2), 3)
    with pytest.raises(DataError, match="no clip"):
        write_sheet(tmp_path / "nowhere", tmp_path / "x.png", frames=1)


def test_the_command_renders_a_pool_and_its_sheet(tmp_path):
    options = [
        "--out",
        str(tmp_path / "pool"),
        "--clips",
        "2",
        "--frames",
        "2",
        "--size",
        "48x64",
        "--kind",
        "corridor",
    ]
    assert main([*options, "--picture", str(tmp_path / "sheet.png"), "--keep", "flow"]) == 0
    assert load_clip(clip_path(tmp_path / "pool", 1)).flow.shape == (2, *SIZE, 2)
    assert (tmp_path / "sheet.png").exists()
    assert main([*options, "--split", "val"]) == 2
    assert main(["--out", str(tmp_path / "other"), "--kind", "cathedral"]) == 2
