"""Recipes of StableMTL: each is valid, is its paper's, and trains on tiny copies of its three data sets."""

import math
from pathlib import Path

import pytest

import pipelines.data_sets  # noqa: F401  it registers them
from pipelines.training_config import read_values
from streammtl.training.config import training_settings
from streammtl.training.schedule import rate_factor
from streammtl.training.trainer import Trainer

FOLDER = Path(__file__).resolve().parents[3] / "configs" / "recipes"
NAMES = ("stablemtl-single", "stablemtl")


def shrunk(values, copies):
    """Two steps of the tiny network, untrained, on tiny copies of the data sets."""
    model = values["model"] | {"diffusion_folder": None, "weights": None, "allow_untrained": True}
    data = dict(values["data"]) | {"threads": 0, "validation_samples": 2}
    for group in ("pool", "validation"):
        data[group] = [chosen | {"root": str(copies(chosen["name"]))} for chosen in data[group]]
    stages = [{"steps": 2, "height": 32, "width": 48, "batch_size": 2, "accumulate": 2}]
    return values | {"model": model, "data": data, "stages": stages, "torch_threads": 1}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_trains_on_tiny_copies_of_its_data_sets(name, copies, tmp_path):
    pytest.importorskip("diffusers")
    settings = training_settings(shrunk(read_values(FOLDER / f"{name}.yaml"), copies))
    trainer = Trainer(settings, tmp_path)
    before = {name: tensor.clone() for name, tensor in trainer.learner.network.named_parameters()}
    outcome = trainer.run()
    assert outcome.finished and outcome.skipped == 0
    assert all(math.isfinite(value) for value in outcome.figures.values())
    moved = {name for name, tensor in trainer.learner.network.named_parameters() if (tensor != before[name]).any()}
    assert {name for name in moved if ".tokens." in name} == {f"main.tokens.{task}" for task in settings.tasks[:2]}
    assert not any(name.startswith(("vae.", "auxiliary.")) for name in moved)
    assert any(name.startswith("task_attention.") for name in moved) == (name == "stablemtl")


def test_stablemtl_trains_as_its_paper_says():
    first, second = (training_settings(read_values(FOLDER / f"{name}.yaml")) for name in NAMES)
    assert [settings.total_steps for settings in (first, second)] == [20000, 10000]
    for settings in (first, second):
        stage, optimiser = settings.stages[0], settings.optimiser
        assert stage.batch_size * stage.accumulate == 32 and stage.accumulate == 2
        assert (optimiser.learning_rate, optimiser.clip_norm, optimiser.warmup_steps) == (1e-4, 5, 100)
        assert rate_factor(5000, settings.total_steps, optimiser) == pytest.approx(0.01**0.2, rel=0.02)
        assert settings.data.batches == "isolated" and settings.model.unet_inputs == 12
        assert len(settings.tasks) == 7
    assert (second.model.mixer_heads, second.model.mixer_masking) == (4, 0.4)
    shares = {task: [s.share for s in first.data.pool if task in s.tasks] for task in first.tasks}
    assert {task: max(found) / sum(found) for task, found in shares.items()} == {
        "driving_semantics": 1.0,
        "normals": 0.9,
        "depth": 0.9,
        "optical_flow": 0.5,
        "scene_flow": 0.5,
        "shading": 1.0,
        "albedo": 1.0,
    }
