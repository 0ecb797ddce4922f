"""Latent networks learn: from partial labels, one task at a time, stage after stage."""

import json
from itertools import pairwise

import pytest
import torch

from streammtl.data.sampler import SamplingSettings
from streammtl.data.sets.settings import DataSetSettings
from streammtl.data.task_turns import TaskTurns
from streammtl.data.view_choice import ViewChoiceSettings
from streammtl.errors import CheckpointError, ConfigError
from streammtl.stablemtl.fitting import fitted_to_truth, scaled, scaled_and_shifted
from streammtl.stablemtl.objectives import label_pictures, latent_terms, whole_latents
from streammtl.stablemtl.wanted import labelled_tasks
from streammtl.training.config import training_settings
from streammtl.training.export import export_weights
from streammtl.training.schedule import rate_factor
from streammtl.training.settings import OptimiserSettings
from streammtl.training.trainee import AUTOENCODER, trainee_of
from streammtl.training.trainer import Trainer

THREE = ("depth", "normals", "optical_flow")
ALONE = SamplingSettings(views=ViewChoiceSettings(source_shares=(1.0,)), appearance=None, nearest_median_m=0.0)


@pytest.fixture
def sources(pool):
    """Three data sets, each with labels of its own."""
    return tuple(
        DataSetSettings(root=pool, tasks=(task,), share=share) for task, share in zip(THREE, (1, 2, 3), strict=True)
    )


@pytest.fixture
def quick(sources):
    """Plain values of a training of a few steps."""
    named = [source.model_dump(mode="json") for source in sources]
    return {
        "model": {"name": AUTOENCODER},
        "tasks": THREE,
        "data": {"pool": named, "batches": "isolated", "threads": 0, "sampling": ALONE.model_dump(mode="json")},
        "stages": [{"steps": 3, "height": 32, "width": 48, "batch_size": 2}],
        "optimiser": {"warmup_steps": 0},
        "precision": "fp32",
        "torch_threads": 1,
    }


def turns(source, mixed=False, tasks=THREE):
    return TaskTurns(source, tasks, ALONE, 0, mixed)


def test_isolated_batches_hold_one_task_and_tasks_take_turns_by_optimiser_step(sources):
    sampler = turns(sources)
    for step in range(4):
        for number in (7 * step, 7 * step + 1):  # two passes of a step
            batch = sampler.batch(number, 2, (32, 48), group=step)
            assert set(batch.targets) == {THREE[step % 3]}
            assert batch.valid[THREE[step % 3]].flatten(1).any(1).all()
            assert (batch.next_images is not None) == (step % 3 == 2)


def test_mixed_batches_hold_one_task_of_each_sample(sources):
    batch = turns(sources, mixed=True).batch(5, 4, (32, 48), group=2)
    known = {task: batch.valid[task].flatten(1).any(1).tolist() for task in THREE}
    assert [sum(row) for row in zip(*known.values(), strict=True)] == [1] * 4
    assert known["optical_flow"] == [True, False, False, True]  # 5 * 4 = 2 modulo 3
    pairs = labelled_tasks(batch, THREE)
    assert sorted(pairs.samples.tolist()) == [0, 1, 2, 3]


def test_a_task_is_drawn_from_the_data_that_have_it_by_their_shares(pool, tmp_path):
    (tmp_path / "a").symlink_to(pool)
    (tmp_path / "b").symlink_to(pool)
    both = (
        DataSetSettings(root=tmp_path / "a", tasks=("depth",), share=3),
        DataSetSettings(root=tmp_path / "b", tasks=("depth", "normals"), share=1),
    )
    sampler = turns(both, tasks=("depth", "normals"))
    assert sampler._samplers["depth"].pool._shares.tolist() == [0.75, 0.25]
    assert sampler._samplers["normals"].pool._shares.tolist() == [1.0]
    assert set(turns(pool, tasks=("depth", "normals")).batch(0, 1, (32, 48), group=1).targets) == {"normals"}
    with pytest.raises(ConfigError, match="no data set has labels of albedo"):
        turns(both, tasks=("depth", "albedo"))


def test_a_latent_counts_where_all_pixels_under_it_are_known():
    known = torch.ones(1, 1, 8, 12, dtype=torch.bool)
    known[..., 5, 7] = False
    expected = torch.ones(1, 1, 2, 3, dtype=torch.bool)
    expected[..., 1, 1] = False
    assert torch.equal(whole_latents(known, 4), expected)


def test_the_loss_is_the_mean_squared_error_of_all_known_latents_of_all_tasks(latent):
    network = latent.network(THREE)
    batch = latent.batch(("depth", "normals"))
    batch.valid["depth"][0, ..., :20] = False
    batch.valid["normals"][1] = False
    total, terms = latent_terms(network, batch, THREE)
    pairs = labelled_tasks(batch, THREE)
    assert pairs.tasks == ("depth", "depth", "normals")
    pictures, known = label_pictures(batch, pairs)
    error = (network(batch, pairs) - network.encoded(pictures)).square().mean(1)
    mask = whole_latents(known, 4)[:, 0]
    assert mask.float().mean((1, 2)).tolist() == pytest.approx([7 / 12, 1, 1])
    assert total.item() == pytest.approx(error[mask].mean().item(), rel=1e-5)
    assert terms["normals"].item() == pytest.approx(error[2].mean().item(), rel=1e-5)
    assert set(terms) == {"depth", "normals"}


def test_what_unknown_pixels_hold_is_no_matter_and_unlabelled_batches_have_no_loss(latent):
    network = latent.network(THREE)
    batch = latent.batch(("depth",))
    batch.valid["depth"][..., :20] = False
    first, _ = latent_terms(network, batch, THREE)
    batch.targets["depth"][..., :20] = 1e6
    assert latent_terms(network, batch, THREE)[0] == first
    assert latent_terms(network, batch, ("normals",)) == (None, {})
    batch.valid["depth"][:] = False
    assert latent_terms(network, batch, THREE) == (None, {})


