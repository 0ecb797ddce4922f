"""Weights of a run become a file that the model loads."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open

from streammtl.data.clip_pool import ClipPool
from streammtl.data.sampler import ClipSampler
from streammtl.errors import CheckpointError
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings
from streammtl.models.weights import load_weights
from streammtl.training.checkpoints import checkpoint_paths, load_checkpoint
from streammtl.training.config import training_settings
from streammtl.training.export import export_weights
from streammtl.training.trainer import Trainer


@pytest.fixture
def run(tiny, tmp_path):
    tiny["data"] |= {"validation": tiny["data"]["pool"], "validation_samples": 2}
    Trainer(training_settings(tiny), tmp_path / "run").run()
    return tmp_path / "run"


def test_the_model_predicts_with_exported_weights_what_the_average_does(run, tiny, tmp_path):
    checksum = export_weights(run, tmp_path / "lite.safetensors")
    settings = ModelSettings(
        **tiny["model"], precision="fp32", weights=tmp_path / "lite.safetensors", weights_sha256=checksum
    )
    model = build_model(settings)
    batch = ClipSampler(ClipPool(tiny["data"]["pool"]), (), training_settings(tiny).data.sampling, 5).batch(
        0, 1, (64, 96)
    )
    rounded = model.predict(batch).values["depth"]
    model.network.load_state_dict(load_checkpoint(checkpoint_paths(run / "best")[-1]).tensors)
    exact = model.predict(batch).values["depth"]
    assert ((rounded - exact).abs() / exact).max() < 0.02
    assert not torch.equal(rounded, exact)


def test_the_file_tells_how_it_was_made_and_names_no_folder(run, tmp_path):
    out = tmp_path / "lite.safetensors"
    checksum = export_weights(run, out)
    with safe_open(out, "pt") as file:
        known = json.loads(file.metadata()["streammtl"])
    beside = json.loads((tmp_path / "lite.json").read_text())
    assert beside["sha256"] == checksum and beside["bytes"] == out.stat().st_size
    assert known["step"] == 6 and known["settings"]["stages"] and "depth.abs_rel" in known["figures"]
    assert str(tmp_path) not in json.dumps(known)
    assert load_weights(out, checksum).keys() == load_checkpoint(checkpoint_paths(run / "best")[-1]).tensors.keys()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="--out"):
        export_weights(tmp_path, tmp_path / "x.safetensors")
    command = [
        sys.executable,
        "-m",
        "streammtl.training.export",
        str(tmp_path),
        "--out",
        str(tmp_path / "x.safetensors"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
