"""Recipes of CvM and M2H: each is valid, its network can be built, and it trains on tiny copies of its data sets."""

import math
from pathlib import Path

import pytest
import torch

import pipelines.data_sets  # noqa: F401  it registers them
from pipelines.training_config import read_values
from streammtl.errors import ConfigError
from streammtl.training.config import training_settings
from streammtl.training.network import build_trainee
from streammtl.training.settings import TrainingSettings
from streammtl.training.trainer import Trainer

FOLDER = Path(__file__).resolve().parents[3] / "configs" / "recipes"
RECIPES = sorted(path for path in FOLDER.glob("*.yaml") if "stablemtl" not in path.name)  # tests of their own
SMALL_MODEL = {"encoder": "tiny", "pretrained_encoder": False, "decoder_width": 16}
SMALL_MATCHING = {"match_features": "own", "num_planes": 16, "cross_view_channels": 16, "cross_view_layers": 1}
SMALL_VIT = {"encoder": "vit_tiny_patch16_384", "match_features": "adapter"}  # routers need one


def recipe(name) -> TrainingSettings:
    return training_settings(read_values(FOLDER / f"{name}.yaml"))


def shrunk(values, copies):
    """The recipe with a tiny encoder and image, two steps, and tiny copies in the place of its data sets."""
    values = dict(values)
    crossing = "cvm" in values["model"]["name"]
    routed = "adapter_paths" in values["model"]
    values["model"] |= SMALL_MODEL | (SMALL_MATCHING if crossing else {}) | (SMALL_VIT if routed else {})
    stages = values["stages"]
    values["stages"] = [stage | {"steps": 2 // len(stages), "height": 32, "width": 48} for stage in stages]
    for stage in values["stages"]:
        stage["batch_size"] = min(stage["batch_size"], 4)
    values["optimiser"] = values["optimiser"] | {"freeze_encoder_stages": 0}
    data = dict(values["data"]) | {"threads": 0, "validation_samples": 2}
    for group in ("pool", "validation"):
        data[group] = [chosen | {"root": str(copies(chosen["name"]))} for chosen in data[group]]
    return values | {"data": data, "torch_threads": 1}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_trains_on_tiny_copies_of_its_data_sets(path, copies, tmp_path):
    settings = training_settings(shrunk(read_values(path), copies))
    trainer = Trainer(settings, tmp_path)
    before = {name: tensor.clone() for name, tensor in trainer.learner.network.named_parameters()}
    outcome = trainer.run()
    assert outcome.finished and outcome.skipped == 0
    assert all(math.isfinite(value) for value in outcome.figures.values())
    moved = {name for name, tensor in trainer.learner.network.named_parameters() if (tensor != before[name]).any()}
    changed = {name.split(".")[1] for name in moved if name.startswith("heads.")}
    assert changed == set(settings.tasks) - {"depth"}


def test_the_network_of_each_recipe_can_be_built_at_full_size():
    """Without memory for its weights; recipes with the same network share one."""
    built = {}
    for path in RECIPES:
        settings = training_settings(read_values(path))
        model = settings.model.model_copy(update={"pretrained_encoder": False})
        if (model, settings.tasks) not in built:
            with torch.device("meta"):
                built[model, settings.tasks] = set(build_trainee(model, settings.tasks).heads)
        assert built[model, settings.tasks] == set(settings.tasks) - {"depth"}


@pytest.mark.parametrize("name", ["nyuv2-cvm-dinov3", "nyuv2-views-cvm-dinov3", "pascal-cvm-dinov3"])
def test_cvm_trains_as_its_paper_says(name):
    settings = recipe(name)
    optimiser, stage = settings.optimiser, settings.stages[0]
    assert (optimiser.learning_rate, optimiser.weight_decay, optimiser.clip_norm) == (2e-5, 1e-6, 10)
    assert (optimiser.encoder_factor, optimiser.matching_factor, optimiser.warmup_steps) == (1, 1, 0)
    assert (optimiser.schedule, optimiser.power, optimiser.final_factor) == ("polynomial", 0.9, 0)
    assert (stage.steps, stage.batch_size) == (40000, 4)
    assert stage.size == ((512, 512) if "pascal" in name else (448, 576))
    weights = {"semantics": 1, "pascal_semantics": 1, "human_parts": 2, "saliency": 5, "normals": 10, "boundaries": 50}
    assert all(settings.objective.tasks[task] == weights[task] for task in settings.tasks if task != "depth")
    assert settings.objective.losses == {"depth": "l1"} and settings.objective.depth == 1
    assert settings.objective.every_view == ("views" in name)
    scaling = settings.data.sampling.augmentation
    assert (scaling.min_scale, scaling.max_scale, scaling.max_class_share, scaling.crop_tries) == (0.5, 2, 0.75, 10)


def test_m2h_trains_as_its_paper_says():
    first, late = recipe("nyuv2-m2h"), recipe("nyuv2-m2h-finetune")
    optimiser = first.optimiser
    assert (optimiser.learning_rate, optimiser.weight_decay) == (5e-4, 1e-4)
    assert (optimiser.schedule, optimiser.power) == ("polynomial", 0.9)
    assert first.objective.losses["depth"] == "huber_gradient" and first.objective.balance_temperature == 2
    assert recipe("cityscapes-m2h").objective.losses["depth"] == "scale_invariant_log"
    assert (first.objective.depth_normals, first.objective.label_boundaries) == (0, 0)
    assert (late.objective.depth_normals, late.objective.label_boundaries) == (0.1, 0.1)
    farthest = {"nyuv2-m2h": 10, "hypersim-m2h": 20, "cityscapes-m2h": 80}
    assert {name: recipe(name).data.pool[0].far_m for name in farthest} == farthest


def test_a_recipe_that_is_like_another_differs_in_what_it_says(tmp_path):
    (tmp_path / "a.yaml").write_text("model: {name: cvm, encoder: tiny}\ntasks: [depth]\nstages: [{steps: 3}]\n")
    (tmp_path / "b.yaml").write_text("like: a.yaml\nmodel: {num_planes: 16}\nstages: [{steps: 5}, {steps: 6}]\n")
    expected = {"name": "cvm", "encoder": "tiny", "num_planes": 16}
    assert read_values(tmp_path / "b.yaml") == {
        "model": expected,
        "tasks": ["depth"],
        "stages": [{"steps": 5}, {"steps": 6}],
    }
    for wrong in ("../a.yaml", "c.yaml", "[1]"):
        (tmp_path / "c.yaml").write_text(f"like: {wrong}\n")
        with pytest.raises(ConfigError, match="like"):
            read_values(tmp_path / "c.yaml")
