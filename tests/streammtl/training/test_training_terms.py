"""Losses, schedule, groups and freezing of a training."""

import math

import pytest
import torch

from streammtl.data.clip_pool import ClipPool
from streammtl.data.sampler import ClipSampler
from streammtl.errors import ConfigError, ModelError
from streammtl.models.every_view import every_view_first
from streammtl.models.settings import ModelSettings
from streammtl.training.config import training_settings
from streammtl.training.depth_loss import gradient_loss, spread_loss
from streammtl.training.freezing import freeze_stages, set_training
from streammtl.training.learner import Learner
from streammtl.training.matching_loss import coarse_labels, matching_loss, plane_position
from streammtl.training.network import build_trainee
from streammtl.training.objective import thinned_labels, training_objective
from streammtl.training.optimiser import build_optimiser
from streammtl.training.schedule import rate_factor
from streammtl.training.settings import OptimiserSettings
from streammtl.training.trainer import Trainer
from streammtl.training.world import World

HYPOTHESES = 1 / torch.linspace(2.0, 0.1, 20)[None]  # 0.5 to 10 m, even in inverse depth


def test_a_depth_on_a_plane_is_that_plane_and_between_two_it_is_split_by_inverse_depth():
    depth = torch.stack((HYPOTHESES[0, 4], 1 / (0.25 / HYPOTHESES[0, 4] + 0.75 / HYPOTHESES[0, 5]), torch.tensor(11.0)))
    nearer, share, inside = plane_position(depth.view(1, 1, 1, 3), HYPOTHESES)
    assert nearer.flatten()[:2].tolist() == [4, 4]
    assert share.flatten()[:2].tolist() == pytest.approx([0, 0.75], abs=1e-5)
    assert inside.flatten().tolist() == [True, True, False]


def test_matching_costs_least_at_the_true_plane_and_ignores_what_nobody_sees():
    depth = HYPOTHESES[0, 7].expand(1, 1, 2, 2)
    everywhere, seen = torch.ones(1, 1, 2, 2, dtype=torch.bool), torch.ones(1, 20, 2, 2, dtype=torch.bool)
    costs = []
    for plane in range(20):
        volume = torch.zeros(1, 20, 2, 2)
        volume[:, plane] = 8.0
        costs.append(matching_loss(volume, HYPOTHESES, depth, everywhere, seen).item())
    assert min(range(20), key=costs.__getitem__) == 7
    assert costs[0] == pytest.approx(math.log(math.exp(8) + 19), rel=1e-5)
    assert matching_loss(volume, HYPOTHESES, depth, everywhere, ~seen) == 0


def test_spread_is_learnt_from_the_error_and_depth_is_not():
    error = torch.full((1, 1, 4, 4), 0.2, requires_grad=True)
    scale = torch.full((1, 1, 4, 4), math.log(0.2), requires_grad=True)
    spread_loss(error, scale, torch.ones(1, 1, 4, 4, dtype=torch.bool)).backward()
    assert error.grad is None
    assert scale.grad.abs().max() < 1e-6  # the likelihood peaks where the scale is the mean error


def test_an_error_that_is_the_same_everywhere_has_no_gradient_term():
    valid = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    assert gradient_loss(torch.full((1, 1, 16, 16), 0.4), valid) == 0
    step = torch.zeros(1, 1, 16, 16)
    step[..., 8:] = 1
    assert gradient_loss(step, valid) > 0
    assert gradient_loss(step, valid & (torch.arange(16) < 8)) == 0


@pytest.mark.parametrize("schedule", ["cosine", "polynomial"])
def test_the_rate_rises_then_falls_to_its_last_value(schedule):
    settings = OptimiserSettings(schedule=schedule, warmup_steps=10, final_factor=0.05)
    rates = [rate_factor(step, 100, settings) for step in range(100)]
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[10] == pytest.approx(1.0)
    assert rate_factor(100, 100, settings) == pytest.approx(0.05)
    if schedule == "polynomial":
        assert rates[55] == pytest.approx(0.05 + 0.95 * 0.5**0.9)


