"""What goes wrong at the door is said in one paragraph, and nothing that exists is touched."""

import gc
import json
import os
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from tests.end_to_end.conftest import ROOM, run_process


def complaint(answer):
    """The one paragraph on standard error, without warnings before it."""
    assert answer.code == 1, answer.out
    lines = [line for line in answer.err.splitlines() if line.startswith("streammtl: ")]
    assert len(lines) == 1, answer.err
    assert "Traceback" not in answer.err
    return lines[0]


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def small_images(tmp_path):
    """30 frames of the bundled clip as images."""
    import av

    folder = tmp_path / "images"
    folder.mkdir()
    with av.open(str(ROOM / "video.mp4")) as video:
        for index, frame in enumerate(video.decode(video=0)):
            if index == 30:
                break
            cv2.imwrite(str(folder / f"{index:03d}.jpg"), frame.to_ndarray(format="bgr24"))
    return folder


def test_a_missing_file_is_named(streammtl, tmp_path):
    assert "nowhere.mp4" in complaint(streammtl("map", tmp_path / "nowhere.mp4", "--out", tmp_path / "m.zarr"))
    assert not (tmp_path / "m.zarr").exists()


@pytest.mark.parametrize("content", [b"", b"These are words, not a film.\n" * 50])
def test_an_empty_or_text_file_named_mp4_is_refused(streammtl, tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    assert "a.mp4" in complaint(streammtl("map", tmp_path / "a.mp4", "--out", tmp_path / "m.zarr"))
    assert not (tmp_path / "m.zarr").exists()


def test_an_mp4_cut_before_its_index_is_refused(streammtl, tmp_path):
    whole = (ROOM / "video.mp4").read_bytes()
    moov = whole.rfind(b"moov")
    cut = whole[: moov - 4] if moov > len(whole) // 2 else whole[:2000]
    (tmp_path / "cut.mp4").write_bytes(cut)
    assert "cut.mp4" in complaint(streammtl("map", tmp_path / "cut.mp4", "--out", tmp_path / "m.zarr"))


def test_a_corrupt_and_a_differently_sized_image_are_skipped_and_counted(streammtl, tmp_path, small_images):
    (small_images / "010.jpg").write_bytes(b"\xff\xd8 broken")
    cv2.imwrite(str(small_images / "020.jpg"), np.zeros((100, 120, 3), np.uint8))
    answer = streammtl(
        "map", small_images, "--intrinsics", ROOM / "intrinsics.json", "--out", tmp_path / "m.zarr", "--local", "--json"
    )
    assert answer.code == 0, answer.err
    assert answer.data["frames_by_status"]["skipped"] == 2
    assert sum(answer.data["frames_by_status"].values()) == 30


def test_a_calibration_of_another_size_is_refused(streammtl, tmp_path, small_images):
    wrong = json.loads((ROOM / "intrinsics.json").read_text()) | {"width": 320, "height": 240}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    words = complaint(
        streammtl("map", small_images, "--intrinsics", tmp_path / "wrong.json", "--out", tmp_path / "m.zarr")
    )
    assert "320x240" in words and "640x480" in words


@pytest.mark.parametrize(
    ("setting", "words"),
    [("fusion.voxel_size_m=-0.02", "voxel_size_m"), ("fusion.voxelsize=0.02", "Did you mean fusion.voxel_size_m")],
)
def test_wrong_settings_stop_at_once(streammtl, tmp_path, small_images, setting, words):
    assert words in complaint(streammtl("map", small_images, "--out", tmp_path / "m.zarr", "--set", setting))
    assert not (tmp_path / "m.zarr").exists()


def test_an_untrained_network_is_refused_unless_asked_for(streammtl, tmp_path, small_images):
    words = complaint(
        streammtl(
            "map",
            small_images,
            "--intrinsics",
            ROOM / "intrinsics.json",
            "--out",
            tmp_path / "m.zarr",
            "--local",
            "--set",
            "model=cvm",
        )
    )
    assert "allow_untrained" in words


def test_given_poses_that_are_not_there_are_missed(streammtl, tmp_path, small_images):
    words = complaint(streammtl("map", small_images, "--out", tmp_path / "m.zarr", "--set", "tracker=given"))
    assert "--poses" in words


@pytest.fixture(scope="module")
def finished_map(tmp_path_factory):
    out = tmp_path_factory.mktemp("done") / "done.zarr"
    done = run_process(
        "map", ROOM, "--out", out, "--local", "--set", "tracker=given", "--max-frames", 40, "--depth", "predicted"
    )
    assert done.returncode == 0, done.stderr
    return out


def test_an_existing_output_is_left_alone(streammtl, finished_map):
    before = contents(finished_map)
    assert "exists already" in complaint(streammtl("map", ROOM, "--out", finished_map))
    assert contents(finished_map) == before


def test_resuming_a_complete_map_says_so_and_changes_no_data(streammtl, finished_map):
    before = {k: v for k, v in contents(finished_map).items() if k.name != "writer.lock"}
    assert "complete" in complaint(streammtl("map", ROOM, "--out", finished_map, "--resume", "--local"))
    after = {k: v for k, v in contents(finished_map).items() if k.name != "writer.lock"}
    assert after == before


def test_an_output_that_cannot_be_made_is_named(streammtl, tmp_path):
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "m.zarr"
    words = complaint(streammtl("map", ROOM, "--out", out, "--local", "--set", "tracker=given"))
    assert str(out) in words


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting a small disk needs root")
def test_a_full_disk_stops_the_run_and_leaves_a_valid_map(streammtl, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this machine does not let tests mount a tmpfs")
    try:
        words = complaint(
            streammtl(
                "map", ROOM, "--out", disk / "m.zarr", "--local", "--set", "tracker=given", "--depth", "predicted",
                "--set", "run.commit_frames=20",
            )
        )  # fmt: skip
        assert "disk" in words and "full" in words
        assert streammtl("info", disk / "m.zarr", "--json").data["problems"] == []
    finally:
        gc.collect()  # the run was in this process: what failed holds its voxels' files until it is collected
        subprocess.run(["umount", disk], check=True)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting a disk needs root")
def test_a_read_only_output_is_refused_before_anything_is_mapped(streammtl, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=3m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this machine does not let tests mount a tmpfs")
    try:
        words = complaint(streammtl("map", ROOM, "--out", disk / "m.zarr", "--local", "--set", "tracker=given"))
        assert str(disk) in words
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("verb", ["info", "export", "evaluate"])
def test_a_path_that_is_no_map_is_refused_by_every_reader(streammtl, tmp_path, verb):
    more = {"info": [], "export": ["--to", tmp_path / "x.ply"], "evaluate": ["--truth", ROOM]}[verb]
    assert "map" in complaint(streammtl(verb, tmp_path / "nothing.zarr", *more))


def test_an_unknown_export_format_lists_the_known_ones(streammtl, finished_map, tmp_path):
    words = complaint(streammtl("export", finished_map, "--to", tmp_path / "map.xyz"))
    assert ".ply" in words and ".tum" in words
