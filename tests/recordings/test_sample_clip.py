"""The bundled recording: what it promises in its SOURCE.md holds."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import av
import cv2
import numpy as np
import open3d as o3d
import pytest

from streammtl.data.rooms.furniture.polygons import triangulate

SAMPLES = Path(__file__).resolve().parents[2] / "recordings" / "samples"
ROOM = SAMPLES / "room"
FRAMES, FPS = 300, 30.0


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    with av.open(str(ROOM / "video.mp4")) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def poses() -> np.ndarray:
    """Rows of poses.txt: timestamp, translation, quaternion xyzw."""
    return np.loadtxt(ROOM / "poses.txt")


@pytest.fixture(scope="module")
def camera() -> np.ndarray:
    values = json.loads((ROOM / "intrinsics.json").read_text())
    return np.array([[values["fx"], 0, values["cx"]], [0, values["fy"], values["cy"]], [0, 0, 1.0]])


def _rotation(q: np.ndarray) -> np.ndarray:
    x, y, z, w = q
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


def _world_from_camera(row: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = _rotation(row[4:]), row[1:4]
    return matrix


def _truth(kind: str) -> dict[int, np.ndarray]:
    return {int(p.stem): cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in sorted((ROOM / kind).glob("*.png"))}


def _world_points(depth_m: np.ndarray, camera: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """World points [n,3] of a depth map, row by row; pixel centres at integers."""
    y, x = np.mgrid[0 : depth_m.shape[0], 0 : depth_m.shape[1]]
    rays = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3) @ np.linalg.inv(camera).T
    return (rays * depth_m.reshape(-1, 1)) @ pose[:3, :3].T + pose[:3, 3]


def _seen_from(points: np.ndarray, camera: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixel positions [n,2] and depths [n] of world points in a camera."""
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    projected = local @ camera.T
    return projected[:, :2] / np.maximum(projected[:, 2:], 1e-6), local[:, 2]


def _mesh_labels(path: Path) -> np.ndarray:
    header, _, body = path.read_bytes().partition(b"end_header\n")
    count = next(int(line.split()[2]) for line in header.splitlines() if line.startswith(b"element vertex"))
    return np.frombuffer(body, [("xyz", "<f4", 3), ("label", "u1")], count)["label"]


def test_the_clip_has_300_frames_of_640_by_480_at_30_per_second(frames):
    assert len(frames) == FRAMES
    assert {frame.shape for frame in frames} == {(480, 640)}
    with av.open(str(ROOM / "video.mp4")) as container:
        assert float(container.streams.video[0].average_rate) == FPS


def test_frames_are_neither_dark_nor_washed_out(frames):
    for frame in frames[::30]:
        low, high = np.percentile(frame, [5, 95])
        assert 60 < frame.mean() < 190
        assert high - low > 70


def test_every_frame_has_a_rigid_pose_at_its_time(poses):
    assert poses.shape == (FRAMES, 8)
    np.testing.assert_allclose(poses[:, 0], np.arange(FRAMES) / FPS, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(poses[:, 4:], axis=1), 1.0, atol=1e-6)


def test_the_camera_walks_smoothly_and_never_stands_still(poses):
    step = np.linalg.norm(np.diff(poses[:, 1:4], axis=0), axis=1)
    assert 3.0 < step.sum() < 5.5
    assert step.min() * FPS > 0.1
    assert step.max() * FPS < 1.2
    jerk = np.linalg.norm(np.diff(poses[:, 1:4], n=2, axis=0), axis=1)
    assert jerk.max() < 0.006
    cosine = np.abs((poses[1:, 4:] * poses[:-1, 4:]).sum(axis=1)).clip(max=1.0)
    assert np.rad2deg(2 * np.arccos(cosine)).max() * FPS < 40.0


def test_the_first_second_moves_sideways_enough_for_a_two_view_start(poses):
    first = _world_from_camera(poses[0])
    moved = (poses[30, 1:4] - poses[0, 1:4]) @ first[:3, :3]
    assert abs(moved[0]) > 0.3
    assert abs(moved[0]) > 1.5 * abs(moved[2])


