"""The commands on finished maps as they are typed: what they print, what they write, how they exit."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from mapping.store import MapWriter, StoreSettings, open_map
from pipelines.cli import app
from streammtl.errors import ConfigError, StoreError
from tests.mapping.store.tiny_maps import commit_number, header, pose


@pytest.fixture
def path(tmp_path):
    with MapWriter.create(tmp_path / "walk.zarr", header(), StoreSettings(durable=False)) as writer:
        for n in range(1, 4):
            writer.commit(**commit_number(n))
    return tmp_path / "walk.zarr"


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_verify_and_repair_say_what_is_damaged_and_what_is_good(path, tmp_path):
    sound = run("verify", path)
    assert sound.exit_code == 0 and "nothing is damaged" in sound.stdout
    (path / "submaps/000000.3/colour/c/0/0/0/0/0").unlink()
    damaged = run("verify", path)
    assert damaged.exit_code == 1
    assert "damaged: submaps/000000.3/colour/c/0/0/0/0/0 is gone" in damaged.stdout
    assert "good: 0 of 1 submaps, 3 of 3 keyframes" in damaged.stdout and "streammtl repair" in damaged.stdout
    found = json.loads(run("verify", path, "--json").stdout)
    assert found["problems"][0]["part"] == "voxels" and not found["sound"]
    repaired = run("repair", path)
    assert repaired.exit_code == 0 and f"everything else is in {tmp_path}/walk.repaired.zarr" in repaired.stdout
    assert "lost: 3 blocks of submap 0; its keyframes are there to fuse it again" in repaired.stdout
    assert run("verify", tmp_path / "walk.repaired.zarr").exit_code == 0


def test_repair_frees_a_map_of_the_lock_of_a_host_that_is_gone_and_of_no_other(path):
    assert "has no lock" in run("repair", path, "--break-lock").stdout
    with MapWriter.resume(path) as writer:
        with pytest.raises(StoreError, match="is being written by process"):
            run("repair", path, "--break-lock")
        writer.commit(**commit_number(4))
    (path / "writer.lock").write_text(json.dumps({"host": "elsewhere", "pid": 7}))
    with pytest.raises(StoreError, match="process 7 on host elsewhere") as refused:
        MapWriter.resume(path)
    words = re.search("`streammtl (repair .*--break-lock)`", str(refused.value))[1].split()  # as the message says it
    assert "removed the lock of process 7 on host elsewhere" in run(*words).stdout
    MapWriter.resume(path).close()
    with pytest.raises(ConfigError, match="writes no new one"):
        run("repair", path, "--break-lock", "--out", "other.zarr")
    with pytest.raises(StoreError, match="does not exist"):
        run("repair", "nowhere.zarr", "--break-lock")


def test_merge_joins_by_a_transform_from_a_file(path, tmp_path):
    T = pose(1.0, yaw=0.3)
    np.savetxt(tmp_path / "T.txt", T)
    run("merge", path, path, "--out", tmp_path / "both.zarr", "--transform", tmp_path / "T.txt")
    both = open_map(tmp_path / "both.zarr")
    assert both.header.components == 1
    np.testing.assert_allclose(both.header.submaps[1].anchor, T @ both.header.submaps[0].anchor)
    (tmp_path / "T.txt").write_text("1 0 0")
    with pytest.raises(ConfigError, match="expected 4 rows of 4"):
        run("merge", path, path, "--out", tmp_path / "c.zarr", "--transform", tmp_path / "T.txt")
    assert "2 unconnected parts" in run("merge", path, path, "--out", tmp_path / "d.zarr").stdout


def test_crop_takes_a_box_and_diff_compares(path, tmp_path):
    said = run("crop", path, "--box=-9,-9,-9,9,9,9", "--out", tmp_path / "all.zarr").stdout
    assert "1 submaps, 3 blocks, 3 keyframes" in said
    changes = json.loads(run("diff", path, tmp_path / "all.zarr", "--json").stdout)
    assert changes["regions"] == []
    with pytest.raises(ConfigError, match="not six numbers"):
        run("crop", path, "--box", "1,2,3", "--out", tmp_path / "none.zarr")


def test_refuse_takes_fusion_settings_only(path, tmp_path):
    said = run("refuse", path, "--out", tmp_path / "coarse.zarr", "--set", "fusion.voxel_size_m=0.05").stdout
    assert "of 50 mm voxels, from 3 keyframes" in said
    assert open_map(tmp_path / "coarse.zarr").header.truncation_m == 0.1
    with pytest.raises(ConfigError, match="no part in this"):
        run("refuse", path, "--out", tmp_path / "none.zarr", "--set", "run.surface=false")


def test_migrate_has_nothing_to_do_for_a_map_of_today(path, tmp_path):
    with pytest.raises(StoreError, match="nothing to migrate"):
        run("migrate", path, "--out", tmp_path / "new.zarr")


def test_rescale_takes_a_factor_and_says_what_it_did(path, tmp_path):
    said = run("rescale", path, "--factor", "1.5", "--out", tmp_path / "larger.zarr").stdout
    assert "lengths times 1.5" in said
    before, after = open_map(path).header, open_map(tmp_path / "larger.zarr").header
    assert after.voxel_size_m == pytest.approx(1.5 * before.voxel_size_m)
    with pytest.raises(StoreError, match="--factor"):
        run("rescale", path, "--out", tmp_path / "none.zarr")
