"""The bundled recording, from the file to a map that is right, by its own ground truth."""

import json

import numpy as np
import pytest
import zarr

from mapping.evaluation.evaluate import evaluate_map
from mapping.store.reader import open_map
from tests.end_to_end.conftest import ROOM, run_process


@pytest.fixture(scope="module")
def room_map(tmp_path_factory):
    out = tmp_path_factory.mktemp("clip") / "room.zarr"
    done = run_process(
        "map", ROOM / "video.mp4", "--intrinsics", ROOM / "intrinsics.json", "--out", out, "--local", "--json"
    )
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def test_every_frame_is_posed_or_nearly_so(room_map):
    _, report = room_map
    assert report["frames"] == 300
    assert report["frames_posed"] >= 0.95 * 300
    assert report["complete"] is True


@pytest.fixture(scope="module")
def judged(room_map):
    return evaluate_map(open_map(room_map[0]), ROOM, scaled=True)


def test_trajectory_and_surface_are_close_to_the_truth_but_for_the_scale(judged):
    assert judged["trajectory"]["sim3"]["position_m"]["rmse"] <= 0.01
    assert judged["trajectory"]["coverage"] >= 0.95
    assert judged["surface"]["trajectory_aligned"]["at_5cm"]["precision"] >= 0.6
    assert judged["surface"]["trajectory_aligned"]["at_5cm"]["f_score"] >= 0.55


def test_the_scale_is_metric_and_the_truth_lies_in_its_interval(room_map, judged):
    scale = room_map[1]["scale"]
    assert scale["status"] == "metric" and "m2h-lite" in scale["method"]
    low, high = (end / scale["value"] for end in scale["interval"])
    assert low < judged["trajectory"]["scale"] < high


def test_most_of_the_surface_has_a_label(room_map):
    surface = open_map(room_map[0]).surface()
    assert (surface.labels > 0).mean() > 0.9


def test_plain_zarr_reads_everything(room_map):
    out, report = room_map
    root = zarr.open_group(str(out), mode="r")
    attributes = root.attrs["streammtl"]
    assert attributes["schema"] == "streammtl-map-2"
    assert attributes["keyframes"] == report["keyframes"] > 10
    for entry in attributes["submaps"]:
        blocks = root[entry["group"]]
        count = blocks["block_index"].shape[0]
        assert count == entry["blocks"]
        assert blocks["tsdf"][:].shape == (count, 8, 8, 8)
        assert np.isfinite(blocks["tsdf"][:].astype(np.float32)).all()
    T = root[attributes["trajectory"]]["T_world_cam"][:]
    assert T.shape == (300, 4, 4)
    assert root[attributes["surface"]]["faces"].shape[0] > 1000


def test_the_printed_configuration_is_a_file_that_gives_the_same_settings(streammtl, tmp_path):
    printed = streammtl("config", "--set", "fusion.voxel_size_m=0.03")
    (tmp_path / "mine.yaml").write_text(printed.out)
    assert streammtl("config", "--config", tmp_path / "mine.yaml").out == printed.out


def test_info_finds_nothing_wrong(room_map, streammtl):
    answer = streammtl("info", room_map[0], "--json")
    assert answer.code == 0, answer.err
    assert answer.data["problems"] == []


@pytest.mark.parametrize("name", ["room.ply", "room.glb", "room.tum", "room.png", "colmap/", "ns/transforms.json"])
def test_every_export_is_written(room_map, streammtl, tmp_path, name):
    answer = streammtl("export", room_map[0], "--to", f"{tmp_path}/{name}")
    assert answer.code == 0, answer.err
    assert (tmp_path / name).exists()


def test_the_recording_folder_with_given_poses_gives_a_metric_map(tmp_path, streammtl):
    arguments = (
        "map",
        ROOM,
        "--out",
        tmp_path / "given.zarr",
        "--local",
        "--set",
        "tracker=given",
        "--max-frames",
        120,
        "--set",
        "model=planesweep",
    )
    answer = streammtl(*arguments, "--depth", "predicted", "--json")
    assert answer.code == 0, answer.err
    assert answer.data["scale"]["status"] == "metric"
    header = open_map(tmp_path / "given.zarr").header
    assert header.config["tracker"]["name"] == "given"
    result = streammtl("evaluate", tmp_path / "given.zarr", "--truth", ROOM, "--json").data
    assert result["trajectory"]["se3"]["position_m"]["rmse"] < 1e-4


def test_a_network_asked_for_untrained_brings_labels_and_a_measured_scale(tmp_path, streammtl):
    out = tmp_path / "net.zarr"
    settings = ("model=cvm-lite", "model.allow_untrained=true", "scale.max_interval=5", "run.commit_frames=40")
    settings += ("fusion.min_confidence=0", "fusion.far_m=20")  # it trusts itself little, and rightly
    words = [word for setting in settings for word in ("--set", setting)]
    calibration = ("--intrinsics", ROOM / "intrinsics.json")
    answer = streammtl(
        "map", ROOM / "video.mp4", *calibration, "--out", out, "--local", "--max-frames", 90, "--json", *words
    )
    assert answer.code == 0, answer.err
    assert answer.data["scale"]["status"] == "metric"
    low, high = answer.data["scale"]["interval"]
    assert low <= answer.data["scale"]["value"] <= high
    reader = open_map(out)
    assert reader.header.label_space.name == "nyu40"
    assert any(submap.blocks.label_ids.any() for submap in reader.submaps())
    answer = streammtl("export", out, "--to", tmp_path / "labels.ply", "--colour", "class")
    assert answer.code == 0, answer.err
