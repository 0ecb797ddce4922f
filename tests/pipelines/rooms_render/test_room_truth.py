import numpy as np
import pytest
import torch

from pipelines.rooms.camera_path import BLUR_PROBE_S, CameraPath, camera_axes
from pipelines.rooms.render import render_clip
from pipelines.rooms.render_settings import RenderSettings
from pipelines.rooms.truth_boundaries import boundaries, depth_jumps

SIZE = (96, 128)
K = np.array([[110.0, 0, 63.2], [0, 110.0, 47.9], [0, 0, 1]])
EVERYTHING = RenderSettings(instances=True, flow=True, scene_flow=True, albedo=True, shading=True)
TABLE, BOX = 7, 9


def poses_from(position, yaw, pitch, roll=0.02):
    result = np.tile(np.eye(4), (len(position), 1, 1))
    result[:, :3, :3] = camera_axes(np.array(yaw), np.array(pitch), np.full(len(yaw), roll))
    result[:, :3, 3] = position
    return result


@pytest.fixture(scope="module")
def path():
    poses = poses_from(
        [[0.9, 3.0, 1.5], [1.0, 2.95, 1.48], [1.1, 2.8, 1.5]], [-0.75, -0.8, -0.85], [-0.4, -0.38, -0.45]
    )
    later = poses.copy()
    later[:, :3, 3] += 0.3 * BLUR_PROBE_S
    return CameraPath(np.array([0.0, 0.4, 0.9]), poses, later, K)


@pytest.fixture(scope="module")
def clip(room_with_walker, path):
    return render_clip(room_with_walker, path, SIZE, EVERYTHING, np.random.default_rng(5))


