"""A whole map against a truth folder: exact where the map is the truth in another world, wrong by what was put in."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mapping.evaluation.evaluate import evaluate_map
from mapping.evaluation.similarity import Similarity
from mapping.evaluation.trajectory import absolute_error, associate, relative_error
from mapping.evaluation.truth import SeenByCameras, TruePoses, read_poses
from mapping.export.ply import write_ply
from mapping.fusion.grid import VoxelGrid
from mapping.fusion.observation import DepthObservation
from mapping.fusion.settings import FusionSettings
from mapping.records import Blocks, FrameRecord, Submap
from mapping.slam.tracked import TrackStatus
from mapping.store import MapReader, MapWriter, ScaleRecord, StoreSettings, open_map
from mapping.surface.mesh import Mesh, extract_mesh
from streammtl.camera import Camera
from streammtl.errors import GeometryError, RecordingError
from streammtl.views import ScaleStatus
from tests.mapping.store.tiny_maps import blocks, header

FAST = StoreSettings(durable=False)
FEW = 20_000
SIZE = np.array([4.0, 2.5, 3.0])
CAMERA = Camera.pinhole(80, 60, 60.0, 60.0, 39.5, 29.5)
RIGID = Similarity(Rotation.from_rotvec([0.2, 1.0, -0.3]).as_matrix(), np.array([5.0, 1.0, -2.0]))
SHRUNK = Similarity(RIGID.R, RIGID.t, 0.25)


def room_mesh() -> Mesh:
    """The inside of a box from 0 to SIZE, seen from within."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * SIZE
    quads = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    zeros = np.zeros((8, 3))
    return Mesh(
        corners.astype(np.float32),
        np.array(faces, np.int32),
        zeros.astype(np.float32),
        zeros.astype(np.uint8),
        np.zeros(8, np.uint8),
    )


def walk(count: int = 45) -> np.ndarray:
    """Poses T_world_cam [count,4,4] of a turn in the middle of the room, with some up and down."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    T = np.tile(np.eye(4), (count, 1, 1))
    T[:, :3, :3] = Rotation.from_euler("yx", np.stack([turn, 0.5 * np.sin(3 * turn)], 1)).as_matrix()
    T[:, :3, 3] = SIZE / 2 + np.stack([0.8 * np.sin(turn), 0.2 * np.sin(2 * turn), 0.5 * np.cos(turn)], 1)
    return T


def room_depth(T_world_cam: np.ndarray) -> np.ndarray:
    """Exact depth f32 [60,80] of the room's walls."""
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    rays = (
        np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones(u.shape)], -1)
        @ T_world_cam[:3, :3].T
    )
    to_wall = (np.where(rays > 0, SIZE, 0) - T_world_cam[:3, 3]) / np.where(rays == 0, 1e-12, rays)
    return to_wall.min(axis=-1).astype(np.float32)


def truth_folder(folder: Path, with_mesh: bool = True) -> Path:
    """poses.txt, intrinsics.json, frames.csv, and mesh.ply or depth/."""
    folder.mkdir()
    lines = ["# timestamp tx ty tz qx qy qz qw", "# scale: metres"]
    for i, T in enumerate(walk()):
        numbers = [i / 15, *T[:3, 3], *Rotation.from_matrix(T[:3, :3]).as_quat()]
        lines.append(" ".join(f"{number:.9f}" for number in numbers))
    (folder / "poses.txt").write_text("\n".join(lines) + "\n")
    intrinsics = {"width": 80, "height": 60, "fx": 60.0, "fy": 60.0, "cx": 39.5, "cy": 29.5, "depth_scale": 1000.0}
    (folder / "intrinsics.json").write_text(json.dumps(intrinsics))
    (folder / "frames.csv").write_text("index,timestamp,source\n" + "".join(f"{i},{i / 15:.6f},x\n" for i in range(45)))
    if with_mesh:
        write_ply(folder / "mesh.ply", room_mesh())
    else:
        (folder / "depth").mkdir()
        for i, T in enumerate(walk()):
            cv2.imwrite(str(folder / "depth" / f"{i:06d}.png"), np.rint(room_depth(T) * 1000).astype(np.uint16))
    return folder


