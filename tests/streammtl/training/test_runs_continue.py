"""A training cut into runs is the same training."""

import json
import os
import shutil
import signal

import pytest
import torch

from streammtl.errors import CheckpointError, ConfigError
from streammtl.training.checkpoints import checkpoint_paths, load_checkpoint, save_checkpoint
from streammtl.training.config import training_settings
from streammtl.training.trainer import Trainer


def test_three_steps_and_three_more_are_six_steps_bit_for_bit(tiny, tmp_path):
    whole = Trainer(training_settings(tiny), tmp_path / "whole")
    assert whole.run().finished

    settings = training_settings(tiny)
    first = Trainer(settings, tmp_path / "parts")
    batches = first._batches()
    for _ in range(3):
        first.learner.train_step(batches)
    batches.close()
    out = tmp_path / "parts" / "checkpoints"
    saved = first.learner.checkpoint()
    saved.state["best"] = None
    save_checkpoint(out, 3, saved, keep=2)
    torch.manual_seed(99)  # whatever happens in between
    rest = Trainer(settings, tmp_path / "parts", resume=True)
    assert rest.learner.step == 3
    outcome = rest.run()

    assert outcome.finished and outcome.step == 6
    a, b = whole.learner.checkpoint(), rest.learner.checkpoint()
    assert a.tensors.keys() == b.tensors.keys()
    assert [name for name in a.tensors if not torch.equal(a.tensors[name], b.tensors[name])] == []
    assert any(name.startswith("optimiser.") for name in a.tensors)


def test_a_run_out_of_time_leaves_a_checkpoint_to_go_on_from(tiny, tmp_path):
    settings = training_settings(tiny)
    outcome = Trainer(settings, tmp_path).run(minutes=0)
    assert not outcome.finished and outcome.step == 1
    assert len(checkpoint_paths(tmp_path / "checkpoints")) == 1
    assert Trainer(settings, tmp_path, resume=True).run().finished


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_leaves_a_checkpoint_to_go_on_from(tiny, tmp_path, monkeypatch, number):
    settings = training_settings(tiny)
    trainer = Trainer(settings, tmp_path)
    train_step = trainer.learner.train_step

    def train_and_be_stopped(batches):
        values = train_step(batches)
        if trainer.learner.step == 2:
            os.kill(os.getpid(), number)
        return values

    monkeypatch.setattr(trainer.learner, "train_step", train_and_be_stopped)
    handler = signal.getsignal(number)
    outcome = trainer.run()
    assert not outcome.finished and outcome.step == 2
    assert signal.getsignal(number) is handler
    assert Trainer(settings, tmp_path, resume=True).run().finished


def test_a_run_is_not_overwritten_by_accident(tiny, tmp_path):
    settings = training_settings(tiny)
    Trainer(settings, tmp_path).run(minutes=0)
    with pytest.raises(ConfigError, match="--resume"):
        Trainer(settings, tmp_path)


def test_another_network_does_not_resume(tiny, tmp_path):
    Trainer(training_settings(tiny), tmp_path).run(minutes=0)
    other = training_settings(tiny, ["model.num_planes=24"])
    with pytest.raises(CheckpointError, match=r"settings\.json"):
        Trainer(other, tmp_path, resume=True)


def test_old_checkpoints_go_and_a_half_written_one_is_not_seen(tiny, tmp_path):
    settings = training_settings(tiny, ["checkpoint_minutes=1e-9", "keep_checkpoints=2"])
    Trainer(settings, tmp_path).run()
    kept = checkpoint_paths(tmp_path / "checkpoints")
    assert [path.name for path in kept] == ["step-00000005", "step-00000006"]
    shutil.copytree(kept[0], tmp_path / "checkpoints" / "step-00000009.partial")
    assert checkpoint_paths(tmp_path / "checkpoints") == kept


def test_a_damaged_checkpoint_says_so(tiny, tmp_path):
    Trainer(training_settings(tiny), tmp_path).run(minutes=0)
    path = checkpoint_paths(tmp_path / "checkpoints")[0]
    part = path / "part-000.safetensors"
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="whole"):
        load_checkpoint(path)


def test_the_log_tells_every_term_and_the_best_weights_are_kept(tiny, tmp_path):
    tiny["data"] |= {"validation": tiny["data"]["pool"], "validation_samples": 2}
    outcome = Trainer(training_settings(tiny), tmp_path).run()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["start", "train", "train", "train", "validation"]
    assert {"depth", "semantics", "normals", "boundaries", "confidence", "gradient_norm"} <= lines[-2].keys()
    assert lines[-1]["depth.abs_rel"] == outcome.figures["depth.abs_rel"]
    best = load_checkpoint(checkpoint_paths(tmp_path / "best")[0])
    assert best.state["figures"] == outcome.figures
