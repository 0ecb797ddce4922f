"""Two U-Nets, and attention from each task to all others."""

import pytest
import torch
from safetensors.torch import save_file

from streammtl.errors import ConfigError
from streammtl.mixers.registry import build_mixer
from streammtl.mixers.task_attention import OneToManyAttention
from streammtl.mixers.task_mixer import MixerSettings
from streammtl.stablemtl.diffusion import transformer_blocks
from streammtl.stablemtl.multi_stream import after_spatial_attention
from streammtl.stablemtl.wanted import Wanted, every_task

WIDTH = 16
TEN = ("depth", "normals", "albedo", "shading", "optical_flow", "scene_flow", "semantics", "saliency", "boundaries")
TEN = (*TEN, "human_parts")


def attention_of(tasks, masking=0.0, speaking=True):
    torch.manual_seed(0)
    attention = OneToManyAttention(tasks, WIDTH, 4, masking)
    if speaking:
        torch.nn.init.normal_(attention.out.weight, std=0.3)
    return attention


def tokens_of(tasks, samples=2, tokens=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {task: torch.randn(samples, tokens, WIDTH, generator=generator) for task in tasks}


def asked(attention, tasks, own, others):
    """All tasks of all samples at once: {task: [B,N,C]}."""
    samples = len(next(iter(own.values())))
    wanted = every_task(tasks, samples, torch.device("cpu"))
    said = attention(torch.cat([own[task] for task in tasks]), wanted.tasks, wanted.samples, others)
    return dict(zip(tasks, said.split(samples), strict=True))


def asked_slowly(attention, task, own, others):
    """Token by token and head by head, for one sample."""
    result = torch.zeros_like(own)
    width = own.shape[-1] // attention.heads
    for n, token in enumerate(own):
        query = attention.query[task](token)
        message = []
        for head in range(attention.heads):
            part = slice(head * width, (head + 1) * width)
            names = [other for other in others if other != task]
            keys = torch.stack([attention.key[other](others[other][n])[part] for other in names])
            values = torch.stack([attention.value[other](others[other][n])[part] for other in names])
            message.append(torch.softmax(keys @ query[part] / width**0.5, 0) @ values)
        result[n] = attention.out(torch.cat(message))
    return result


@torch.no_grad()
def test_each_task_asks_all_others_at_its_own_place():
    tasks = ("a", "b", "c")
    attention, own, others = attention_of(tasks), tokens_of(tasks), tokens_of(tasks, seed=1)
    said = asked(attention, tasks, own, others)
    for task in tasks:
        for sample in range(2):
            slow = asked_slowly(attention, task, own[task][sample], {t: x[sample] for t, x in others.items()})
            torch.testing.assert_close(said[task][sample], slow, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 4, 7, 10])
def test_one_to_n_mixes_any_number_of_tasks_and_begins_as_the_identity(count):
    tasks = tuple(f"task{i}" for i in range(count))
    torch.manual_seed(0)
    mixer = build_mixer("one_to_n", tasks, WIDTH, 12, MixerSettings(masking=0.0))
    features = {task: x.transpose(1, 2).unflatten(2, (4, 3)) for task, x in tokens_of(tasks, tokens=12).items()}
    context = torch.zeros(2, 12, 2, 2)
    assert all(torch.equal(features[task], x) for task, x in mixer(features, context).items())
    for layer in mixer.layers:
        torch.nn.init.normal_(layer.out.weight, std=0.3)
    mixed = mixer(features, context)
    alone = [torch.allclose(features[task], x) for task, x in mixed.items()]
    assert alone == [count == 1] * count
    if count > 1:
        torch.stack([x.square().sum() for x in mixed.values()]).sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in mixer.parameters())


@torch.no_grad()
def test_permuting_tasks_permutes_outputs():
    tasks = ("a", "b", "c", "d")
    torch.manual_seed(0)
    mixer, other = (build_mixer("one_to_n", order, WIDTH, 12, MixerSettings()) for order in (tasks, tasks[::-1]))
    for layer in mixer.layers:
        torch.nn.init.normal_(layer.out.weight, std=0.3)
    other.load_state_dict(mixer.state_dict())
    features = {task: x.transpose(1, 2).unflatten(2, (4, 3)) for task, x in tokens_of(tasks, tokens=12).items()}
    context = torch.zeros(2, 12, 2, 2)
    mixed = mixer.eval()(features, context)
    for turned in (mixer(dict(reversed(features.items())), context), other.eval()(features, context)):
        for task in tasks:
            torch.testing.assert_close(turned[task], mixed[task], atol=1e-5, rtol=1e-5)
    exchanged = mixer({**features, "a": features["b"], "b": features["a"]}, context)
    assert not torch.allclose(exchanged["a"], mixed["b"], atol=1e-3)


def test_masking_leaves_one_task_unasked_at_its_share_and_prefers_those_that_are_listened_to():
    tasks = ("own", "loud", "quiet", "still")
    attention = attention_of(tasks, masking=0.4)
    own, others = tokens_of(tasks, tokens=20), tokens_of(tasks, tokens=20, seed=1)
    with torch.no_grad():  # keys that all queries like, some, and none
        for task, size in (("own", 2.0), ("loud", 0.25), ("quiet", 0.0), ("still", -0.25)):
            part = attention.query if task == "own" else attention.key
            part[task][-1].weight.zero_()
            part[task][-1].bias.fill_(size)
    marks = {task: torch.full_like(others[task], 1.0).requires_grad_() for task in tasks[1:]}
    torch.manual_seed(3)
    dropped = dict.fromkeys(tasks[1:], 0)
    for _ in range(240):
        said = asked(attention, ("own",), own, {task: others[task] * mark for task, mark in marks.items()})["own"]
        found = torch.autograd.grad(said.square().sum(), list(marks.values()))
        for task, gradient in zip(marks, found, strict=True):
            dropped[task] += int(gradient.abs().sum() == 0)
    assert sum(dropped.values()) == pytest.approx(96, abs=24)  # one at a time, in 40 % of the calls
    assert dropped["loud"] > dropped["quiet"] > dropped["still"]
    attention.eval()
    said = [asked(attention, ("own",), own, others)["own"] for _ in range(8)]
    assert all(torch.equal(x, said[0]) for x in said)