def write_map(path: Path, world: Similarity, status: ScaleStatus, mesh: Mesh | None = None) -> MapReader:
    """A map of the room in a world of its own, at the video's 30 frames per second, with its surface."""
    poses = world.poses(np.repeat(walk(), 2, axis=0))
    frames = [FrameRecord(i, i / 30, T, TrackStatus.TRACKED, status, i % 10 == 0) for i, T in enumerate(poses)]
    shape = mesh or room_mesh()
    moved = Mesh(
        world.points(shape.vertices).astype(np.float32), shape.faces, shape.normals, shape.colours, shape.labels
    )
    with MapWriter.create(path, header(len(frames), scale=ScaleRecord(status=status)), FAST) as writer:
        writer.commit(
            submaps=[Submap(0, 0, np.eye(4), blocks(0, 0), frames, True)],
            header=header(scale=ScaleRecord(status=status)),
        )
        writer.write_surface([moved])
    return open_map(path)


def test_a_perfect_map_in_another_world_is_perfect(tmp_path):
    result = evaluate_map(
        write_map(tmp_path / "m.zarr", RIGID, ScaleStatus.METRIC), truth_folder(tmp_path / "truth"), FEW
    )
    trajectory, surface = result["trajectory"], result["surface"]
    assert trajectory["se3"]["position_m"]["max"] < 1e-6 and trajectory["se3"]["rotation_deg"]["max"] < 1e-4
    assert (trajectory["se3"]["count"], trajectory["coverage"]) == (45, 1.0)
    assert trajectory["sim3"]["scale"] == pytest.approx(1) and trajectory["relative_1s"]["translation_m"]["max"] < 1e-6
    assert (surface["truth"], surface["alignment"]) == ("mesh.ply", "se3")
    for stage in ("trajectory_aligned", "after_icp"):
        assert surface[stage]["at_2cm"]["f_score"] > 0.999 and surface[stage]["accuracy_m"] < 1e-4
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_map_up_to_scale_is_judged_after_its_scale_is_put_right(tmp_path):
    folder = truth_folder(tmp_path / "truth")
    result = evaluate_map(write_map(tmp_path / "m.zarr", SHRUNK, ScaleStatus.UP_TO_SCALE), folder, FEW)
    assert result["trajectory"]["scale"] == pytest.approx(4) and result["trajectory"]["se3"]["position_m"]["rmse"] > 0.3
    assert result["trajectory"]["relative_1s"]["translation_m"]["max"] < 1e-6
    assert (
        result["surface"]["alignment"] == "sim3"
        and result["surface"]["trajectory_aligned"]["at_2cm"]["f_score"] > 0.999
    )
    metric = evaluate_map(write_map(tmp_path / "n.zarr", SHRUNK, ScaleStatus.METRIC), folder, FEW)
    assert (
        metric["surface"]["alignment"] == "se3" and metric["surface"]["trajectory_aligned"]["at_5cm"]["f_score"] < 0.2
    )
    asked = evaluate_map(open_map(tmp_path / "n.zarr"), folder, FEW, scaled=True)
    assert (
        asked["surface"]["alignment"] == "sim3" and asked["surface"]["trajectory_aligned"]["at_2cm"]["f_score"] > 0.999
    )


