from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recordings import open_recording
from recordings.pose_files import load_poses, read_poses
from recordings.pose_flaws import suspicions, unusable
from recordings.pose_table import Convention
from streammtl.errors import RecordingError
from streammtl.views import ScaleStatus

COUNT = 12
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


@pytest.fixture
def path():
    """T_world_cam [12,4,4] of a camera that sways and turns, half a second long."""
    T = np.tile(np.eye(4), (COUNT, 1, 1))
    s = np.arange(COUNT) / 24
    T[:, :3, :3] = Rotation.from_euler("yxz", np.stack([s, 0.4 * np.sin(9 * s), 0.1 * s], axis=1)).as_matrix()
    T[:, :3, 3] = np.stack([np.sin(s), 0.2 * s, 0.5 * s**2], axis=1) + 1
    return T


def tum_rows(T, times, first=False):
    quaternions = Rotation.from_matrix(T[:, :3, :3]).as_quat()
    return np.column_stack([times, T[:, :3, 3], np.roll(quaternions, 1, axis=1) if first else quaternions])


def write(kind, T, folder):
    """Writes poses as the format is defined; gives what to read."""
    inverse = np.linalg.inv(T)
    if kind == "tum":
        np.savetxt(folder / "a.txt", tum_rows(T, np.arange(COUNT) / 30))
        return folder / "a.txt"
    if kind == "rtabmap":
        rows = np.column_stack([tum_rows(T, np.arange(COUNT) / 30), np.arange(COUNT) + 1])
        np.savetxt(folder / "a.txt", rows, header="timestamp x y z qx qy qz qw id")
        return folder / "a.txt"
    if kind == "kitti":
        np.savetxt(folder / "a.txt", T[:, :3].reshape(-1, 12))
        return folder / "a.txt"
    if kind == "scannet":
        for k in range(COUNT):
            np.savetxt(folder / f"{k}.txt", T[k])
        return folder
    if kind == "transforms":
        frames = [
            {"file_path": f"images/{k:06d}.jpg", "transform_matrix": (T[k] @ OPENGL).tolist()} for k in range(COUNT)
        ]
        (folder / "transforms.json").write_text(json.dumps({"frames": frames[::-1]}))
        return folder / "transforms.json"
    if kind == "record3d":
        rows = tum_rows(T @ OPENGL, np.zeros(COUNT))[:, [4, 5, 6, 7, 1, 2, 3]]
        with zipfile.ZipFile(folder / "a.r3d", "w") as archive:
            archive.writestr("metadata", json.dumps({"poses": rows.tolist()}))
        return folder / "a.r3d"
    if kind == "polycam":
        (folder / "keyframes/corrected_cameras").mkdir(parents=True)
        for k in range(COUNT):
            values = {f"t_{i}{j}": (T[k] @ OPENGL)[i, j] for i in range(3) for j in range(4)}
            values |= {"fx": 100, "fy": 101, "cx": 64, "cy": 48, "width": 128, "height": 96}
            (folder / f"keyframes/corrected_cameras/{k:06d}.json").write_text(json.dumps(values))
        return folder
    rows = tum_rows(inverse, np.arange(1, COUNT + 1), first=True)[:, [0, 4, 5, 6, 7, 1, 2, 3]]
    lines = [
        f"{int(r[0])} " + " ".join(map(str, r[1:])) + f" 1 sub/{k:06d}.jpg\n3 4 7 5 6 -1\n" for k, r in enumerate(rows)
    ]
    (folder / "images.txt").write_text("# images\n" + "".join(lines))
    (folder / "cameras.txt").write_text("1 PINHOLE 128 96 100 101 64 48\n")
    (folder / "points3D.txt").write_text("7 1 2 3 0 0 0 0.5 1 0\n")
    return folder


KINDS = ("tum", "rtabmap", "kitti", "scannet", "transforms", "record3d", "polycam", "colmap")


@pytest.fixture
def images(tmp_path, write_image, numbered):
    folder = tmp_path / "images"
    for k in range(COUNT):
        write_image(folder / f"{k:06d}.png", numbered(k))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_each_image_its_pose(kind, path, tmp_path, images):
    (tmp_path / kind).mkdir()
    with open_recording(images, poses=write(kind, path, tmp_path / kind)) as recording:
        frames = list(recording.frames())
    np.testing.assert_allclose([frame.T_world_cam for frame in frames], path, atol=1e-9)


