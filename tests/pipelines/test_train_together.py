"""Several processes train one network through Ray Train."""

import subprocess
import sys

import pytest
import torch

from streammtl.training.checkpoints import checkpoint_paths, load_checkpoint
from streammtl.training.config import training_settings
from streammtl.training.objective import training_objective
from streammtl.training.trainer import Trainer


def test_two_processes_average_the_gradients_of_their_batches_and_go_on(tiny, tmp_path):
    for needed in ("pandas", "pyarrow"):
        pytest.importorskip(needed, reason="Ray Train is not installed: pip install 'streammtl[train]'")
    from pipelines.ray_training import train_together

    stages = [{"steps": 2, "height": 64, "width": 96, "batch_size": 2}]
    settings = training_settings(
        tiny | {"stages": stages}, ["precision=fp32", "optimiser.clip_norm=1e9", "objective.strides={}"]
    )
    outcome = train_together(settings, tmp_path / "together", 0, False, 2)
    assert (outcome.step, outcome.finished) == (1, False)
    saved = load_checkpoint(checkpoint_paths(tmp_path / "together" / "checkpoints")[-1]).tensors

    alone = Trainer(settings, tmp_path / "alone")
    for rank in range(2):
        batch = alone._sampler.batch(rank, 2, (64, 96), group=0)
        outputs = alone.learner.network(batch, every_volume=True)
        (training_objective(outputs, batch, settings.objective).total / 2).backward()
    first_moment = 1 - settings.optimiser.betas[0]
    parameters = [p for group in alone.learner._optimiser.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        found = saved[f"optimiser.{index}.exp_avg"]
        expected = first_moment * parameter.grad
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()) + 1e-9)

    outcome = train_together(settings, tmp_path / "together", None, True, 2)
    assert (outcome.step, outcome.finished) == (2, True)


def test_without_ray_train_it_says_what_to_install(tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text("{}")
    script = (
        "import sys\n"
        "sys.modules['pandas'] = None\n"
        f"sys.argv = ['streammtl', 'train', {str(config)!r}, '--out', {str(tmp_path / 'run')!r}, '--workers', '2']\n"
        "from pipelines.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "streammtl[train]" in done.stderr and "Traceback" not in done.stderr