def test_icp_takes_out_what_the_trajectory_left(tmp_path):
    shape = room_mesh()
    shifted = Mesh(
        shape.vertices + np.float32([0.06, 0.06, 0.06]), shape.faces, shape.normals, shape.colours, shape.labels
    )
    reader = write_map(tmp_path / "m.zarr", RIGID, ScaleStatus.METRIC, shifted)
    surface = evaluate_map(reader, truth_folder(tmp_path / "truth"), FEW)["surface"]
    assert surface["trajectory_aligned"]["at_5cm"]["f_score"] < 0.1 and surface["after_icp"]["at_2cm"]["f_score"] > 0.99
    assert surface["icp"]["shift_m"] == pytest.approx(0.06 * np.sqrt(3), abs=2e-3) and surface["icp"]["turn_deg"] < 0.05


def test_without_a_mesh_the_truth_is_fused_from_depth(tmp_path):
    folder = truth_folder(tmp_path / "truth", with_mesh=False)
    before = sorted(folder.rglob("*"))
    surface = evaluate_map(write_map(tmp_path / "m.zarr", RIGID, ScaleStatus.METRIC), folder, FEW)["surface"]
    assert surface["truth"] == "depth fused at 2 cm"
    assert (
        surface["trajectory_aligned"]["accuracy_m"] < 0.01 and surface["trajectory_aligned"]["at_5cm"]["f_score"] > 0.9
    )
    assert sorted(folder.rglob("*")) == before  # nothing is kept there


def test_a_truth_without_surface_gives_the_trajectory_alone(tmp_path):
    folder = truth_folder(tmp_path / "truth")
    (folder / "mesh.ply").unlink()
    (folder / "intrinsics.json").unlink()
    result = evaluate_map(write_map(tmp_path / "m.zarr", RIGID, ScaleStatus.METRIC), folder, FEW)
    assert result["surface"] is None and result["trajectory"]["coverage"] == 1.0


def test_missing_poses_lower_the_coverage_and_the_larger_component_is_judged(tmp_path):
    """30 of 90 frames are lost, 15 hang in another component: of 45 true poses 23 remain to be compared."""
    poses = RIGID.poses(np.repeat(walk(), 2, axis=0))

    def record(i: int) -> FrameRecord:
        lost = i < 30
        T = np.full((4, 4), np.nan) if lost else poses[i] if i < 75 else np.eye(4)
        return FrameRecord(i, i / 30, T, TrackStatus.LOST if lost else TrackStatus.TRACKED, ScaleStatus.METRIC, False)

    nothing = blocks(0, 0)
    with MapWriter.create(tmp_path / "m.zarr", header(90), FAST) as writer:
        writer.commit(
            submaps=[
                Submap(0, 0, np.eye(4), nothing, [record(i) for i in range(75)], True),
                Submap(1, 1, np.eye(4), nothing, [record(i) for i in range(75, 90)], True),
            ]
        )
    folder = truth_folder(tmp_path / "truth")
    (folder / "mesh.ply").unlink()
    result = evaluate_map(open_map(tmp_path / "m.zarr"), folder, FEW)["trajectory"]
    assert (result["se3"]["count"], result["components"]) == (23, 2)
    assert result["coverage"] == pytest.approx(23 / 45) and result["se3"]["position_m"]["max"] < 1e-6


def test_a_wrong_truth_is_refused(tmp_path):
    reader = write_map(tmp_path / "m.zarr", RIGID, ScaleStatus.METRIC)
    with pytest.raises(RecordingError, match=r"poses\.txt .* is missing"):
        evaluate_map(reader, tmp_path)
    folder = truth_folder(tmp_path / "truth")
    poses = (folder / "poses.txt").read_text()
    (folder / "poses.txt").write_text("what is this\n")
    with pytest.raises(RecordingError, match="not in TUM's format"):
        evaluate_map(reader, folder)
    (folder / "poses.txt").write_text("\n".join("9" + line for line in poses.splitlines()[2:]))
    with pytest.raises(GeometryError, match="only 0 posed frames"):
        evaluate_map(reader, folder)
    (folder / "poses.txt").write_text(poses)
    (folder / "mesh.ply").write_text("no ply")
    with pytest.raises(RecordingError, match="holds no triangles"):
        evaluate_map(reader, folder)