@pytest.mark.parametrize("kind", ["kitti", "scannet", "transforms", "record3d", "colmap"])
def test_numbers_and_named_numbers_are_positions_in_a_video(kind, path, tmp_path, write_video):
    (tmp_path / kind).mkdir()
    poses = write(kind, path, tmp_path / kind)
    with open_recording(write_video(tmp_path / "v.mp4", COUNT + 2), poses=poses, stride=3) as recording:
        found = {frame.index: frame.T_world_cam for frame in recording.frames()}
    np.testing.assert_allclose([found[k] for k in (0, 3, 6, 9)], path[::3], atol=1e-9)
    assert found[12] is None


def test_colmap_brings_calibration_and_the_points_that_an_image_sees(path, tmp_path, images):
    (tmp_path / "model").mkdir()
    with open_recording(images, poses=write("colmap", path, tmp_path / "model")) as recording:
        assert (recording.camera.fx, recording.camera.cx) == (100, 63.5)
        frame = next(iter(recording.frames()))
    np.testing.assert_array_equal(frame.points_xyz, [[1, 2, 3]])


def test_an_unknown_unit_is_brought_to_a_handy_one_and_a_known_one_to_metres(path, tmp_path, images):
    (tmp_path / "model").mkdir()
    poses = write("colmap", path, tmp_path / "model")
    deep = path[0] @ [0.0, 0.0, 10.0, 1.0]
    (poses / "points3D.txt").write_text("".join(f"{i} {deep[0]} {deep[1]} {deep[2]} 0 0 0 0.5\n" for i in range(30)))
    seen = " ".join(f"1 1 {i}" for i in range(30))
    (poses / "images.txt").write_text((poses / "images.txt").read_text().replace("3 4 7 5 6 -1", seen))
    with open_recording(images, poses=poses) as recording:
        frame = next(iter(recording.frames()))
    assert frame.pose_scale is ScaleStatus.UP_TO_SCALE
    np.testing.assert_allclose(frame.T_world_cam[:3, 3], 0.2 * path[0, :3, 3])
    np.testing.assert_allclose(frame.points_xyz[0], 0.2 * deep[:3])
    with open_recording(images, poses=poses, poses_unit=3.0) as recording:
        frame = next(iter(recording.frames()))
    assert frame.pose_scale is ScaleStatus.METRIC
    np.testing.assert_allclose(frame.T_world_cam[:3, 3], 3 * path[0, :3, 3])


def test_euroc_poses_are_brought_from_the_body_to_the_camera(path, tmp_path):
    T_body_cam = np.eye(4)
    T_body_cam[:3, :3] = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    T_body_cam[:3, 3] = 0.1, 0.2, 0.3
    data = tmp_path / "mav0" / "state_groundtruth_estimate0" / "data.csv"
    data.parent.mkdir(parents=True)
    rows = tum_rows(path @ np.linalg.inv(T_body_cam), np.zeros(COUNT), first=True)
    lines = [
        f"{1403636579763555584 + 50_000_000 * k}," + ",".join(map(str, [*r[1:], 0, 0])) for k, r in enumerate(rows)
    ]
    data.write_text("#timestamp [ns], p_RS_R_x [m]\n" + "\n".join(lines))
    alone = load_poses(data)
    assert "body" in alone.notes[0] and alone.timestamps_s[0] == pytest.approx(1403636579.763555584, abs=1e-6)
    numbers = ", ".join(map(str, T_body_cam.ravel()))
    (tmp_path / "mav0" / "cam0").mkdir()
    (tmp_path / "mav0" / "cam0" / "sensor.yaml").write_text(f"T_BS:\n  cols: 4\n  rows: 4\n  data: [{numbers}]\n")
    np.testing.assert_allclose(read_poses(tmp_path).T_world_cam, path, atol=1e-9)


