from dataclasses import replace

import numpy as np

from mapping.surface.room_rays import NOTHING, SceneCaster, TriangleCaster, camera_rays, part_pose, pixel_grid

K = np.array([[200.0, 0, 63.2], [0, 200.0, 47.9], [0, 0, 1]])


def test_distance_along_a_camera_ray_is_depth_on_the_optical_axis():
    normal, offset = np.array([0.3, -0.2, -0.93]), 2.0
    corners = []
    for x, y in ((-9, -9), (9, -9), (0, 14)):
        corners.append([x, y, -(offset + normal[0] * x + normal[1] * y) / normal[2]])
    rays = camera_rays(K, np.eye(4), pixel_grid(96, 128))
    depth = TriangleCaster(np.array(corners)[None]).hits(rays).distance
    expected = -offset / (rays[:, 3:].astype(float) @ normal)
    assert np.allclose(depth, expected, rtol=1e-5)


def test_the_ray_through_the_principal_point_looks_straight_ahead(room):
    pose = np.eye(4)
    pose[:3, 3] = (1, 2, 3)
    ray = camera_rays(K, pose, np.float32([[63.2, 47.9]]))
    assert np.allclose(ray, [[1, 2, 3, 0, 0, 1]], atol=1e-6)


def test_rays_that_leave_the_room_hit_nothing():
    caster = TriangleCaster(np.float32([[[0, 0, 1], [1, 0, 1], [0, 1, 1]]]))
    hits = caster.hits(np.float32([[5, 5, 0, 0, 0, 1], [0.2, 0.2, 0, 0, 0, 1]]))
    assert hits.triangle.tolist() == [NOTHING, 0]
    assert np.isinf(hits.distance[0])


def test_barycentric_weights_give_the_point_that_was_hit():
    triangle = np.float32([[0, 0, 1], [2, 0, 1.5], [0, 3, 2]])
    ray = np.float32([[0.4, 0.7, 0, 0, 0, 1]])
    hits = TriangleCaster(triangle[None]).hits(ray)
    b, c = hits.bary[0]
    point = (1 - b - c) * triangle[0] + b * triangle[1] + c * triangle[2]
    assert np.allclose(point, ray[0, :3] + hits.distance[0] * ray[0, 3:], atol=1e-5)


def test_a_moving_part_stands_where_its_velocity_brings_it(room_with_walker):
    caster, part = SceneCaster(room_with_walker), room_with_walker.moving[0]
    first = len(room_with_walker.mesh.corners)
    for time_s in (0.0, 1.5):
        x, y, _ = part.pivot + part.velocity * time_s
        ray = np.float32([[x, y, 2.5, 0, 0, -1]])
        hits = caster.at(time_s).hits(ray)
        assert hits.triangle[0] >= first
        assert np.isclose(hits.distance[0], 2.5 - 1.7, atol=1e-5)
        assert caster.at(time_s).blocked(ray)[0]
    assert not caster.at(3.0).blocked(np.float32([[*part.pivot[:2], 2.0, 0, 0, -1.5]]))[0]


def test_turning_keeps_the_pivot_on_its_line(room_with_walker):
    part = room_with_walker.moving[0]
    pose = part_pose(part, 2.0)
    assert np.allclose(pose[:3, :3] @ part.pivot + pose[:3, 3], part.pivot + 2.0 * part.velocity)


def test_a_moving_part_keeps_to_its_way_and_rests_at_both_ends(room_with_walker):
    way = np.array([[1.0, 0.0, 0.0, 0.0], [2.0, 0.5, 0.0, 0.0], [3.0, 0.5, -1.0, 0.0]])
    part = replace(room_with_walker.moving[0], way=way)
    for time_s, moved in ((0.0, (0, 0, 0)), (1.5, (0.25, 0, 0)), (2.5, (0.5, -0.5, 0)), (9.0, (0.5, -1, 0))):
        pose = part_pose(part, time_s)
        assert np.allclose(pose[:3, :3] @ part.pivot + pose[:3, 3], part.pivot + moved)
