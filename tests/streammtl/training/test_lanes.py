"""Passes side by side give the step that passes one after the other give."""

import pytest
import torch

from streammtl.errors import ConfigError
from streammtl.training.config import training_settings
from streammtl.training.trainer import Trainer


def weights_after(tiny, out, *overrides, passes=2):
    stages = [{"steps": 3, "height": 64, "width": 96, "batch_size": 1, "accumulate": passes}]
    trainer = Trainer(training_settings(tiny | {"stages": stages}, list(overrides)), out)
    trainer.run()
    return trainer.learner.network.state_dict()


def test_two_lanes_take_the_steps_of_one_bit_for_bit(tiny, tmp_path):
    one, two = weights_after(tiny, tmp_path / "1", "lanes=1"), weights_after(tiny, tmp_path / "2", "lanes=2")
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def test_more_passes_than_lanes_still_add_up(tiny, tmp_path):
    exact = ("precision=fp32", "optimiser.learning_rate=1e-5")
    one = weights_after(tiny, tmp_path / "1", "lanes=1", *exact, passes=3)
    two = weights_after(tiny, tmp_path / "2", "lanes=2", *exact, passes=3)
    assert all(torch.allclose(one[name], two[name], atol=5e-5) for name in one)


def test_lanes_share_weights_and_not_gradients(tiny, tmp_path):
    lanes = Trainer(training_settings(tiny, ["lanes=3"]), tmp_path).learner._lanes
    first, *others = lanes._forwards
    for twin in others:
        for a, b in zip(first.parameters(), twin.parameters(), strict=True):
            assert a.data_ptr() == b.data_ptr() and a is not b


def test_lanes_that_would_change_statistics_are_refused(tiny, tmp_path):
    with pytest.raises(ConfigError, match="freeze_batch_norm"):
        Trainer(training_settings(tiny, ["lanes=2", "optimiser.freeze_batch_norm=false"]), tmp_path)