def test_groups_have_their_rates_and_vectors_do_not_decay():
    network = build_trainee(ModelSettings(name="cvm-lite", encoder="tiny"), ("depth", "normals"))
    settings = OptimiserSettings(learning_rate=1e-3, encoder_factor=0.1, matching_factor=0.5, weight_decay=0.02)
    optimiser = build_optimiser(network, settings)
    of = {id(p): group for group in optimiser.param_groups for p in group["params"]}
    assert len(of) == len(list(network.parameters()))
    for name, parameter in network.named_parameters():
        rate = {"encoder": 1e-4, "cross_view": 5e-4}.get(name.partition(".")[0], 1e-3)
        assert of[id(parameter)]["lr"] == pytest.approx(rate), name
        assert of[id(parameter)]["weight_decay"] == (0.02 if parameter.ndim > 1 else 0.0), name


def test_frozen_stages_get_no_gradient_and_keep_their_statistics():
    network = build_trainee(ModelSettings(name="cvm-lite", pretrained_encoder=False), ("depth",))
    freeze_stages(network.encoder, 2)
    set_training(network, freeze_batch_norm=True)
    backbone = network.encoder.backbone
    before = {name: buffer.clone() for name, buffer in backbone.named_buffers()}
    levels = network.encoder(torch.rand(2, 3, 64, 64)).levels
    sum(level.square().mean() for level in levels).backward()
    frozen = [p.grad for part in (backbone.conv_stem, *backbone.blocks[:2]) for p in part.parameters()]
    assert frozen and all(grad is None for grad in frozen)
    assert all(p.grad is not None for p in backbone.blocks[2].parameters())
    assert [name for name, buffer in backbone.named_buffers() if not torch.equal(buffer, before[name])] == []
    with pytest.raises(ConfigError, match="stages"):
        freeze_stages(network.encoder, 20)


def test_a_step_with_gradients_that_are_not_finite_changes_nothing_and_too_many_stop(tiny, tmp_path):
    settings = training_settings(tiny, ["optimiser.skip_limit=2"])
    trainer = Trainer(settings, tmp_path)
    learner = trainer.learner
    before = {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}
    for parameter in learner.network.parameters():
        parameter.register_hook(lambda grad: grad * torch.nan)
    batches = trainer._batches()
    learner.train_step(batches)
    assert learner.skipped == 1
    assert [n for n, tensor in learner.network.state_dict().items() if not torch.equal(tensor, before[n])] == []
    with pytest.raises(ModelError, match="in a row"):
        learner.train_step(batches)
    batches.close()


@pytest.mark.parametrize(
    "tasks",
    [
        ("depth",),
        ("depth", "normals", "boundaries"),
        ("depth", "semantics", "normals", "boundaries", "optical_flow", "albedo", "shading"),
        (
            "depth",
            "semantics",
            "normals",
            "boundaries",
            "saliency",
            "human_parts",
            "optical_flow",
            "scene_flow",
            "albedo",
            "shading",
        ),
    ],
)
def test_any_number_of_tasks_trains_and_what_has_no_labels_is_left_alone(tiny, tasks, tmp_path):
    settings = training_settings(tiny | {"tasks": list(tasks)})
    trainer = Trainer(settings, tmp_path)
    before = {name: tensor.clone() for name, tensor in trainer.learner.network.named_parameters()}
    trainer.run()
    for name, tensor in trainer.learner.network.named_parameters():
        if not name.startswith("heads."):
            continue
        labelled = name.split(".")[1] in ("semantics", "normals", "boundaries", "optical_flow")  # what clips hold
        assert torch.equal(tensor, before[name]) != labelled, name


