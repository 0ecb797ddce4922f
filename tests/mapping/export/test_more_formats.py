"""OBJ, LAS, USD, KITTI and Rerun files, read back; meshes with fewer faces."""

from __future__ import annotations

import numpy as np
import open3d as o3d
import pytest

from mapping.export import export_map
from mapping.export.optional import optional
from mapping.surface.decimate import decimated
from mapping.surface.map_mesh import map_mesh
from mapping.surface.raycast import MeshRays
from streammtl.errors import ConfigError
from tests.mapping.two_rooms import LABELS, POSES

TURNED = np.diag([1, -1, -1])


@pytest.fixture(scope="module")
def mesh(two_rooms):
    return map_mesh(two_rooms)


def test_a_mesh_as_obj_is_read_by_open3d(two_rooms, mesh, tmp_path):
    back = o3d.io.read_triangle_mesh(str(export_map(two_rooms, tmp_path / "m.obj")))
    faces = np.asarray(back.triangles)  # of vertices in the order in which faces use them
    assert len(back.vertices) == len(mesh.vertices)
    np.testing.assert_allclose(np.asarray(back.vertices)[faces], (mesh.vertices @ TURNED)[mesh.faces], atol=1e-5)
    np.testing.assert_allclose(np.asarray(back.vertex_normals)[faces], (mesh.normals @ TURNED)[mesh.faces], atol=1e-3)
    np.testing.assert_allclose(np.asarray(back.vertex_colors)[faces] * 255, mesh.colours[mesh.faces], atol=0.02)


def test_a_labelled_cloud_as_las_is_read_by_laspy(two_rooms, mesh, tmp_path):
    laspy = pytest.importorskip("laspy")
    back = laspy.read(export_map(two_rooms, tmp_path / "m.las"))
    np.testing.assert_allclose(back.xyz, mesh.vertices, atol=6e-5)
    np.testing.assert_array_equal(back.label, mesh.labels)
    np.testing.assert_array_equal(back.classification, np.where(mesh.labels > 0, 64 + mesh.labels, 0))
    np.testing.assert_array_equal(np.asarray(back.red) // 257, mesh.colours[:, 0])


@pytest.mark.parametrize("ending", ["usd", "usda", "usdc"])
def test_a_mesh_as_usd_is_read_by_usd(two_rooms, mesh, tmp_path, ending):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.Open(str(export_map(two_rooms, tmp_path / f"m.{ending}")))
    shape = UsdGeom.Mesh(stage.GetDefaultPrim())
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and UsdGeom.GetStageMetersPerUnit(stage) == 1
    np.testing.assert_allclose(shape.GetPointsAttr().Get(), mesh.vertices @ TURNED, atol=1e-6)
    np.testing.assert_array_equal(np.reshape(shape.GetFaceVertexIndicesAttr().Get(), (-1, 3)), mesh.faces)
    label = UsdGeom.PrimvarsAPI(shape).GetPrimvar("label").Get()
    np.testing.assert_array_equal(label, mesh.labels)
    assert ((tmp_path / f"m.{ending}").read_bytes()[:5] == b"#usda") == (ending == "usda")
    assert [path.name for path in tmp_path.iterdir()] == [f"m.{ending}"]


def test_a_trajectory_as_kitti_holds_every_pose(two_rooms, tmp_path):
    rows = np.loadtxt(export_map(two_rooms, tmp_path / "path.kitti"))
    np.testing.assert_allclose(rows.reshape(-1, 3, 4), np.array(POSES)[:, :3], atol=1e-8)


def test_a_rerun_recording_holds_the_surface_the_cameras_and_the_objects(two_rooms, tmp_path):
    pytest.importorskip("rerun")
    path = export_map(two_rooms, tmp_path / "m.rrd")
    data = path.read_bytes()
    assert data[:4] == b"RRF2" and len(data) > 100_000
    for name in (b"world/surface", b"world/path", b"world/camera/image", b"world/objects"):
        assert name in data


def test_a_missing_package_is_named_with_the_remedy():
    with pytest.raises(ConfigError, match=r"needs the package no-such, .*pip install no-such.*streammtl\[exports\]"):
        optional("no_such_module", "no-such", "writing m.xyz")


def test_a_mesh_with_fewer_faces_is_nearly_the_same_surface(two_rooms, mesh, tmp_path):
    thin = decimated(mesh, len(mesh.faces) // 10)
    assert len(thin.faces) == pytest.approx(len(mesh.faces) / 10, rel=0.02)
    centres = thin.vertices[thin.faces].mean(1)
    distance = MeshRays(mesh)._scene.compute_distance(o3d.core.Tensor(centres)).numpy()
    assert np.median(distance) < 0.002 and np.percentile(distance, 98) < 0.03
    assert np.abs(np.linalg.norm(thin.normals, axis=1) - 1).max() < 1e-4
    flat = np.abs(thin.vertices[:, 1]) < 0.01  # y = 0 is the floor
    away = (np.abs(thin.vertices[:, [0]] - (0, 3.4, 3.6, 6)) > 0.2).all(1) & (thin.vertices[:, 2] > 0.3)
    assert (thin.labels[flat & away & (thin.vertices[:, 2] < 0.3 + 1e-9)] == 2).all()
    assert set(np.unique(thin.labels)) == set(np.unique(mesh.labels)) == set(LABELS.ids[1:])
    assert decimated(mesh, len(mesh.faces)) is mesh
    back = o3d.io.read_triangle_mesh(str(export_map(two_rooms, tmp_path / "m.ply", faces=5000, colour="class")))
    assert len(back.triangles) == pytest.approx(5000, abs=20)
    palette = {tuple(c) for c in LABELS.palette}
    assert {tuple(c) for c in np.rint(np.asarray(back.vertex_colors) * 255).astype(int)} <= palette
    with pytest.raises(ConfigError, match="at least 1"):
        decimated(mesh, 0)
