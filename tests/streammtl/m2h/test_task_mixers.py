import pytest
import torch
import torch.nn.functional as F

from streammtl.errors import ConfigError
from streammtl.mixers.registry import build_mixer, mixer_names, register_mixer
from streammtl.mixers.task_mixer import MixerSettings, TaskMixer
from streammtl.mixers.task_windows import TaskWindows

WIDTH, CONTEXT = 16, 12
ALL = ("wmca", "ggfm", "wmca+ggfm")
SHIFTED = MixerSettings(shifted=True)


def tasks_of(count):
    return tuple(f"task{i}" for i in range(count))


def inputs(tasks, size=(10, 9), batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = {task: torch.randn(batch, WIDTH, *size, generator=generator) for task in tasks}
    return features, torch.randn(batch, CONTEXT, 3, 4, generator=generator)


def mixer_of(name, tasks, settings=None):
    """A mixer that has learnt something: layers that start at zero are not left so."""
    torch.manual_seed(0)
    mixer = build_mixer(name, tasks, WIDTH, CONTEXT, settings or MixerSettings())
    for layer in mixer.modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d) and not layer.weight.any():
            layer.reset_parameters()
    return mixer


def layer_slowly(layer, features, labels, side, offset):
    """Window by window, with the pixels that exist and no others: what TokenAttention on TaskWindows must be."""
    tasks, height, width, _ = features.shape
    result = torch.empty_like(features)
    for top in range(-offset, height, side):
        for left in range(-offset, width, side):
            where = [
                (t, y, x)
                for t in range(tasks)
                for y in range(max(top, 0), min(top + side, height))
                for x in range(max(left, 0), min(left + side, width))
            ]
            tokens = torch.stack([features[place] for place in where])
            known = torch.stack([labels[t, (y - top) * side + x - left] for t, y, x in where])
            q, k, v = layer.query_key_value(layer.norm_attention(tokens) + known).chunk(3, -1)
            said = []
            for a, b, c in zip(*(m.chunk(layer.heads, -1) for m in (q, k, v)), strict=True):
                said.append(torch.softmax(a @ b.T / a.shape[-1] ** 0.5, -1) @ c)
            tokens = tokens + layer.merge(torch.cat(said, -1))
            tokens = tokens + layer.feed_forward(layer.norm_feed_forward(tokens))
            for place, token in zip(where, tokens, strict=True):
                result[place] = token
    return result


@pytest.mark.parametrize("size", [(10, 9), (7, 14), (3, 5)])
@pytest.mark.parametrize("shifted", [False, True])
@torch.no_grad()
def test_windowed_attention_is_attention_among_the_pixels_of_a_window_that_exist(size, shifted):
    tasks = tasks_of(3)
    mixer = mixer_of("wmca", tasks, MixerSettings(shifted=shifted))
    features, context = inputs(tasks, size)
    labels = torch.stack([mixer.names[t] for t in tasks])[:, None] + mixer.places
    mixed = mixer(features, context)
    for sample in range(2):
        slow = torch.stack([features[t][sample].permute(1, 2, 0) for t in tasks])
        for number, layer in enumerate(mixer.layers):
            slow = layer_slowly(layer, slow, labels, 7, 3 if shifted and number % 2 else 0)
        for i, task in enumerate(tasks):
            torch.testing.assert_close(mixed[task][sample].permute(1, 2, 0), slow[i], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("count", [1, 3, 4, 7, 10])
def test_mixers_take_any_number_of_tasks_and_all_their_parameters_learn(name, count):
    tasks = tasks_of(count)
    mixer = mixer_of(name, tasks, MixerSettings(channels=8, shifted=True))
    features, context = inputs(tasks)
    mixed = mixer(features, context)
    assert {task: tuple(x.shape) for task, x in mixed.items()} == dict.fromkeys(tasks, (2, WIDTH, 10, 9))
    torch.stack([x.square().sum() for x in mixed.values()]).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in mixer.parameters())


@pytest.mark.parametrize("channels", [None, 8])
@torch.no_grad()
def test_windowed_attention_starts_as_the_identity(channels):
    tasks = tasks_of(3)
    features, context = inputs(tasks)
    mixed = build_mixer("wmca", tasks, WIDTH, CONTEXT, MixerSettings(channels=channels))(features, context)
    assert all(torch.equal(mixed[task], features[task]) for task in tasks)