def test_what_nerfstudio_applied_is_undone(path, tmp_path):
    applied = np.array([[1.0, 0, 0, 0.5], [0, 0, 1, 0], [0, -1, 0, 2]])
    moved = np.vstack([applied, [0, 0, 0, 1]]) @ path @ OPENGL
    moved[:, :3, 3] *= 0.25
    frames = [{"file_path": f"{k}.jpg", "transform_matrix": T.tolist()} for k, T in enumerate(moved)]
    document = {"applied_transform": applied.tolist(), "applied_scale": 0.25, "frames": frames}
    (tmp_path / "t.json").write_text(json.dumps(document))
    np.testing.assert_allclose(read_poses(tmp_path / "t.json").T_world_cam, path, atol=1e-9)


def test_a_convention_undoes_what_made_the_numbers(path, tmp_path):
    wrong = np.linalg.inv(path @ OPENGL)
    np.savetxt(tmp_path / "a.txt", tum_rows(wrong, np.arange(COUNT), first=True))
    meant = Convention("world-to-camera", "OpenGL", "w x y z")
    table = load_poses(tmp_path / "a.txt")
    assert meant in list(table.conventions()) and len(list(table.conventions())) == 12
    np.testing.assert_allclose(table.under(meant), path, atol=1e-9)
    assert meant.differences(table.convention)[:2] == ["world-to-camera", "OpenGL axes"]


def test_frames_that_scannet_lost_have_no_pose(path, tmp_path, images):
    (tmp_path / "pose").mkdir()
    write("scannet", path, tmp_path / "pose")
    np.savetxt(tmp_path / "pose" / "3.txt", np.full((4, 4), -np.inf))
    with open_recording(images, poses=tmp_path / "pose") as recording:
        assert [frame.index for frame in recording.frames() if frame.T_world_cam is None] == [3]


def spoilt(change):
    def spoil(T):
        T = T.copy()
        change(T)
        return T

    return spoil


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda T: T[:, :3, :3].__imul__(2.0), "multiplied by 2;"),
        (lambda T: T[:, :3, 0].__imul__(-1.0), "left-handed"),
        (lambda T: T[4, 0].__setitem__(0, 3.0), r"line 5: .*not orthonormal"),
        (lambda T: T[4, 0].__setitem__(0, np.nan), "line 5 holds NaN"),
    ],
)
def test_matrices_that_are_no_rotations_are_refused_and_named(change, message, path, tmp_path):
    poses = write("kitti", spoilt(change)(path), tmp_path)
    assert unusable(load_poses(poses))
    with pytest.raises(RecordingError, match=message):
        read_poses(poses)


@pytest.mark.parametrize(
    ("change", "times", "word"),
    [
        (lambda T: T[:, :3, 3].__imul__(1000), 1 / 30, "millimetres"),
        (lambda T: None, 33.3, "milliseconds"),
        (lambda T: T[6:, :3, 3].__iadd__(5), 1 / 30, "1 jumps"),
        (lambda T: T.__setitem__(slice(None), np.linalg.inv(T)), 1 / 30, "inverse"),
    ],
)
def test_units_clocks_jumps_and_inversion_are_suspected_from_numbers_alone(change, times, word, path, tmp_path):
    path[:, :3, 3] += [0, 0, 8]  # far from the origin, as worlds of sensors are
    np.savetxt(tmp_path / "good.txt", tum_rows(path, np.arange(COUNT) / 30))
    assert suspicions(load_poses(tmp_path / "good.txt")) == []
    np.savetxt(tmp_path / "bad.txt", tum_rows(spoilt(change)(path), np.arange(COUNT) * times))
    assert any(word in text for text in suspicions(load_poses(tmp_path / "bad.txt")))


def test_poses_of_other_images_are_refused(path, tmp_path, images):
    (tmp_path / "model").mkdir()
    poses = write("colmap", path, tmp_path / "model")
    text = (poses / "images.txt").read_text().replace("sub/", "other_").replace(".jpg", "x.jpg")
    (poses / "images.txt").write_text(text)
    with pytest.raises(RecordingError, match=r"none of the 12 poses .* file names"):
        open_recording(images, poses=poses)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"frames": []}', '{"poses": [[1,2]]}', '{"frames": [{"transform_matrix": 3}]}']
)
def test_a_json_document_without_poses_is_an_error(content, tmp_path):
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(RecordingError):
        read_poses(tmp_path / "t.json")
