import builtins

import cv2
import numpy as np
import pytest

from mapping.surface.framing import View, along_walls, looking_into, straight_down, upright
from mapping.surface.mesh import Mesh, extract_mesh
from mapping.surface.picture import map_picture, overview, render_mesh, top_view
from mapping.surface.raycast import MeshRays
from mapping.surface.shading import label_colours, openness
from streammtl.camera import Camera
from streammtl.errors import MapError
from tests.mapping.fusion.fusion_scenes import pose, rotation
from tests.mapping.surface.distance_fields import filled_blocks, sphere

BACKGROUND = 244


def soup(*quads: np.ndarray, colours=None) -> Mesh:
    """A mesh of rectangles, each four corners counter-clockwise seen from its free side."""
    vertices = np.concatenate(quads).astype(np.float32)
    faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * i for i in range(len(quads))]).astype(np.int32)
    normals = [np.cross(q[1] - q[0], q[2] - q[0]) for q in quads]
    normals = np.repeat([n / np.linalg.norm(n) for n in normals], 4, axis=0).astype(np.float32)
    colours = np.repeat(np.full((len(quads), 3), 120) if colours is None else colours, 4, axis=0).astype(np.uint8)
    return Mesh(vertices, faces, normals, colours, np.repeat(np.arange(1, len(quads) + 1), 4).astype(np.uint8))


def quad(corner, side_a, side_b) -> np.ndarray:
    corner, side_a, side_b = (np.array(v, float) for v in (corner, side_a, side_b))
    return np.stack([corner, corner + side_a, corner + side_a + side_b, corner + side_b])


def room() -> Mesh:
    """4 m x 3 m, 2.5 m high, y down; all sides face inwards: floor red, ceiling green, walls blue."""
    sides = [
        quad((0, 2.5, 0), (4, 0, 0), (0, 0, 3)),
        quad((0, 0, 0), (0, 0, 3), (4, 0, 0)),
        quad((0, 0, 0), (0, 2.5, 0), (0, 0, 3)),
        quad((4, 0, 0), (0, 0, 3), (0, 2.5, 0)),
        quad((0, 0, 0), (4, 0, 0), (0, 2.5, 0)),
        quad((0, 0, 3), (0, 2.5, 0), (4, 0, 0)),
    ]
    mesh = soup(*sides, colours=np.array([(200, 20, 20), (20, 200, 20)] + [(20, 20, 200)] * 4))
    middle = np.array([2, 1.25, 1.5])
    assert ((mesh.vertices - middle) * mesh.normals).sum(1).max() < 0
    return mesh


def share_of(image: np.ndarray, channel: int) -> float:
    others = [c for c in range(3) if c != channel]
    return float((image[..., channel] > 1.5 * image[..., others].max(-1)).mean())


def test_a_sphere_is_seen_where_the_camera_projects_it():
    mesh = extract_mesh(filled_blocks(sphere(0.5), (-2, -2, -2), (2, 2, 2), 0.05, 0.2), 0.05)
    camera = Camera.pinhole(81, 61, 90, 90, 40, 30)
    T = pose((0, 0, -2), (0, 1, 0), 0.1)
    seen = (render_mesh(mesh, camera, T) != BACKGROUND).any(-1)
    rows, columns = np.nonzero(seen)
    centre = T[:3, :3].T @ -T[:3, 3]
    off_axis, half = np.arctan2(centre[0], centre[2]), np.arcsin(0.5 / 2)
    middle = (np.tan(off_axis - half) + np.tan(off_axis + half)) / 2  # of the ellipse that the sphere's outline is
    assert columns.mean() == pytest.approx(90 * middle + 40, abs=0.25)
    assert rows.mean() == pytest.approx(30, abs=0.25)
    assert seen.sum() == pytest.approx(np.pi * (90 * 0.5 / np.sqrt(4 - 0.25)) ** 2, rel=0.05)