@pytest.mark.parametrize("multi_stream", [False, True])
def test_a_network_learns_one_batch_by_heart(latent, multi_stream):
    network = latent.network(THREE[:2], multi_stream)
    batch = latent.batch(("depth", "normals"), samples=1)
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 3e-3)
    losses = []
    for _ in range(10):
        loss, _ = latent_terms(network, batch, THREE)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.75 * losses[0]


def test_stages_follow_each_other_and_a_step_changes_only_its_own_task(quick, tmp_path):
    pytest.importorskip("diffusers")
    vae = tmp_path / "vae.safetensors"
    with pytest.raises(CheckpointError, match="stablemtl-vae"):
        Trainer(training_settings(quick, ["model.name=stablemtl-single"]), tmp_path / "refused")
    assert Trainer(training_settings(quick), tmp_path / "0").run().finished
    export_weights(tmp_path / "0", vae)
    with pytest.raises(CheckpointError, match="stablemtl-single"):
        Trainer(training_settings(quick, ["model.name=stablemtl", f"model.weights={vae}"]), tmp_path / "refused")
    given = vae
    for number, name in ((1, "stablemtl-single"), (2, "stablemtl")):
        settings = training_settings(quick, [f"model.name={name}", f"model.weights={given}", "stages.0.steps=2"])
        trainer = Trainer(settings, tmp_path / str(number))
        before = {key: tensor.clone() for key, tensor in trainer.learner.network.state_dict().items()}
        outcome = trainer.run()
        after = trainer.learner.network.state_dict()
        moved = {key for key, tensor in after.items() if not torch.equal(tensor, before[key])}
        assert outcome.finished and outcome.skipped == 0
        assert {key for key in moved if ".tokens." in key} == {"main.tokens.depth", "main.tokens.normals"}
        assert {key.split(".")[0] for key in moved} == ({"main"} if number == 1 else {"main", "task_attention"})
        terms = [json.loads(line) for line in (tmp_path / str(number) / "log.jsonl").read_text().splitlines()]
        assert terms[0]["learning"] < terms[0]["parameters"]
        given = tmp_path / f"{number}.safetensors"
        export_weights(tmp_path / str(number), given)


def test_a_training_with_masking_goes_on_bit_for_bit(quick, tmp_path):
    pytest.importorskip("diffusers")
    options = ["model.name=stablemtl", "model.allow_untrained=true", "model.mixer_masking=0.6", "stages.0.steps=2"]
    settings = training_settings(quick, options)
    whole = Trainer(settings, tmp_path / "whole")
    whole.run()
    assert Trainer(settings, tmp_path / "parts").run(minutes=0).step == 1
    rest = Trainer(settings, tmp_path / "parts", resume=True)
    rest.run()
    for name, tensor in whole.learner.network.state_dict().items():
        assert torch.equal(rest.learner.network.state_dict()[name], tensor), name


def test_lanes_are_refused_because_draws_would_come_in_any_order(quick, tmp_path):
    with pytest.raises(ConfigError, match="lanes"):
        Trainer(training_settings(quick, ["lanes=2"]), tmp_path)
    mixing = {"name": "m2h-small", "encoder": "tiny", "decoder_width": 16, "mixer": "one_to_n"}
    with pytest.raises(ConfigError, match="mask tasks"):
        Trainer(training_settings(quick | {"model": mixing}, ["lanes=2"]), tmp_path)


def test_depth_is_fitted_by_scale_and_shift_and_motion_by_a_factor_that_is_not_negative():
    generator = torch.Generator().manual_seed(0)
    relative = torch.rand(2, 1, 6, 7, generator=generator)
    truth = torch.tensor([3.0, 0.7]).view(2, 1, 1, 1) * relative + torch.tensor([1.0, 2.0]).view(2, 1, 1, 1)
    known = torch.rand(2, 1, 6, 7, generator=generator) > 0.3
    fitted = scaled_and_shifted(relative, torch.where(known, truth, 1e9), known)
    torch.testing.assert_close(fitted, truth)
    flow = torch.randn(1, 2, 6, 7, generator=generator)
    wanted = flow * torch.tensor([5.0, -2.0]).view(1, 2, 1, 1)
    found = scaled(flow, wanted, known[:1])
    torch.testing.assert_close(found[:, 0], wanted[:, 0])
    assert (found[:, 1] == 0).all()


def test_an_autoencoder_is_judged_by_labels_that_come_back(latent):
    trainee = trainee_of(AUTOENCODER)
    network = trainee.build(training_settings({"model": {"name": AUTOENCODER}}).model, THREE).eval()
    batch = latent.batch(("depth", "normals"))
    batch.valid["depth"][0] = False

    class Perfect(torch.nn.Module):
        def forward(self, pictures):
            return pictures, None

    values = trainee.values(Perfect(), batch, THREE)
    torch.testing.assert_close(values["normals"], torch.nn.functional.normalize(batch.targets["normals"][:, 0], dim=1))
    assert set(values) == {"depth", "normals"}
    assert set(trainee.values(network, batch, THREE)) == {"depth", "normals"}
    assert set(fitted_to_truth(values, batch)) == set(values)


def test_an_exponential_rate_falls_by_the_same_factor_each_step():
    settings = OptimiserSettings(schedule="exponential", warmup_steps=0, final_factor=0.01)
    rates = [rate_factor(step, 10, settings) for step in range(11)]
    assert [b / a for a, b in pairwise(rates)] == pytest.approx([0.01**0.1] * 10)
