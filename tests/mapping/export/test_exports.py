"""Every format, read back by someone else's reader where there is one."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import cv2
import numpy as np
import open3d as o3d
import pycolmap
import pytest
from scipy.spatial.transform import Rotation

from mapping.export import export_map
from mapping.export.surface import label_palette
from mapping.records import Submap
from mapping.store import MapReader, MapWriter, StoreSettings, open_map
from mapping.surface.mesh import Mesh
from streammtl.errors import ConfigError, MapError, StoreError
from tests.mapping.store.tiny_maps import LABELS, blocks, commit_number, frame, header, keyframe, pose

FAST = StoreSettings(durable=False)


def tetrahedron() -> Mesh:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], dtype=np.float32)
    normals = np.array([[-1, -1, -1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)
    return Mesh(
        vertices=vertices,
        faces=np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], dtype=np.int32),
        normals=normals / np.linalg.norm(normals, axis=1, keepdims=True),
        colours=np.array([[0, 10, 255], [1, 2, 3], [100, 128, 200], [255, 255, 255]], dtype=np.uint8),
        labels=np.array([0, 1, 2, 2], dtype=np.uint8),
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("template") / "map.zarr"
    with MapWriter.create(path, header(), FAST) as writer:
        for n in range(1, 11):
            writer.commit(**commit_number(n))
        writer.commit(anchors={1: pose(1.0, 2.0, 3.0, yaw=0.5)})
        writer.write_surface([tetrahedron()])
    return path


@pytest.fixture
def reader(tmp_path, template) -> MapReader:
    """Ten frames of which eight are keyframes, three submaps, one of them turned, and a stored surface."""
    return open_map(shutil.copytree(template, tmp_path / "map.zarr"))


def true_pose(i: int) -> np.ndarray:
    anchor = {0: pose(0), 1: pose(1.0, 2.0, 3.0, yaw=0.5), 2: pose(0.32)}[i // 4]
    return anchor @ frame(i).T_submap_cam


KEYFRAMES = [0, 1, 2, 4, 5, 6, 7, 9]


def test_a_mesh_as_ply_is_read_by_open3d(reader, tmp_path):
    export_map(reader, tmp_path / "m.ply")
    mesh, back = tetrahedron(), o3d.t.io.read_triangle_mesh(str(tmp_path / "m.ply"))
    np.testing.assert_array_equal(back.vertex.positions.numpy(), mesh.vertices)
    np.testing.assert_array_equal(back.vertex.normals.numpy(), mesh.normals)
    np.testing.assert_array_equal(np.rint(back.vertex.colors.numpy() * 255), mesh.colours)
    np.testing.assert_array_equal(back.triangle.indices.numpy(), mesh.faces)
    points = o3d.t.io.read_point_cloud(str(tmp_path / "m.ply")).point  # which reads properties of any name
    np.testing.assert_array_equal(points["label"].numpy().ravel(), mesh.labels)


def test_a_point_cloud_as_ply_is_read_by_open3d(reader, tmp_path):
    export_map(reader, tmp_path / "m.ply", points=True)
    back = o3d.t.io.read_point_cloud(str(tmp_path / "m.ply"))
    np.testing.assert_array_equal(back.point.positions.numpy(), tetrahedron().vertices)
    np.testing.assert_array_equal(back.point.colors.numpy(), tetrahedron().colours)
    assert b"element face" not in (tmp_path / "m.ply").read_bytes()


def test_class_colours_are_those_of_the_palette(reader, tmp_path):
    export_map(reader, tmp_path / "m.ply", colour="class")
    back = o3d.t.io.read_triangle_mesh(str(tmp_path / "m.ply"))
    expected = np.array(LABELS.palette)[tetrahedron().labels]
    np.testing.assert_array_equal(np.rint(back.vertex.colors.numpy() * 255), expected)
    assert label_palette(LABELS)[77].tolist() == [128, 128, 128]


def glb_parts(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    assert struct.unpack("<III", data[:12]) == (0x46546C67, 2, len(data))
    length, kind = struct.unpack("<II", data[12:20])
    assert kind == 0x4E4F534A and length % 4 == 0
    binary_length, binary_kind = struct.unpack("<II", data[20 + length : 28 + length])
    assert binary_kind == 0x004E4942 and 28 + length + binary_length == len(data)
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def glb_accessor(document: dict, binary: bytes, index: int) -> np.ndarray:
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    dtype = {5126: "<f4", 5123: "<u2", 5125: "<u4"}[accessor["componentType"]]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
    part = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    return np.frombuffer(part, dtype).reshape(accessor["count"], width)


def test_a_glb_holds_the_mesh_y_up_with_linear_colours(reader, tmp_path):
    export_map(reader, tmp_path / "m.glb")
    mesh, (document, binary) = tetrahedron(), glb_parts(tmp_path / "m.glb")
    primitive = document["meshes"][0]["primitives"][0]
    position, normal, colour, label = (
        glb_accessor(document, binary, primitive["attributes"][name])
        for name in ("POSITION", "NORMAL", "COLOR_0", "_LABEL")
    )
    np.testing.assert_array_equal(position, mesh.vertices * [1, -1, -1])
    np.testing.assert_allclose(normal, mesh.normals * [1, -1, -1])
    np.testing.assert_array_equal(glb_accessor(document, binary, primitive["indices"]).reshape(-1, 3), mesh.faces)
    linear = colour[:, :3] / 65535
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_array_equal(np.rint(srgb * 255), mesh.colours)
    assert (colour[:, 3] == 65535).all() and label.ravel().tolist() == [0, 1, 2, 2]
    accessor = document["accessors"][primitive["attributes"]["POSITION"]]
    assert accessor["min"] == position.min(axis=0).tolist() and accessor["max"] == position.max(axis=0).tolist()


def test_a_glb_is_read_by_open3d(reader, tmp_path):
    export_map(reader, tmp_path / "m.glb")
    back = o3d.io.read_triangle_mesh(str(tmp_path / "m.glb"))
    triangles = np.asarray(back.vertices)[np.asarray(back.triangles)]
    np.testing.assert_allclose(triangles, (tetrahedron().vertices * [1, -1, -1])[tetrahedron().faces])


def test_a_trajectory_as_tum_holds_every_posed_frame(reader, tmp_path):
    export_map(reader, tmp_path / "all.tum")
    export_map(reader, tmp_path / "key.tum", keyframes_only=True)
    rows = np.loadtxt(tmp_path / "all.tum")
    assert np.loadtxt(tmp_path / "key.tum").shape == rows.shape == (8, 8)  # lost frames have no pose
    for row, i in zip(rows, KEYFRAMES, strict=True):
        np.testing.assert_allclose(row[0], i / 30, atol=1e-6)
        np.testing.assert_allclose(row[1:4], true_pose(i)[:3, 3], atol=1e-8)
        np.testing.assert_allclose(Rotation.from_quat(row[4:]).as_matrix(), true_pose(i)[:3, :3], atol=1e-8)


def test_a_trajectory_can_be_thinned_to_keyframes_and_says_where_it_breaks(tmp_path):
    frames = [frame(i, keyframe=i == 1) for i in range(3)]
    later = [frame(i, keyframe=False) for i in (4, 5)]
    with MapWriter.create(tmp_path / "m.zarr", header(), FAST) as writer:
        writer.commit(submaps=[Submap(0, 0, pose(0), blocks(0, 0), frames), Submap(1, 1, pose(9), blocks(0, 0), later)])
    export_map(open_map(tmp_path / "m.zarr"), tmp_path / "key.tum", keyframes_only=True)
    export_map(open_map(tmp_path / "m.zarr"), tmp_path / "all.tum")
    assert np.loadtxt(tmp_path / "key.tum", ndmin=2)[:, 0].tolist() == pytest.approx([1 / 30], abs=1e-6)
    lines = (tmp_path / "all.tum").read_text().splitlines()
    assert [line.startswith("#") for line in lines] == [True, False, False, False, True, False, False]
    assert "component 1" in lines[4] and np.loadtxt(tmp_path / "all.tum").shape == (5, 8)


@pytest.mark.parametrize("name", ["model/", "my_colmap"])
def test_a_colmap_model_is_read_by_colmap(reader, tmp_path, name):
    export_map(reader, f"{tmp_path}/{name}")
    model = pycolmap.Reconstruction(tmp_path / name)
    images = {image.name: image for image in model.images.values()}
    assert sorted(images) == [f"{i:06d}.jpg" for i in KEYFRAMES] and len(model.cameras) == 1
    np.testing.assert_allclose([model.points3D[i + 1].xyz for i in range(4)], tetrahedron().vertices, atol=1e-5)
    np.testing.assert_array_equal([model.points3D[i + 1].color for i in range(4)], tetrahedron().colours)
    point = np.array([0.3, 0.1, 4.0])
    for i in KEYFRAMES:
        image, camera, T = images[f"{i:06d}.jpg"], keyframe(i).camera, true_pose(i)
        np.testing.assert_allclose(image.cam_from_world().inverse().matrix(), T[:3], atol=1e-9)
        x, y, z = np.linalg.inv(T)[:3] @ [*(T[:3] @ [*point, 1]), 1]
        corner_origin = image.project_point(T[:3] @ [*point, 1])
        np.testing.assert_allclose(corner_origin - 0.5, [camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy])
        jpeg = cv2.imread(str(tmp_path / name / "images" / f"{i:06d}.jpg"))
        assert jpeg.shape == (24, 32, 3) and abs(int(jpeg[0, 0, 0]) - 40 * i % 256) <= 2


def test_transforms_json_gives_the_poses_back(reader, tmp_path):
    export_map(reader, tmp_path / "nerf" / "transforms.json")
    document = json.loads((tmp_path / "nerf" / "transforms.json").read_text())
    applied = np.vstack([document["applied_transform"], [0, 0, 0, 1]])
    for entry, i in zip(document["frames"], KEYFRAMES, strict=True):
        T_world_cam = np.linalg.inv(applied) @ entry["transform_matrix"] @ np.diag([1, -1, -1, 1])
        np.testing.assert_allclose(T_world_cam, true_pose(i), atol=1e-12)
        assert (tmp_path / "nerf" / entry["file_path"]).is_file()
    camera = keyframe(0).camera
    assert (document["fl_x"], document["cx"], document["cy"], document["w"]) == (
        camera.fx,
        camera.cx + 0.5,
        camera.cy + 0.5,
        32,
    )
    cloud = o3d.t.io.read_point_cloud(str(tmp_path / "nerf" / document["ply_file_path"])).point.positions.numpy()
    np.testing.assert_allclose(cloud, tetrahedron().vertices @ applied[:3, :3].T, atol=1e-6)


def test_an_upright_camera_looks_level_and_up_is_z_in_transforms_json(reader, tmp_path):
    export_map(reader, tmp_path / "transforms.json")
    matrix = np.array(json.loads((tmp_path / "transforms.json").read_text())["frames"][0]["transform_matrix"])
    np.testing.assert_allclose(matrix[:3, 1], [0, 0, 1], atol=1e-12)  # the camera's up
    np.testing.assert_allclose(-matrix[:3, 2], [0, 1, 0], atol=1e-12)  # where it looks


def test_pictures_show_the_surface_and_the_path(reader, tmp_path):
    export_map(reader, tmp_path / "m.png")
    picture = cv2.imread(str(tmp_path / "m.png")).astype(int)
    red = (picture[..., 2] - np.maximum(picture[..., 0], picture[..., 1]) > 80).sum()
    assert red > 20 and (picture.min(axis=-1) < 200).mean() > 0.05


def test_other_names_are_refused_with_the_list_of_formats(reader, tmp_path):
    for name in ("map.stl", "map", "map.json"):
        with pytest.raises(ConfigError, match=r"known format.*\.ply.*\.glb.*\.tum.*transforms\.json.*COLMAP"):
            export_map(reader, tmp_path / name)
    with pytest.raises(ConfigError, match="use 'rgb' or 'class'"):
        export_map(reader, tmp_path / "m.ply", colour="depth")
    with pytest.raises(ConfigError, match="inside the map"):
        export_map(reader, reader.path / "surface.ply")


def test_an_export_replaces_the_old_file_only_when_it_is_whole(reader, tmp_path):
    (tmp_path / "m.ply").write_text("old")
    (reader.path / reader.header.surface / "vertices" / "c" / "0" / "0").unlink()
    with pytest.raises(StoreError, match="damaged"):
        export_map(open_map(reader.path), tmp_path / "m.ply")
    assert (tmp_path / "m.ply").read_text() == "old"
    export_map(reader, tmp_path / "m.tum")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be written"):
        export_map(reader, tmp_path / "file" / "m.tum")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "m.ply", "m.tum", "map.zarr"]


def test_a_map_without_labels_cannot_be_coloured_by_them(tmp_path):
    with MapWriter.create(tmp_path / "m.zarr", header(label_space=None), FAST) as writer:
        writer.write_surface([tetrahedron()])
    with pytest.raises(ConfigError, match="holds no labels"):
        export_map(open_map(tmp_path / "m.zarr"), tmp_path / "m.ply", colour="class")


def test_an_empty_map_exports_empty_files(tmp_path):
    empty = Mesh(
        np.zeros((0, 3), np.float32),
        np.zeros((0, 3), np.int32),
        np.zeros((0, 3), np.float32),
        np.zeros((0, 3), np.uint8),
        np.zeros(0, np.uint8),
    )
    with MapWriter.create(tmp_path / "m.zarr", header(), FAST) as writer:
        writer.write_surface([empty])
    reader = open_map(tmp_path / "m.zarr")
    for name in ("m.ply", "m.glb", "m.tum", "model/", "transforms.json"):
        export_map(reader, f"{tmp_path}/{name}")
    assert b"element vertex 0" in (tmp_path / "m.ply").read_bytes()
    assert json.loads((tmp_path / "m.glb").read_bytes()[20:])["asset"]["version"] == "2.0"
    assert pycolmap.Reconstruction(tmp_path / "model").num_images() == 0
    assert json.loads((tmp_path / "transforms.json").read_text())["frames"] == []
    with pytest.raises(MapError, match="no surface to draw"):
        export_map(reader, tmp_path / "m.png")