def test_label_and_normal_pictures_show_labels_and_normals():
    wall = soup(quad((-5, -5, 1), (0, 10, 0), (10, 0, 0)))
    camera = Camera.pinhole(20, 20, 20, 20, 9.5, 9.5)
    np.testing.assert_array_equal(render_mesh(wall, camera, np.eye(4), "normal")[10, 10], [128, 128, 0])
    palette = np.array([[0, 0, 0], [250, 10, 10]], np.uint8)
    assert share_of(render_mesh(wall, camera, np.eye(4), "label", palette), 0) == 1
    beyond = render_mesh(wall, camera, np.eye(4), "label", palette[:1])
    assert np.ptp(beyond[10, 10].astype(int)) == 0  # grey


def test_label_colours_differ_and_none_is_grey():
    colours = label_colours()
    assert len({tuple(c) for c in colours[:41]}) == 41
    assert np.ptp(colours[0].astype(int)) == 0


def test_from_above_one_sees_the_floor_through_the_ceiling():
    image = top_view(room(), 200, up=np.array([0, -1, 0]))
    assert image.shape[1] == 200 and image.shape[0] == pytest.approx(150, abs=4)
    assert share_of(image, 0) > 0.8
    assert share_of(image, 1) == 0


def test_looking_in_one_sees_floor_and_far_walls_but_not_the_ceiling():
    poses = np.stack([pose((1 + 0.1 * i, 1.2, 1.5)) for i in range(10)])
    image = overview(room(), poses, 160, 120, up=np.array([0, -1, 0]))
    assert image.shape == (120, 160, 3)
    assert share_of(image, 0) > 0.1 and share_of(image, 2) > 0.1
    assert share_of(image, 1) < 0.005  # the dot where the path starts


def test_the_path_is_drawn():
    poses = np.stack([pose((1 + 0.2 * i, 1.2, 1.5)) for i in range(10)])
    without = top_view(room(), 200, up=np.array([0, -1, 0]))
    with_path = top_view(room(), 200, up=np.array([0, -1, 0]), T_world_cam=poses)
    changed = (np.abs(without.astype(int) - with_path) > 20).any(-1)
    rows, columns = np.nonzero(changed)
    assert max(np.ptp(rows), np.ptp(columns)) == pytest.approx(1.8 / 4 / 1.05 * 200, abs=12)
    assert min(np.ptp(rows), np.ptp(columns)) < 12


@pytest.mark.parametrize("tilt", [0.0, 0.3, -0.25])
def test_up_is_found_though_cameras_look_down_and_the_world_is_tilted(tilt):
    R = rotation((1, 0.3, 0.2), tilt)
    mesh = room()
    turned = Mesh(mesh.vertices @ R.T, mesh.faces, mesh.normals @ R.T, mesh.colours, mesh.labels)
    T = np.eye(4)
    T[:3, :3] = R @ rotation((1, 0, 0), -0.4)
    np.testing.assert_allclose(upright(turned, np.stack([T, T])), R @ (0, -1, 0), atol=0.01)


def test_walls_lie_along_the_picture():
    R = rotation((0, 1, 0), 0.6)
    mesh = room()
    turned = Mesh(mesh.vertices @ R.T, mesh.faces, mesh.normals @ R.T, mesh.colours, mesh.labels)
    direction = along_walls(turned, np.array([0.0, -1, 0])) @ R
    assert np.abs(direction).max() == pytest.approx(1, abs=1e-3)
    view = straight_down(turned, np.ones(len(turned.faces), bool), np.array([0.0, -1, 0]), np.empty((0, 3)), 400)
    pixels, _ = view.project(turned.vertices)
    assert pixels.min() > 0 and pixels[:, 0].max() < 399 and pixels[:, 1].max() < view.height - 1
    assert np.ptp(pixels[:, 0]) / np.ptp(pixels[:, 1]) == pytest.approx(4 / 3, rel=0.02)


def test_the_whole_map_is_in_the_picture():
    mesh, path = room(), np.array([[2.0, 1.0, 5.0]])
    view = looking_into(mesh, np.array([0.0, -1, 0]), path, (400, 300))
    pixels, depth = view.project(np.concatenate([mesh.vertices, path]))
    assert (depth > 0).all()
    assert pixels.min() > 0 and pixels[:, 0].max() < 399 and pixels[:, 1].max() < 299