def points_of(clip, i):
    """f64 [H,W,3] camera points from depth."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    ray = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones(SIZE)], axis=-1)
    return ray * clip.depth_m[i].astype(float)[..., None]


def reprojected(clip, i, motion=0.0):
    """Pixels and depths in frame i + 1 of what frame i sees, moved by `motion` in camera axes first."""
    T = np.linalg.inv(clip.T_world_cam[i + 1]) @ clip.T_world_cam[i]
    points = (points_of(clip, i) + motion) @ T[:3, :3].T + T[:3, 3]
    return points[..., :2] / points[..., 2:] * [K[0, 0], K[1, 1]] + [K[0, 2], K[1, 2]], points[..., 2]


def test_the_floor_has_its_depth(clip):
    pose = clip.T_world_cam[0]
    floor = clip.labels[0] == 2
    down = (points_of(clip, 0) @ pose[:3, :3].T + pose[:3, 3])[floor]
    assert floor.sum() > 500
    assert np.abs(down[:, 2]).max() < 4e-3  # half-precision depth


def test_normals_agree_with_depth(clip):
    points = points_of(clip, 0)
    across, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
    normal = np.cross(down, across)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    given = clip.normals[0, 1:-1, 1:-1] / 127.0
    inside = ~np.pad(clip.boundaries[0] > 0, 1)
    calm = np.ones((SIZE[0] - 2, SIZE[1] - 2), bool)
    for dy in range(3):
        for dx in range(3):
            calm &= inside[1 + dy : SIZE[0] - 1 + dy, 1 + dx : SIZE[1] - 1 + dx]
    cosine = (normal * given).sum(-1)[calm]
    assert calm.mean() > 0.5
    assert np.median(cosine) > 0.999
    assert cosine.min() > 0.9
    assert np.allclose(np.linalg.norm(clip.normals[0] / 127.0, axis=-1), 1.0, atol=0.02)


def test_normals_face_the_camera(clip):
    assert ((clip.normals / 127.0 * np.stack([points_of(clip, i) for i in range(3)])).sum(-1) < 0).all()


def test_what_one_frame_sees_lies_where_the_next_sees_it(clip):
    pixels, depth = reprojected(clip, 0)
    x, y = np.round(pixels).astype(int).reshape(-1, 2).T
    still = ~clip.moving[0].ravel()
    inside = (x >= 0) & (x < SIZE[1]) & (y >= 0) & (y < SIZE[0]) & still
    seen = clip.depth_m[1].astype(float)[y[inside], x[inside]]
    expected = depth.ravel()[inside]
    assert inside.mean() > 0.6
    assert (expected > seen * 0.98).all() or (np.mean(expected < seen * 0.98) < 0.01)
    assert np.mean(np.abs(expected - seen) < 0.02 * seen) > 0.9


def test_flow_is_reprojection(clip):
    pixels, _ = reprojected(clip, 0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    flow = pixels - np.stack([x, y], axis=-1)
    still = ~clip.moving[0]
    assert np.abs(flow - clip.flow[0].astype(float))[still].max() < 0.1


def test_flow_of_moving_things_is_reprojection_after_their_own_motion(clip):
    moving = clip.moving[0]
    pixels, _ = reprojected(clip, 0, clip.scene_flow[0].astype(float))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    expected = (pixels - np.stack([x, y], axis=-1))[moving]
    assert moving.sum() > 100
    assert np.abs(expected - clip.flow[0].astype(float)[moving]).max() < 0.15
    standing, _ = reprojected(clip, 0)
    assert np.abs((standing - pixels)[moving]).max() > 3


def test_scene_flow_of_a_thing_that_does_not_turn_is_velocity_times_time(room_with_walker, path):
    part = type(room_with_walker.moving[0])(**{**room_with_walker.moving[0].__dict__, "turn": 0.0})
    scene = type(room_with_walker)(**{**room_with_walker.__dict__, "moving": [part]})
    clip = render_clip(scene, path, SIZE, EVERYTHING, np.random.default_rng(5))
    for i, seconds in ((0, 0.4), (1, 0.5)):
        flow = clip.scene_flow[i].astype(float) @ clip.T_world_cam[i, :3, :3].T
        assert np.abs(flow[clip.moving[i]] - part.velocity * seconds).max() < 1e-3
        assert np.abs(flow[~clip.moving[i]]).max() == 0.0
    assert np.isnan(clip.scene_flow[2]).all()
    assert np.isnan(clip.flow[2]).all()


def test_boundaries_lie_on_the_silhouette_of_the_box(clip):
    box = clip.instances[0] == BOX
    rim = np.zeros_like(box)
    rim[:-1] |= box[1:] != box[:-1]
    rim[1:] |= box[1:] != box[:-1]
    rim[:, :-1] |= box[:, 1:] != box[:, :-1]
    rim[:, 1:] |= box[:, 1:] != box[:, :-1]
    assert box.sum() > 100
    assert (clip.boundaries[0][rim] == 1).all()


def test_a_slanted_plane_has_no_boundaries():
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
    depth = 1.0 / (0.02 + 0.004 * x + 0.002 * y)
    normals = torch.tensor([0.6, 0.0, -0.8])[:, None, None].expand(3, 60, 80)
    assert boundaries(depth, normals, torch.ones(60, 80), 0.02, 30.0).sum() == 0


def test_a_step_of_depth_is_marked_on_both_sides():
    depth = torch.full((8, 10), 2.0)
    depth[:, 5:] = 3.0
    marked = depth_jumps(depth, 0.02)
    assert marked[:, 4:6].all()
    assert marked.sum() == 16


def test_labels_and_instances_name_the_same_things(clip):
    assert set(np.unique(clip.labels[clip.instances == TABLE])) == {7}
    assert set(np.unique(clip.labels[clip.moving])) == {31}


def test_albedo_and_shading_explain_the_picture(room, path):
    settings = RenderSettings(albedo=True, shading=True)
    clip = render_clip(room, path, SIZE, settings, np.random.default_rng(1))
    product = (clip.albedo[0] / 255.0).mean(-1) ** 2.2 * clip.shading[0].astype(float)
    picture = (clip.images[0] / 255.0).mean(-1) ** 2.2
    dull = clip.labels[0] != 9  # the window glows
    assert np.corrcoef(product[dull], picture[dull])[0, 1] > 0.85
