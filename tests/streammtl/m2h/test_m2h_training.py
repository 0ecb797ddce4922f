"""Losses by name, terms between tasks and moving weights, in a training."""

import math

import pytest
import torch

from streammtl.data.clip_pool import ClipPool
from streammtl.data.sampler import ClipSampler
from streammtl.errors import ConfigError
from streammtl.losses.depth import huber_gradient
from streammtl.models.cross_view_mtl import RawOutputs
from streammtl.training.checkpoints import save_checkpoint
from streammtl.training.config import training_settings
from streammtl.training.learner import Learner
from streammtl.training.objective import training_objective
from streammtl.training.settings import ObjectiveSettings
from streammtl.training.task_balance import TaskBalance
from streammtl.training.trainer import Trainer
from streammtl.training.world import World

M2H = (
    'model={"name": "m2h-small", "encoder": "tiny", "decoder_width": 16, "mixer_channels": 16}',
    'objective.losses={"depth": "huber_gradient", "semantics": "cross_entropy_dice", "normals": "cosine", '
    '"boundaries": "bce"}',
    "objective.depth_normals=0.1",
    "objective.label_boundaries=0.1",
    "objective.balance_steps=1",
)


def losses(**values):
    return [{task: torch.tensor(value) for task, value in values.items()}]


def test_the_task_that_falls_slowest_weighs_most_and_weights_sum_to_their_number():
    balance = TaskBalance(2)
    for depth, normals in ((1.0, 4.0), (1.0, 4.0), (0.5, 4.0), (0.3, 4.0)):
        assert balance.weights == {}  # nothing to compare with in the first two epochs
        balance.count(losses(depth=depth, normals=normals))
    shares = math.exp(0.4 / 2), math.exp(1.0 / 2)
    assert balance.weights["depth"] == pytest.approx(2 * shares[0] / sum(shares))
    assert balance.weights["normals"] == pytest.approx(2 * shares[1] / sum(shares))


def test_published_example_of_the_weights():
    """Ratios (0.8, 1, 1, 1.2) at temperature 2: 0.90, 1.00, 1.00, 1.10."""
    balance = TaskBalance(1)
    balance.count(losses(a=1.0, b=1.0, c=1.0, d=1.0))
    balance.count(losses(a=0.8, b=1.0, c=1.0, d=1.2))
    assert [round(w, 2) for w in balance.weights.values()] == [0.90, 1.00, 1.00, 1.10]


def test_a_task_without_labels_keeps_its_ratio_and_passes_count_alike():
    balance = TaskBalance(1)
    balance.count([*losses(depth=1.0, normals=1.0), *losses(depth=3.0)])
    balance.count(losses(depth=2.0, normals=0.5))
    before = dict(balance.weights)
    balance.count(losses(depth=2.0))
    assert balance.weights == before  # depth: 2 after a mean of 2, and 2 again; normals: 0.5, kept


def test_weights_multiply_those_of_the_settings():
    balance = TaskBalance(1)
    balance.weights = {"depth": 0.5, "normals": 1.5, "saliency": 1.2}
    applied = balance.applied(ObjectiveSettings(tasks={"normals": 2.0, "boundaries": 7.0}))
    assert (applied.depth, applied.depth_gradient) == (0.5, 0.25)
    assert applied.tasks == pytest.approx({"normals": 3.0, "boundaries": 7.0, "saliency": 6.0})


def test_training_with_all_of_m2h_goes_on_bit_for_bit(tiny, tmp_path):
    short = 'stages=[{"steps": 4, "height": 48, "width": 64, "batch_size": 1}]'
    settings = training_settings(tiny, (*M2H, short))
    whole = Trainer(settings, tmp_path / "whole")
    assert whole.run().finished
    assert whole.learner._balance.weights
    first = Trainer(settings, tmp_path / "parts")
    batches = first._batches()
    for _ in range(2):
        first.learner.train_step(batches)
    batches.close()
    saved = first.learner.checkpoint()
    saved.state["best"] = None
    save_checkpoint(tmp_path / "parts" / "checkpoints", 2, saved, keep=2)
    rest = Trainer(settings, tmp_path / "parts", resume=True)
    rest.run()
    a, b = whole.learner.checkpoint(), rest.learner.checkpoint()
    assert [name for name in a.tensors if not torch.equal(a.tensors[name], b.tensors[name])] == []
    assert a.state["balance"] == b.state["balance"]


def truth_as_outputs(batch, **wrong):
    """Raw outputs that say what the labels say."""
    depth, valid = batch.targets["depth"][:, 0], batch.valid["depth"][:, 0]
    raw = {"depth": torch.where(valid, depth, 1.0).log(), "normals": batch.targets["normals"][:, 0], **wrong}
    return RawOutputs(raw, torch.zeros_like(raw["depth"]), None)


def test_terms_between_tasks_appear_only_where_asked_for_and_hold_for_the_truth(pool, tiny):
    batch = ClipSampler(ClipPool(pool), ("depth", "normals"), training_settings(tiny).data.sampling, 0).batch(
        0, 2, (64, 96)
    )
    true = truth_as_outputs(batch)
    assert "depth_normals" not in training_objective(true, batch, ObjectiveSettings()).terms
    terms = {}
    for form in ("corrected", "paper_literal"):
        settings = ObjectiveSettings(depth_normals=0.1, consistency=form)
        terms[form] = training_objective(true, batch, settings).terms["depth_normals"].item()
    assert terms["corrected"] < 0.01 and terms["paper_literal"] > 0.1
    assert "label_boundaries" not in training_objective(true, batch, ObjectiveSettings(label_boundaries=1)).terms


def test_a_named_loss_of_depth_takes_the_place_of_those_of_its_logarithm(pool, tiny):
    batch = ClipSampler(ClipPool(pool), ("depth", "normals"), training_settings(tiny).data.sampling, 0).batch(
        0, 2, (64, 96)
    )
    depth, valid = batch.targets["depth"][:, 0], batch.valid["depth"][:, 0]
    outputs = truth_as_outputs(batch, depth=torch.full_like(depth, 0.5).log())
    settings = ObjectiveSettings(losses={"depth": "huber_gradient"}, confidence=0, tasks={"normals": 0.0})
    objective = training_objective(outputs, batch, settings)
    expected = huber_gradient(torch.full_like(depth, 0.5), depth, valid)
    torch.testing.assert_close(objective.total, expected)
    assert "depth_gradient" not in objective.terms
    with pytest.raises(ConfigError, match="unknown"):
        training_objective(outputs, batch, ObjectiveSettings(losses={"normals": "cosin"}))


def test_moving_weights_are_for_one_process(tiny):
    with pytest.raises(ConfigError, match="one process"):
        Learner(training_settings(tiny, M2H), torch.device("cpu"), World(0, 2))