@pytest.mark.parametrize("name", ALL)
@torch.no_grad()
def test_permuting_tasks_permutes_outputs(name):
    tasks = tasks_of(4)
    mixer, other = mixer_of(name, tasks, SHIFTED), mixer_of(name, tasks[::-1], SHIFTED)
    other.load_state_dict(mixer.state_dict())
    features, context = inputs(tasks)
    mixed = mixer(features, context)
    for turned in (mixer(dict(reversed(features.items())), context), other(features, context)):
        for task in tasks:
            torch.testing.assert_close(turned[task], mixed[task], atol=1e-5, rtol=1e-5)
    exchanged = mixer({**features, "task0": features["task1"], "task1": features["task0"]}, context)
    assert not torch.allclose(exchanged["task0"], mixed["task1"], atol=1e-3)  # a task is more than its place


@torch.no_grad()
def test_a_pixel_speaks_to_all_tasks_of_its_window_and_to_no_other_window_unless_shifted():
    tasks = tasks_of(2)
    features, context = inputs(tasks, (14, 14), batch=1)
    changed = {**features, "task0": features["task0"].clone()}
    changed["task0"][:, :4, 5, 5] += 3
    for shifted, reach in ((False, 7), (True, 11)):
        mixer = mixer_of("wmca", tasks, MixerSettings(shifted=shifted))
        before, after = mixer(features, context), mixer(changed, context)
        for task in tasks:
            rows, columns = (before[task] - after[task]).abs().sum((0, 1)).gt(1e-6).nonzero().max(0).values.tolist()
            assert (rows, columns) == (reach - 1, reach - 1)


@pytest.mark.parametrize(
    ("size", "side", "offset"), [((10, 9), 7, 0), ((10, 9), 7, 3), ((14, 7), 7, 0), ((2, 1), 7, 3)]
)
def test_windows_hold_every_pixel_once_and_none_is_all_padding(size, side, offset):
    windows = TaskWindows(size, side, offset)
    maps = torch.arange(2.0 * 3 * size[0] * size[1]).view(2, 3, *size, 1) + 1
    tokens = windows.split(maps)
    assert torch.equal(windows.merge(tokens, 3), maps)
    inside = windows.inside(2, 3, maps.device)
    if inside is None:
        assert size == (14, 7)
    else:
        assert int(inside.sum()) == maps.numel() and bool(inside.any(-1).all())
        assert torch.equal(tokens[..., 0] > 0, inside[:, 0, 0])


@torch.no_grad()
def test_the_global_gate_strengthens_features_and_adds_what_the_encoder_says():
    tasks = tasks_of(2)
    mixer = mixer_of("ggfm", tasks)
    features, context = inputs(tasks)
    for gate in mixer.gates.values():
        gate[-2].weight.zero_()
        gate[-2].bias.fill_(torch.logit(torch.tensor(0.25)))
    mixed = mixer(features, context)
    for task in tasks:
        unique = F.interpolate(mixer.unique[task](context), (10, 9), mode="bilinear")
        torch.testing.assert_close(mixed[task], 1.25 * features[task] + unique)


@torch.no_grad()
def test_mixers_side_by_side_start_near_their_mean():
    tasks = tasks_of(3)
    mixer = mixer_of("wmca+ggfm", tasks)
    features, context = inputs(tasks)
    mixed, parts = mixer(features, context), [part(features, context) for part in mixer.parts]
    for task in tasks:
        mean = (parts[0][task] + parts[1][task]) / 2
        assert (mixed[task] - mean).square().mean() < 0.05 * mean.square().mean()


def test_wrong_mixers_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'wmca'"):
        mixer_of("wcma", tasks_of(2))
    with pytest.raises(ConfigError, match="unknown"):
        mixer_of("wmca+none", tasks_of(2))
    with pytest.raises(ConfigError, match="heads"):
        mixer_of("wmca", tasks_of(2), MixerSettings(heads=3))
    with pytest.raises(ConfigError, match="taken"):
        register_mixer("wmca")(type("Another", (TaskMixer,), {}))
    assert {"wmca", "ggfm"} <= set(mixer_names())
