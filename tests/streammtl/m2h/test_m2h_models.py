import pytest
import torch

from streammtl.encoders.tiny import TinyEncoder
from streammtl.errors import CheckpointError, ConfigError
from streammtl.geometry import pixel_grid
from streammtl.losses.multi_task import multi_task_loss
from streammtl.models.costs import network_cost
from streammtl.models.cross_view_mtl import CrossViewMtl
from streammtl.models.network_settings import M2H_CVM, M2H_SMALL
from streammtl.models.registry import build_model, model_class
from streammtl.models.settings import ModelSettings

TASKS = ("depth", "semantics", "normals", "boundaries")
SIZE = (64, 96)
TINY = {"encoder": "tiny", "decoder_width": 16, "mixer_channels": 16, "allow_untrained": True}
CHEAP = {"cross_view_channels": 16, "cross_view_layers": 1, "num_planes": 8}


@pytest.mark.parametrize("name", ["m2h", "m2h-small", "m2h-lite", "m2h-cvm"])
def test_untrained_weights_are_refused(name):
    with pytest.raises(CheckpointError, match="has no trained weights"):
        build_model(ModelSettings(name=name, encoder="tiny"))


@pytest.mark.parametrize("name", ["m2h", "m2h-small", "m2h-lite", "m2h-cvm"])
def test_m2h_predicts_values_of_every_task(name, scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=0.15)], size=SIZE, focal=80.0)
    settings = ModelSettings(name=name, **TINY, **CHEAP)
    outputs = build_model(ModelSettings.model_validate_json(settings.model_dump_json())).predict(batch)
    assert {t: v.shape[1] for t, v in outputs.values.items()} == dict(zip(TASKS, (1, 40, 3, 1), strict=True))
    assert all(v.shape[-2:] == SIZE and v.isfinite().all() for v in outputs.values.values())
    assert (outputs.values["depth"] > 0).all() and ((outputs.confidence >= 0) & (outputs.confidence <= 1)).all()
    torch.testing.assert_close(outputs.values["semantics"].sum(1), torch.ones(1, *SIZE))
    normals = outputs.values["normals"]
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(1, *SIZE))
    rays = (torch.linalg.inv(batch.K[0, 0]) @ pixel_grid(*SIZE)).view(1, 3, *SIZE)
    assert ((normals * rays).sum(1) <= 0).all()


@torch.no_grad()
def test_only_m2h_with_cross_view_sees_the_other_views_and_then_all_tasks_do(scenes):
    poses = [scenes.pose(), scenes.pose(x=0.15)]
    batch, _ = scenes.batch(scenes.scene(), poses, size=SIZE, focal=80.0)
    other, _ = scenes.batch(scenes.scene(), poses, size=SIZE, focal=80.0)
    other.images[:, 1] = other.images[:, 1].flip(-1)
    for name, sees in (("m2h-small", False), ("m2h-cvm", True)):
        model = build_model(ModelSettings(name=name, **TINY, **CHEAP))
        first, second = model.network(batch).raw, model.network(other).raw
        changes = {task: not torch.equal(first[task], second[task]) for task in TASKS if task != "depth"}
        assert changes == dict.fromkeys(changes, sees)


def test_mixers_and_their_settings_reach_the_network():
    def parts(**changes):
        return model_class("m2h-small").network_settings.changed_by(ModelSettings(name="m2h-small", **changes))

    assert parts() == M2H_SMALL
    assert parts(mixer_shifted=True, mixer_layers=3).mixing.model_dump() | {"shifted": False, "layers": 2} == (
        M2H_SMALL.mixing.model_dump()
    )
    for mixer in ("none", "wmca", "ggfm", "wmca+ggfm"):
        network = CrossViewMtl(TinyEncoder(), TASKS, parts(mixer=mixer, decoder_width=16))
        assert (network.mixer is None) == (mixer == "none")
    with pytest.raises(ConfigError, match="did you mean"):
        CrossViewMtl(TinyEncoder(), TASKS, parts(mixer="wmac"))


def test_the_whole_network_learns(scenes):
    batch, depth = scenes.batch(scenes.scene(), [scenes.pose(), scenes.pose(x=0.15)], size=SIZE, focal=80.0)
    batch.targets = {
        "depth": torch.from_numpy(depth)[None, None, None],
        "semantics": (torch.arange(SIZE[1]) // 12).expand(1, 1, 1, *SIZE),
        "normals": torch.tensor([0.0, 0.6, -0.8]).view(1, 1, 3, 1, 1).expand(1, 1, 3, *SIZE),
    }
    torch.manual_seed(0)
    cross = M2H_CVM.cross_view.model_copy(update={"channels": 16, "layers": 1, "num_planes": 8})
    network = CrossViewMtl(TinyEncoder(), TASKS, M2H_CVM.model_copy(update={"decoder_width": 16, "cross_view": cross}))
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(10):
        loss = multi_task_loss(network(batch).raw, batch)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
        losses.append(loss.total.item())
    assert losses[-1] < 0.8 * losses[0]
    without = {name.split(".")[0] for name, p in network.heads.named_parameters() if p.grad is None}
    assert without == {"boundaries"}  # a task without labels has no gradient on its head


@pytest.mark.parametrize(
    ("name", "parameters_m", "gflop"), [("m2h", 63.36, 168.0), ("m2h-small", 22.78, 17.3)], ids=["m2h", "m2h-small"]
)
def test_cost_at_the_size_of_the_papers_table(name, parameters_m, gflop):
    cost = network_cost(model_class(name), ModelSettings(name=name), (224, 224), 1)
    assert sum(part.parameters for part in cost.parts) / 1e6 == pytest.approx(parameters_m, abs=0.01)
    assert sum(part.flops for part in cost.parts) / 1e9 == pytest.approx(gflop, abs=0.1)
    mixer = next(part for part in cost.parts if part.name == "mixer")
    tokens, width = 4 * 56 * 56, {"m2h": 256, "m2h-small": 64}[name]
    attention = 2 * (12 * width**2 + 2 * 4 * 49 * width) * tokens  # two layers; 49 tokens of four tasks see each other
    joined = 2 * width**2 * tokens
    last_level, gates = 4 * 16**2 * 384 * width, 4 * width**2 // 2
    assert mixer.flops == 2 * (attention + joined + last_level + gates)  # a product and a sum