def test_projecting_undoes_the_rays():
    for view in (
        View.pinhole(Camera.pinhole(7, 5, 6, 7, 3.2, 1.9), pose((1, 2, 3), (1, 1, 0), 0.5)),
        View(7, 5, (6.0, 6.0), (3.0, 2.0), pose((1, 2, 3), (1, 1, 0), 0.5), parallel=True),
    ):
        origins, directions = view.rays()
        pixels, depth = view.project(origins + 2.5 * directions)
        v, u = np.mgrid[:5, :7].reshape(2, -1)
        np.testing.assert_allclose(pixels, np.stack([u, v], -1), atol=1e-9)
        np.testing.assert_allclose(depth, 2.5)


def test_rays_name_faces_of_the_whole_mesh_when_some_are_left_out():
    mesh = soup(quad((-5, -5, 1), (0, 10, 0), (10, 0, 0)), quad((-5, -5, 2), (0, 10, 0), (10, 0, 0)))
    ray = np.array([[0.1, 0.2, 0.0]]), np.array([[0.0, 0, 1]])
    assert MeshRays(mesh).cast(*ray).distance[0] == 1
    behind = MeshRays(mesh, np.array([False, False, True, True])).cast(*ray)
    assert behind.distance[0] == 2 and behind.face[0] in (2, 3)
    assert MeshRays(mesh).blocked(*ray, far=1.5)[0] and not MeshRays(mesh).blocked(*ray, far=0.5)[0]
    nothing = MeshRays(mesh, np.zeros(4, bool)).cast(*ray)
    assert nothing.face[0] == -1 and np.isinf(nothing.distance[0])


def test_corners_are_darker_than_open_floor():
    def corner(p):
        return np.minimum(p[..., 0] + 0.51, p[..., 1] + 0.51)

    mesh = extract_mesh(filled_blocks(corner, (-2, -2, -2), (2, 2, 2), 0.05, 0.2), 0.05)
    free = openness(mesh, 0.3)
    in_corner = (mesh.vertices[:, :2] < -0.45).all(1) & (np.abs(mesh.vertices[:, 2]) < 0.4)
    in_the_open = (mesh.vertices[:, 0] > 0) & (mesh.vertices[:, 0] < 0.5) & (np.abs(mesh.vertices[:, 2]) < 0.4)
    assert free[in_corner].mean() < 0.65
    assert free[in_the_open].mean() > 0.98


def test_a_picture_file_holds_both_views_and_repeats(tmp_path):
    poses = np.stack([pose((1 + 0.2 * i, 1.2, 1.5)) for i in range(10)])
    poses[3] = np.nan
    for name in ("a.png", "b.png"):
        map_picture(room(), poses, tmp_path / name, height=120)
    image = cv2.imread(str(tmp_path / "a.png"))
    assert image.shape == (120, 160 + 156, 3)
    assert (image[:, :156] != 244).any() and (image[:, 156:] != 244).any()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_map_without_poses_is_drawn_too(tmp_path):
    map_picture(room(), np.full((2, 4, 4), np.nan), tmp_path / "a.png", height=60)
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_what_cannot_be_drawn_or_written_is_said(tmp_path, monkeypatch):
    empty = extract_mesh(filled_blocks(sphere(0.7), (9, 9, 9), (10, 10, 10), 0.05, 0.2), 0.05)
    with pytest.raises(MapError, match="no surface"):
        map_picture(empty, np.eye(4)[None], tmp_path / "a.png")
    with pytest.raises(MapError, match="cannot be written"):
        map_picture(room(), np.eye(4)[None], tmp_path / "no" / "a.png", height=60)
    real_import = builtins.__import__

    def without_open3d(name, *rest, **more):
        if name == "open3d":
            raise ImportError("libusb-1.0.so.0: cannot open shared object file")
        return real_import(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_open3d)
    with pytest.raises(MapError, match=r"libusb-1\.0-0 libegl1 libgl1 libx11-6"):
        map_picture(room(), np.eye(4)[None], tmp_path / "a.png", height=60)
