"""Labels of a map against those of a true surface: shares that can be worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mapping.evaluation.evaluate import evaluate_map
from mapping.evaluation.semantics import LabelCounts, count_labels, truth_ids
from mapping.evaluation.semantics_truth import labelled_points, seen_points, vertex_labels
from mapping.evaluation.surface import Triangles
from mapping.export.ply import write_ply
from mapping.records import FrameRecord, Submap
from mapping.slam.tracked import TrackStatus
from mapping.store import LabelSpaceRecord, MapWriter, ScaleRecord, open_map
from mapping.surface.mesh import Mesh
from pipelines.evaluate_command import as_text
from pipelines.prepare import _label_record
from pipelines.rooms.render_recording import write_mesh
from streammtl.camera import Camera
from streammtl.errors import RecordingError
from streammtl.labels import label_space
from streammtl.views import ScaleStatus
from tests.mapping.evaluation.test_evaluate_map import FAST, FEW, RIGID, room_mesh, truth_folder, walk
from tests.mapping.store.tiny_maps import blocks, header

NYU = label_space("nyu40")
WALL, FLOOR, CHAIR = (NYU.id_of(name) for name in ("wall", "floor", "chair"))
SIZE = max(NYU.ids) + 1
GRID = np.stack([*np.meshgrid(np.arange(40.0), np.arange(10.0)), np.zeros((10, 40))], -1).reshape(-1, 3) * 0.01
LEFT = GRID[:, 0] < 0.195  # half of the points
TRUE = np.where(LEFT, WALL, FLOOR)


def counted(vertices, vertex_labels, labels=TRUE, reach_m=0.05):
    return count_labels(GRID, labels, vertices, vertex_labels, reach_m, SIZE)


def test_a_plane_shifted_within_reach_is_right_and_beyond_it_is_unmatched():
    near = counted(GRID + np.array([0, 0, 0.03]), TRUE)
    assert (near.coverage, near.miou(True), near.miou(False), near.accuracy(False)) == (1, 1, 1, 1)
    far = counted(GRID + np.array([0, 0, 0.06]), TRUE)
    assert (far.coverage, far.miou(True), far.miou(False), far.accuracy(False)) == (0, 0, 0, 0)


def test_swapped_labels_are_all_wrong_and_one_label_for_all_is_half_right():
    swapped = counted(GRID, np.where(LEFT, FLOOR, WALL))
    assert (swapped.coverage, swapped.miou(True), swapped.accuracy(True)) == (1, 0, 0)
    one = counted(GRID, np.full(len(GRID), WALL))
    assert (one.accuracy(True), one.miou(True)) == (0.5, 0.25)  # wall 0.5, floor 0


def test_points_without_a_match_are_left_out_of_one_figure_and_missed_in_the_other():
    quarter = GRID[:, 0] < 0.095
    half_of_wall = counted(GRID[quarter], TRUE[quarter], reach_m=0.001)
    assert half_of_wall.coverage == 0.25
    assert (half_of_wall.miou(True), half_of_wall.accuracy(True)) == (1, 1)  # wall is the one class that is matched
    assert half_of_wall.iou(False)[WALL] == 0.5
    assert (half_of_wall.miou(False), half_of_wall.accuracy(False)) == (0.25, 0.25)


def test_a_class_that_only_the_map_has_costs_the_true_class_and_is_not_averaged():
    found = counted(GRID, np.where(LEFT, CHAIR, FLOOR))
    assert found.miou(True) == 0.5 and found.iou(True)[FLOOR] == 1 and found.iou(True)[CHAIR] == 0


def test_points_and_vertices_without_a_label_do_not_count():
    true = np.where(LEFT, 0, FLOOR)
    assert counted(GRID, np.full(len(GRID), FLOOR), true).miou(False) == 1
    assert counted(GRID, np.full(len(GRID), FLOOR), true).true.sum() == (~LEFT).sum()
    given = np.concatenate([np.zeros(len(GRID), int), TRUE])  # unlabelled vertices in front of labelled ones
    found = counted(np.concatenate([GRID, GRID + np.array([0, 0, 0.01])]), given)
    assert (found.coverage, found.miou(False)) == (1, 1)
    assert counted(GRID, np.zeros(len(GRID), int)).coverage == 0
    assert counted(np.zeros((0, 3)), np.zeros(0, int)).accuracy(True) == 0


def test_a_class_unknown_to_the_truth_is_a_wrong_answer():
    found = counted(GRID, np.where(LEFT, -1, FLOOR))
    assert (found.coverage, found.accuracy(True), found.miou(True)) == (1, 0.5, 0.5)


def test_counts_of_several_maps_pool_and_go_through_json():
    first = counted(GRID, np.full(len(GRID), WALL))
    second = counted(GRID[LEFT], np.full(LEFT.sum(), FLOOR), reach_m=0.001)
    both = first + second
    assert both.accuracy(False) == 0.25 and both.iou(False)[WALL] == pytest.approx(200 / 600)
    again = LabelCounts.from_dict(json.loads(json.dumps(both.as_dict(NYU))), NYU)
    assert all(np.array_equal(getattr(again, name), getattr(both, name)) for name in vars(both))
    assert both.as_dict(NYU)["classes"].keys() == {"wall", "floor"}


def test_labels_of_a_map_become_the_truths_by_its_mapping_or_by_name():
    assert np.array_equal(truth_ids(_label_record("nyu40"), NYU), np.arange(SIZE))
    scannet = label_space("scannet20")
    table = truth_ids(_label_record("scannet20"), NYU)
    assert NYU.name_of(table[scannet.id_of("chair")]) == "chair"
    own = LabelSpaceRecord(
        name="own", ids=(0, 3, 7, 9), names=("void", "Floor", "dragon", "wall"), palette=((0, 0, 0),) * 4
    )
    assert truth_ids(own, NYU)[[0, 3, 7, 9]].tolist() == [0, FLOOR, -1, WALL]


def test_labels_come_out_of_our_own_mesh_files_and_others_have_none(tmp_path):
    mesh = replace(room_mesh(), labels=np.arange(8, dtype=np.uint8))
    write_ply(tmp_path / "map.ply", mesh)
    assert vertex_labels(tmp_path / "map.ply").tolist() == list(range(8))
    triangles = mesh.vertices[mesh.faces]
    write_mesh(tmp_path / "room.ply", SimpleNamespace(corners=triangles, label=np.arange(12) // 2 + 1))
    assert np.bincount(vertex_labels(tmp_path / "room.ply"))[1:].tolist() == [4] * 6
    plain = (tmp_path / "map.ply").read_bytes().replace(b"uchar label", b"uchar other")
    (tmp_path / "plain.ply").write_bytes(plain)
    (tmp_path / "text.ply").write_text("ply\nformat ascii 1.0\nelement vertex 0\nproperty uchar label\nend_header\n")
    assert vertex_labels(tmp_path / "plain.ply") is None and vertex_labels(tmp_path / "text.ply") is None
    (tmp_path / "short.ply").write_bytes((tmp_path / "map.ply").read_bytes()[:400])
    with pytest.raises(RecordingError, match="damaged"):
        vertex_labels(tmp_path / "short.ply")


def test_what_hangs_a_centimetre_before_a_wall_hides_it_and_gives_its_label():
    """A 2 x 2 m wall 2 m away, and a picture of 1 x 1 m before its middle: seen from the front."""
    square = np.array([[-1, -1, 2], [1, -1, 2], [1, 1, 2], [-1, 1, 2]], float)
    picture = square * [0.5, 0.5, 1] - [0, 0, 0.01]
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    surface = Triangles(np.concatenate([square, picture]), np.concatenate([faces, faces + 4]))
    camera = Camera.pinhole(100, 100, 90.0, 90.0, 49.5, 49.5)
    poses = np.eye(4)[None]
    asked = np.array([[0, 0, 2], [0, 0, 1.99], [0.9, 0, 2], [0, 0, 1.5], [1.5, 0, 2], [0, 0, -1]], float)
    assert seen_points(asked, surface, poses, camera).tolist() == [False, True, True, True, False, False]
    points, ids = labelled_points(surface, np.repeat([WALL, CHAIR], 4), poses, camera, FEW)
    assert set(ids) == {WALL, CHAIR}
    assert np.array_equal(ids == CHAIR, points[:, 2] < 1.995)
    assert (np.abs(points[ids == WALL, :2]).max(axis=1) > 0.49).all()
    assert (ids == CHAIR).mean() == pytest.approx(0.25, abs=0.02)  # 1 of 1 + 3 square metres


def dense_room(labels_of):
    """The room's walls: vertices every 3 cm, with a label for each side of the box, beside corners without one."""
    corners, faces = room_mesh().vertices, room_mesh().faces
    a, b, c = corners[faces].transpose(1, 0, 2)
    steps = (np.arange(120) + 0.5) / 120
    u, v = (axis.reshape(-1, 1, 1) for axis in np.meshgrid(steps, steps))
    keep = (u + v <= 1.0001)[:, 0, 0]
    dense = a + u[keep] * (b - a) + v[keep] * (c - a)
    labels = np.broadcast_to(labels_of(np.arange(12) // 2), dense.shape[:2])
    vertices = RIGID.points(np.concatenate([corners, dense.reshape(-1, 3)])).astype(np.float32)
    return Mesh(
        vertices,
        faces,
        np.zeros_like(vertices),
        np.zeros(vertices.shape, np.uint8),
        np.concatenate([np.zeros(len(corners)), labels.reshape(-1)]).astype(np.uint8),
    )


def labelled_map(path, mesh, space):
    frames = [
        FrameRecord(i, i / 15, T, TrackStatus.TRACKED, ScaleStatus.METRIC, i % 10 == 0)
        for i, T in enumerate(RIGID.poses(walk()))
    ]
    metric = header(len(frames), scale=ScaleRecord(status=ScaleStatus.METRIC), label_space=space, voxel_size_m=0.04)
    with MapWriter.create(path, metric, FAST) as writer:
        writer.commit(submaps=[Submap(0, 0, np.eye(4), blocks(0, 0), frames, True)], header=metric)
        writer.write_surface([mesh])
    return open_map(path)


def test_a_whole_map_is_judged_in_the_world_of_the_truth(tmp_path):
    """Faces of the box are wall, wall, floor, floor, chair, chair; the map says wall for the chairs."""
    folder = truth_folder(tmp_path / "truth")
    sides = np.repeat([WALL, FLOOR, CHAIR], 4)
    write_mesh(folder / "mesh.ply", SimpleNamespace(corners=room_mesh().vertices[room_mesh().faces], label=sides))
    mesh = dense_room(lambda side: np.array([WALL, WALL, FLOOR, FLOOR, WALL, WALL])[side])
    result = evaluate_map(labelled_map(tmp_path / "m.zarr", mesh, _label_record("nyu40")), folder, FEW)
    assert result["semantics"]["reach_m"] == 0.08  # two voxels
    found = result["semantics"]["trajectory_aligned"]
    assert found["coverage"] == 1.0
    classes = found["classes"]
    assert classes["floor"]["iou_all"] > 0.9 and classes["chair"]["correct"] < 0.05 * classes["chair"]["true"]
    walls, chairs = classes["wall"]["true"], classes["chair"]["true"]
    assert classes["wall"]["iou_all"] == pytest.approx(walls / (walls + chairs), abs=0.03)
    assert found["all"]["miou"] == pytest.approx(
        (classes["wall"]["iou_all"] + classes["floor"]["iou_all"]) / 3, abs=0.02
    )
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert "labels after ICP: 100.0% of the true points" in as_text(result)


def test_without_labels_on_either_side_there_are_no_figures_of_labels(tmp_path):
    folder = truth_folder(tmp_path / "truth")
    mesh = dense_room(lambda side: side + 1)
    reader = labelled_map(tmp_path / "m.zarr", mesh, None)
    assert evaluate_map(reader, folder, FEW)["semantics"] is None
    reader = labelled_map(tmp_path / "n.zarr", mesh, _label_record("nyu40"))
    result = evaluate_map(reader, folder, FEW)  # all labels of its mesh are 0
    assert result["semantics"] is None and "labels after" not in as_text(result)
    (folder / "mesh.ply").unlink()
    assert evaluate_map(reader, folder, FEW)["semantics"] is None
