from __future__ import annotations

import numpy as np
import pytest

from recordings import open_recording
from streammtl.errors import RecordingError


@pytest.fixture
def tum(tmp_path, write_image, numbered):
    """Six images at 30 Hz, depth 5 ms later except for image 3, poses at 100 Hz."""
    root = tmp_path / "rgbd_dataset_freiburg1_xyz"
    t = [1305031102.0 + k / 30 for k in range(6)]
    for k in range(6):
        write_image(root / "rgb" / f"{t[k]:.6f}.png", numbered(k))
        write_image(root / "depth" / f"{t[k] + 0.005:.6f}.png", np.full((96, 128), 5000 * (k + 1), np.uint16))
    (root / "rgb.txt").write_text("# color images\n" + "".join(f"{x:.6f} rgb/{x:.6f}.png\n" for x in t))
    depth_lines = [f"{x + 0.005:.6f} depth/{x + 0.005:.6f}.png\n" for k, x in enumerate(t) if k != 3]
    (root / "depth.txt").write_text("# depth\n" + "".join(depth_lines))
    poses = [f"{t[0] + k / 100:.4f} {k} 0 0 0 0 0 1\n" for k in range(12)]
    (root / "groundtruth.txt").write_text("# gt\n" + "".join(poses))
    return root


def test_a_tum_folder_is_associated_by_nearest_time(tum, number):
    with open_recording(tum) as recording:
        frames = list(recording.frames())
    assert (recording.kind, recording.frame_count) == ("tum", 6) and recording.fps == pytest.approx(30, rel=1e-3)
    assert [number(f.image) for f in frames] == list(range(6))
    assert frames[2].timestamp_s == pytest.approx(1305031102 + 2 / 30, abs=1e-5)
    assert [f.index for f in frames if f.depth_m is None] == [3]
    for k in (0, 1, 2, 4, 5):
        np.testing.assert_array_equal(frames[k].depth_m, k + 1)  # 5000 units are a metre
    x = [None if f.T_world_cam is None else f.T_world_cam[0, 3] for f in frames]
    assert x == [0, 3, 7, 10, None, None]  # poses end at 0.11 s, images 4 and 5 lie 23 ms and more behind


def test_a_malformed_or_empty_file_list_is_an_error(tum):
    (tum / "rgb.txt").write_text("1305031102.0\n")
    with pytest.raises(RecordingError, match=r"rgb\.txt, line 1 is malformed"):
        open_recording(tum)
    (tum / "rgb.txt").write_text("# nothing\n")
    with pytest.raises(RecordingError, match="lists no file"):
        open_recording(tum)


@pytest.fixture
def seven_scenes(tmp_path, write_image, numbered):
    root = tmp_path / "seq-01"
    for k in range(4):
        write_image(root / f"frame-{k:06d}.color.png", numbered(k))
        depth = np.full((96, 128), 1500, np.uint16)
        depth[:10] = 65535
        write_image(root / f"frame-{k:06d}.depth.png", depth)
        T = np.eye(4)
        T[:3, 3] = k
        np.savetxt(root / f"frame-{k:06d}.pose.txt", T)
    return root


def test_a_seven_scenes_sequence_has_poses_and_masks_invalid_depth(seven_scenes, number):
    with open_recording(seven_scenes) as recording:
        frames = list(recording.frames())
    assert (recording.kind, recording.fps, recording.frame_count) == ("7scenes", 30.0, 4)
    for k, frame in enumerate(frames):
        assert number(frame.image) == k and frame.timestamp_s == pytest.approx(k / 30)
        assert (frame.depth_m[:10] == 0).all() and np.allclose(frame.depth_m[10:], 1.5)
        np.testing.assert_array_equal(frame.T_world_cam[:3, 3], [k, k, k])


def test_a_frame_whose_pose_is_no_rigid_motion_has_none(seven_scenes):
    (seven_scenes / "frame-000001.pose.txt").write_text("nan " * 16)
    (seven_scenes / "frame-000002.pose.txt").write_text("1 2 3")
    (seven_scenes / "frame-000003.pose.txt").unlink()
    with open_recording(seven_scenes) as recording:
        assert [f.index for f in recording.frames() if f.T_world_cam is None] == [1, 2, 3]
