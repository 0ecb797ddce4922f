import json

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from mapping.evaluation.truth import read_camera, read_poses, true_surface
from mapping.surface.room_rays import camera_rays, pixel_grid
from pipelines.rooms.render_recording import quaternion_xyzw, write_test_rooms
from recordings.open_source import open_recording
from streammtl.data.clip import load_clip

FRAMES, SIZE = 22, (48, 64)


@pytest.fixture(scope="module")
def folder(room, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rooms3d")
    assert write_test_rooms(folder, 1, FRAMES, SIZE, lambda seed: room) == 1
    return folder


def test_quaternions_are_those_of_the_rotation():
    rotations = Rotation.random(200, rng=np.random.default_rng(0))
    for rotation in rotations:
        ours, theirs = quaternion_xyzw(rotation.as_matrix()), rotation.as_quat()
        assert np.isclose(abs(ours @ theirs), 1.0)


def test_a_room_is_a_recording_with_truth(folder, room):
    with open_recording(folder / "room_000") as recording:
        frames = list(recording.frames())
    assert len(frames) == FRAMES
    assert frames[3].image.shape == (*SIZE, 3)
    poses = read_poses(folder / "room_000")
    assert np.allclose(frames[3].T_world_cam, poses.T_world_cam[3], atol=1e-6)
    assert np.allclose(poses.times_s, np.arange(FRAMES) / 30, atol=1e-6)
    triangles, origin = true_surface(folder / "room_000", poses)
    assert origin == "mesh.ply"
    assert len(triangles.faces) == len(room.mesh.corners)
    low, high = triangles.vertices.min(0), triangles.vertices.max(0)
    assert np.allclose(low, 0, atol=1e-4) and np.allclose(high, [4.6, 3.8, 2.6], atol=1e-4)


def test_the_mesh_has_the_depth_of_the_clip(folder):
    import open3d as o3d

    path = folder / "room_000"
    clip, poses, (camera, _) = load_clip(path / "clip.npz"), read_poses(path), read_camera(path)
    mesh, _ = true_surface(path, poses)
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    rays = camera_rays(camera.K, clip.T_world_cam[1], pixel_grid(*SIZE))
    depth = caster.cast_rays(o3d.core.Tensor(rays))["t_hit"].numpy().reshape(SIZE)
    assert np.mean(np.abs(depth - clip.depth_m[1]) < 2e-3 * depth) > 0.99
    assert np.allclose(clip.T_world_cam[1], poses.T_world_cam[10], atol=1e-6)


def test_labels_lie_beside_the_pictures(folder):
    clip = load_clip(folder / "room_000" / "clip.npz")
    assert (np.asarray(Image.open(folder / "room_000" / "labels" / "000020.png")) == clip.labels[2]).all()
    picture = np.asarray(Image.open(folder / "room_000" / "rgb" / "000020.jpg"))
    assert np.abs(picture.astype(int) - clip.images[2]).mean() < 6


def test_test_rooms_go_on_where_they_stopped(folder, room):
    seeds = []
    before = (folder / "room_000" / "mesh.ply").stat().st_mtime_ns

    def build(seed):
        seeds.append(seed)
        return room

    write_test_rooms(folder, 2, FRAMES, SIZE, build)
    assert seeds == [json.loads((folder / "room_000" / "room.json").read_text())["seed"] + 1]
    assert (folder / "room_000" / "mesh.ply").stat().st_mtime_ns == before