def test_the_only_other_task_is_never_masked_and_draws_follow_the_seed():
    tasks = ("a", "b")
    attention, own, others = attention_of(tasks, masking=0.99), tokens_of(tasks), tokens_of(tasks, seed=1)
    assert all(asked(attention, ("a",), own, others)["a"].abs().sum() > 0 for _ in range(20))
    many = ("a", "b", "c", "d")
    attention, own, others = attention_of(many, masking=0.5), tokens_of(many), tokens_of(many, seed=1)

    def drawn():
        torch.manual_seed(5)
        return torch.stack([asked(attention, many, own, others)["a"] for _ in range(5)])

    assert torch.equal(drawn(), drawn())


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match="3 attention heads"):
        OneToManyAttention(("a", "b"), WIDTH, 3, 0.0)


@pytest.mark.parametrize("count", [1, 3, 7, 10])
@torch.no_grad()
def test_stage_two_begins_exactly_as_stage_one(latent, tmp_path, count):
    tasks = TEN[:count]
    single = latent.network(tasks, seed=2).eval()
    save_file(single.state_dict(), tmp_path / "stage1.safetensors")
    multi = latent.network(tasks, multi_stream=True, weights=tmp_path / "stage1.safetensors").eval()
    assert len(multi.task_attention) == len(transformer_blocks(multi.main.unet)) == 4
    batch = latent.batch(next_frames=True, samples=1)
    wanted = every_task(tasks, 1, batch.images.device)
    assert torch.equal(multi(batch, wanted), single(batch, wanted))


def speaking(network):
    torch.manual_seed(4)
    for attention in network.task_attention:
        torch.nn.init.normal_(attention.out.weight, std=0.3)
    return network


@torch.no_grad()
def test_tasks_predicted_as_one_batch_are_those_predicted_one_by_one(latent):
    tasks = TEN[:3]
    network = speaking(latent.network(tasks, multi_stream=True)).eval()
    batch = latent.batch()
    together = network(batch, every_task(tasks, 2, batch.images.device)).split(2)
    for task, expected in zip(tasks, together, strict=True):
        alone = network(batch, every_task((task,), 2, batch.images.device))
        torch.testing.assert_close(alone, expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_order_of_a_networks_tasks_is_no_matter(latent, tmp_path):
    tasks = TEN[:3]
    network = speaking(latent.network(tasks, multi_stream=True)).eval()
    save_file(network.state_dict(), tmp_path / "stage2.safetensors")
    turned = latent.network(tasks[::-1], multi_stream=True, weights=tmp_path / "stage2.safetensors").eval()
    batch = latent.batch(samples=1)
    first = dict(zip(tasks, network(batch, every_task(tasks, 1, batch.images.device)), strict=True))
    second = dict(zip(tasks[::-1], turned(batch, every_task(tasks[::-1], 1, batch.images.device)), strict=True))
    for task in tasks:
        torch.testing.assert_close(first[task], second[task], atol=1e-5, rtol=1e-4)


def test_a_batch_of_one_task_updates_that_tasks_question_and_the_others_answers_alone(latent):
    tasks = TEN[:3]
    network = speaking(latent.network(tasks, multi_stream=True, mixer_masking=0.0))
    batch = latent.batch()
    network(batch, Wanted(torch.tensor([0, 1]), ("depth", "depth"))).square().sum().backward()
    learning = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert not any(name.startswith(("vae.", "auxiliary.")) for name in learning)
    assert {name for name in learning if ".tokens." in name} == {"main.tokens.depth"}
    parts = {tuple(name.split(".")[2:4]) for name in learning if name.startswith("task_attention.")}
    expected = {("query", "depth"), ("key", "normals"), ("key", "albedo"), ("value", "normals"), ("value", "albedo")}
    assert {part for part in parts if part[0] != "out"} == expected
    assert {name.split(".")[1] for name in learning if name.startswith("task_attention.")} == set("0123")


def test_at_the_very_start_only_the_last_map_of_the_attention_learns(latent):
    network = latent.network(TEN[:3], multi_stream=True)
    batch = latent.batch(samples=1)
    network(batch, Wanted(torch.tensor([0]), ("depth",))).square().sum().backward()
    learning = {
        name
        for name, p in network.named_parameters()
        if name.startswith("task_attention.") and p.grad is not None and p.grad.abs().sum() > 0
    }
    assert learning == {f"task_attention.{i}.out.{part}" for i in range(4) for part in ("weight", "bias")}


@torch.no_grad()
def test_features_are_taken_before_they_are_added_and_hooks_leave_nothing_behind(latent):
    network = latent.network(TEN[:1]).eval()
    batch = latent.batch(samples=1)
    wanted = every_task(TEN[:1], 1, batch.images.device)
    before = network(batch, wanted)
    seen = {}
    with after_spatial_attention(network.main.unet, lambda block, output: seen.setdefault(block, output) * 0):
        silenced = network(batch, wanted)
    assert sorted(seen) == [0, 1, 2, 3] and not torch.allclose(silenced, before)
    assert torch.equal(network(batch, wanted), before)