def test_points_are_seen_when_they_lie_in_front_of_a_camera_and_in_its_image():
    poses = TruePoses(np.zeros(1), np.eye(4)[None], True)
    seen = SeenByCameras(poses, CAMERA, far_m=4.0)
    points = np.array(
        [[0, 0, 1], [0, 0, -1], [0, 0, 5], [0.65, 0, 1], [0.70, 0, 1], [0, -0.49, 1], [0, -0.51, 1]], dtype=float
    )
    assert seen(points).tolist() == [True, False, False, True, False, True, False]


def test_poses_of_a_recording_up_to_scale_are_known_as_such(recordings_data):
    assert not read_poses(recordings_data("fox_phone_sfm")).metric
    kitchen = read_poses(recordings_data("kitchen_7scenes_seq01"))
    assert kitchen.metric and len(kitchen.times_s) == 400 and (np.diff(kitchen.times_s) > 0).all()


def test_figures_published_for_a_real_recording_come_out(recordings_data, tmp_path):
    """COLMAP's poses of the kitchen against KinectFusion's: 4.28 cm, 3.3 degrees; 3.3 cm, 1.24 degrees a second."""
    folder = recordings_data("kitchen_7scenes_seq01")
    (tmp_path / "poses.txt").write_text((folder / "poses_sfm.txt").read_text())
    colmap, truth = read_poses(tmp_path), read_poses(folder)
    i, j = associate(colmap.times_s, truth.times_s, 0.010)
    error = absolute_error(colmap.T_world_cam[i], truth.T_world_cam[j], with_scale=True)
    assert (error.count, error.position_m.rmse) == (200, pytest.approx(0.0428, abs=2e-4))
    assert error.rotation_deg.rmse == pytest.approx(3.3, abs=0.05)
    drift = relative_error(colmap.T_world_cam[i], truth.T_world_cam[j], truth.times_s[j])
    assert drift.translation_m.rmse == pytest.approx(0.033, abs=0.002)
    assert drift.rotation_deg.rmse == pytest.approx(1.24, abs=0.03)


def test_a_map_fused_with_the_true_poses_scores_full_marks_on_a_real_recording(recordings_data, tmp_path):
    folder = recordings_data("studyroom_3dmatch_mini")
    poses = read_poses(folder)
    intrinsics = json.loads((folder / "intrinsics.json").read_text())
    camera = Camera.pinhole(*(intrinsics[name] for name in ("width", "height", "fx", "fy", "cx", "cy")))
    grid = VoxelGrid(FusionSettings(voxel_size_m=0.02, truncation_m=0.08))
    frames = []
    for i, T in enumerate(poses.T_world_cam):
        depth = cv2.imread(str(folder / "depth" / f"{i:06d}.png"), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
        image = cv2.imread(str(folder / "rgb" / f"{i:06d}.jpg"))[..., ::-1].copy()
        grid.integrate(DepthObservation(depth, image, camera, T))
        frames.append(FrameRecord(i, poses.times_s[i], T, TrackStatus.TRACKED, ScaleStatus.METRIC, True))
    fused: Blocks = grid.blocks()
    metric = header(scale=ScaleRecord(status=ScaleStatus.METRIC))
    with MapWriter.create(tmp_path / "m.zarr", metric, FAST) as writer:
        writer.commit(submaps=[Submap(0, 0, np.eye(4), fused, frames, True)])
        writer.write_surface([extract_mesh(fused, 0.02)])
    result = evaluate_map(open_map(tmp_path / "m.zarr"), folder, FEW)
    assert result["trajectory"]["se3"]["position_m"]["rmse"] < 1e-6
    assert result["surface"]["trajectory_aligned"]["at_2cm"]["f_score"] > 0.999
    assert result["surface"]["trajectory_aligned"]["kept"] > 0.999