@pytest.mark.parametrize("first", [0, 90, 150, 240])
def test_depth_of_one_frame_predicts_depth_and_grey_of_the_next(first, frames, poses, camera):
    depth = {index: image / 1000.0 for index, image in _truth("depth").items()}
    second = first + 30
    pose_a, pose_b = _world_from_camera(poses[first]), _world_from_camera(poses[second])
    pixels, expected = _seen_from(_world_points(depth[first], camera, pose_a), camera, pose_b)
    x, y = np.round(pixels).astype(int).T
    inside = (expected > 0.1) & (x >= 0) & (x < 640) & (y >= 0) & (y < 480)
    found = depth[second][y[inside], x[inside]]
    error = np.abs(found - expected[inside]) / expected[inside]
    visible = error < 0.03
    assert visible.mean() > 0.75
    assert np.median(error[visible]) < 0.002
    assert np.median(error) < 0.01
    grey_a = cv2.GaussianBlur(frames[first], (0, 0), 1.0).ravel()[inside][visible]
    grey_b = cv2.GaussianBlur(frames[second], (0, 0), 1.0)[y[inside], x[inside]][visible]
    assert np.corrcoef(grey_a.astype(float), grey_b.astype(float))[0, 1] > 0.9


def test_labels_are_nyu40_ids_and_name_many_classes():
    labels = _truth("labels")
    assert sorted(labels) == sorted(_truth("depth")) == list(range(0, FRAMES, 30))
    assert all(image.dtype == np.uint8 and image.shape == (480, 640) and image.max() <= 40 for image in labels.values())
    counts = np.bincount(np.concatenate([image.ravel() for image in labels.values()]), minlength=41)
    assert (counts[1:] > 500).sum() >= 8
    assert counts[0] == 0


def test_depth_maps_lie_on_the_ground_truth_mesh(poses, camera):
    mesh = o3d.t.io.read_triangle_mesh(str(ROOM / "mesh.ply"))
    labels = _mesh_labels(ROOM / "mesh.ply")
    assert len(labels) == len(mesh.vertex.positions)
    assert labels.max() <= 40
    assert len(np.unique(labels)) >= 8
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(mesh)
    for index, image in list(_truth("depth").items())[::3]:
        points = _world_points(image / 1000.0, camera, _world_from_camera(poses[index]))[::37]
        distance = caster.compute_distance(o3d.core.Tensor(points.astype(np.float32))).numpy()
        assert (distance < 0.01).mean() > 0.998
        assert np.median(distance) < 0.001


def test_points_can_be_followed_from_frame_to_frame(frames):
    for index in range(0, FRAMES - 1, 23):
        corners = cv2.goodFeaturesToTrack(frames[index], 800, 0.01, 8)
        moved, found, _ = cv2.calcOpticalFlowPyrLK(frames[index], frames[index + 1], corners, None)
        back, again, _ = cv2.calcOpticalFlowPyrLK(frames[index + 1], frames[index], moved, None)
        steady = np.linalg.norm((back - corners).reshape(-1, 2), axis=1) < 0.5
        assert (steady & (found.ravel() == 1) & (again.ravel() == 1)).sum() >= 300


def test_the_recording_is_small():
    assert (ROOM / "video.mp4").stat().st_size <= 4_000_000
    assert (ROOM / "mesh.ply").stat().st_size <= 4_000_000
    assert sum(path.stat().st_size for path in ROOM.rglob("*") if path.is_file()) <= 9_000_000


def test_every_model_used_is_cc0_and_named_in_the_source_note():
    note = (ROOM / "SOURCE.md").read_text()
    with (SAMPLES / "furniture.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) >= 15
    assert {row["licence"] for row in rows} == {"CC0-1.0"}
    assert all(row["obj_path"].lstrip("/") in note for row in rows)


def test_a_concave_polygon_is_cut_without_covering_its_notch():
    arrow = np.array([[0, 0, 0], [4, 0, 0], [4, 4, 0], [2, 1, 0], [0, 4, 0]], float)
    triangles = np.array(triangulate(arrow))
    a, b, c = (arrow[triangles[:, k], :2] for k in range(3))
    turn = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    # Shoelace area of the arrow is 10; a fan from the first corner would turn one triangle the wrong way.
    assert (turn > 0).all()
    assert turn.sum() / 2 == pytest.approx(10.0)