def test_training_lowers_the_loss(tiny):
    settings = training_settings(tiny, ['stages=[{"steps": 40, "height": 64, "width": 96, "batch_size": 2}]'])
    settings = settings.model_copy(update={"precision": "fp32"})
    sampler = ClipSampler(ClipPool(settings.data.pool), settings.tasks, settings.data.sampling, 0)
    learner = Learner(settings, torch.device("cpu"), World())
    batch = sampler.batch(3, 2, (64, 96))
    terms = [learner.train_step(iter([batch])) for _ in range(40)]
    assert terms[-1]["depth"] < 0.6 * terms[0]["depth"]
    assert terms[-1]["semantics"] < 0.6 * terms[0]["semantics"]


def test_labels_of_a_smaller_output_are_those_of_its_cells(pool, tiny):
    batch = ClipSampler(ClipPool(pool), ("depth", "semantics"), training_settings(tiny).data.sampling, 0).batch(
        0, 2, (64, 96)
    )
    seen = set()
    for turn in range(4):
        thin = thinned_labels(batch, {"semantics": torch.zeros(2, 40, 32, 48)}, turn).targets
        assert torch.equal(thin["depth"], batch.targets["depth"])
        cells = batch.targets["semantics"][:, 0, 0].unfold(1, 2, 2).unfold(2, 2, 2).flatten(-2)  # [B,32,48,4]
        taken = [k for k in range(4) if torch.equal(thin["semantics"][:, 0, 0], cells[..., k])]
        assert taken
        seen |= set(taken)
    assert seen == {0, 1, 2, 3}


def test_matching_is_judged_in_every_view_and_the_rest_in_the_reference(pool, tiny):
    settings = training_settings(tiny, ["data.sampling.views.source_shares=[0, 0, 1]", "precision=fp32"])
    batch = ClipSampler(ClipPool(pool), settings.tasks, settings.data.sampling, 0).batch(2, 2, (64, 96))
    network = Learner(settings, torch.device("cpu"), World()).network.eval()
    few, many = network(batch), network(batch, every_volume=True)
    assert all(torch.allclose(few.raw[task], many.raw[task], atol=1e-5) for task in few.raw)
    assert many.cross_view.volume.shape[0] == 6
    assert torch.allclose(many.cross_view.of_references(3).volume, few.cross_view.volume, atol=1e-5)

    turned = every_view_first(batch)
    cross = many.cross_view
    grid = tuple(cross.volume.shape[-2:])
    labels = coarse_labels(turned.targets["depth"][:, 0], turned.valid["depth"][:, 0], grid)
    expected = matching_loss(cross.volume, cross.hypotheses, *labels, cross.valid)
    assert training_objective(many, batch, settings.objective).terms["matching"] == pytest.approx(expected.item())
    only_first = training_objective(few, batch, settings.objective).terms["matching"]
    assert only_first != pytest.approx(expected.item())
    batch.targets["depth"], batch.valid["depth"] = batch.targets["depth"][:, :1], batch.valid["depth"][:, :1]
    assert training_objective(many, batch, settings.objective).terms["matching"] == pytest.approx(only_first.item())


def test_all_views_are_judged_where_that_is_asked_for(tiny, monkeypatch):
    counted = []

    def seen(outputs, batch, settings, turn=0):
        counted.append((outputs.raw["depth"].shape[0], batch.images.shape[:2]))
        return training_objective(outputs, batch, settings, turn)

    monkeypatch.setattr("streammtl.training.trainee.training_objective", seen)
    every, few = ("objective.every_view=true",), ("objective.matching_every_view=false",)
    for overrides, per_sample in (((), False), (few, False), (every, True)):
        settings = training_settings(tiny, overrides)
        learner = Learner(settings, torch.device("cpu"), World())
        sampler = ClipSampler(ClipPool(settings.data.pool), settings.tasks, settings.data.sampling, settings.seed)
        batch = next(b for b in (sampler.batch(i, 2, (64, 96)) for i in range(50)) if b.view_mask[:, 1:].any())
        terms = learner.train_step(iter([batch]))
        assert math.isfinite(terms["depth"]) and terms["gradient_norm"] > 0
        samples, views = batch.images.shape[:2]
        rows, (labelled, labelled_views) = counted[-1]
        assert rows == labelled == samples * (views if per_sample else 1)
        assert labelled_views == views
