import pytest
import torch

from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.module import CrossViewModule
from streammtl.crossview.settings import PAPER, CrossViewSettings
from streammtl.decoders.depth_prior import focal_lengths, usual_log_depth
from streammtl.encoders.tiny import TinyEncoder
from streammtl.encoders.vision_transformer import VisionTransformerEncoder
from streammtl.errors import CheckpointError, ConfigError
from streammtl.models.cross_view_mtl import CrossViewMtl
from streammtl.models.network_settings import LITE, NetworkSettings
from streammtl.models.network_settings import PAPER as PAPER_NETWORK
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings

TASKS = ("depth", "semantics", "normals", "boundaries")
SMALL = {"num_planes": 16, "channels": 16}


def make_batch(scenes, xs=(0.0, -0.15, 0.15)):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose(x=x) for x in xs], size=(64, 96), focal=80.0)
    return batch


def transformer() -> VisionTransformerEncoder:
    return VisionTransformerEncoder("vit_small_patch14_dinov2", depth=4, embed_dim=32, num_heads=2, init_values=1.0)


def awake(network: CrossViewMtl) -> CrossViewMtl:
    """The network with noise where layers start at zero, which would stop gradients."""
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network


@pytest.mark.parametrize("decoder", ["levels", "pyramid"])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"cost_volume": False},
        {"cross_view_features": False},
        {"cost_volume": False, "cross_view_features": False},
        {"upsampling": 4},
        {"upsampling": 2, "cross_view_features": False},
        {"spacing": "log"},
        {"spacing": "paper_literal"},
        {"single_view": "duplicate"},
        {"neighbour_rule": "distance"},
        {"layers": 2},
        {"match_features": "encoder"},
    ],
    ids=str,
)
def test_every_ablation_predicts_and_trains(change, decoder, scenes):
    torch.manual_seed(0)
    settings = NetworkSettings(cross_view=CrossViewSettings(**SMALL, **change), decoder=decoder, decoder_width=16)
    network = awake(CrossViewMtl(TinyEncoder(), TASKS, settings))
    outputs = network(make_batch(scenes))
    assert {task: raw.shape[-2:] for task, raw in outputs.raw.items()} == dict.fromkeys(TASKS, (64, 96))
    (sum(raw.square().mean() for raw in outputs.raw.values()) + outputs.log_depth_scale.square().mean()).backward()
    unused = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is None}
    # the encoder's finest level is finer than the decoder's output; the pyramid joins before upsampling
    assert unused <= {"encoder", *(("cross_view",) if decoder == "pyramid" and "upsampling" in change else ())}


@pytest.mark.parametrize("kind", ["encoder", "lora", "adapter"])
def test_features_can_be_matched_by_the_encoders_own(kind, scenes):
    torch.manual_seed(0)
    settings = NetworkSettings(cross_view=CrossViewSettings(**SMALL, match_features=kind), decoder_width=16)
    network = awake(CrossViewMtl(transformer(), TASKS, settings))
    outputs = network(make_batch(scenes))
    assert outputs.cross_view.volume.shape == (1, 16, 8, 12)
    outputs.cross_view.volume.square().sum().backward()
    of_matching = [p for name, p in network.named_parameters() if name.startswith("cross_view.encoder")]
    assert of_matching
    assert all(p.grad.abs().sum() > 0 for p in of_matching)
    assert network.encoder.backbone.blocks[0].attn.proj.weight.grad.abs().sum() > 0
    names = [name for name, _ in network.named_parameters() if "backbone" in name]
    assert all(name.startswith("encoder.") for name in names)


@pytest.mark.parametrize("kind", ["lora", "adapter"])
def test_lora_and_adapters_need_a_transformer(kind):
    with pytest.raises(ConfigError, match=r"vision transformer|attention"):
        CrossViewModule(CrossViewSettings(**SMALL, match_features=kind), TinyEncoder())
    with pytest.raises(ConfigError, match="needs the network's encoder"):
        CrossViewModule(CrossViewSettings(**SMALL, match_features=kind))


@torch.no_grad()
def test_a_duplicated_view_scores_the_same_at_every_plane(scenes):
    """The paper's single-image inference: its volume holds one number per pixel, |F|²/sqrt(C)."""
    torch.manual_seed(0)
    module = CrossViewModule(CrossViewSettings(**SMALL, single_view="duplicate")).eval()
    single = module(make_batch(scenes, (0.0,)))
    assert single.valid[..., 1:-1, 1:-1].all()
    inner = single.volume[..., 1:-1, 1:-1]
    expected = single.features.square().sum(1, keepdim=True)[..., 1:-1, 1:-1] / 4.0
    torch.testing.assert_close(inner, expected.expand_as(inner), atol=1e-2, rtol=1e-3)
    learned = CrossViewModule(CrossViewSettings(**SMALL)).eval()
    learned.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(make_batch(scenes)).volume, learned(make_batch(scenes)).volume)


def test_the_literal_planes_see_nothing_of_a_room():
    planes = depth_hypotheses(torch.tensor([0.5]), torch.tensor([8.0]), 128, "paper_literal")[0]
    assert planes[-1] == 10.0
    assert (planes < 0.013).sum() == 127
    assert (planes < 0.001).sum() == 115
    assert (planes.diff() > 0).all()


def test_the_papers_levels_and_planes_are_the_default_of_cvm():
    assert (PAPER.num_planes, PAPER.channels, PAPER.layers, PAPER.spacing) == (128, 128, 6, "inverse")
    assert PAPER_NETWORK.changed_by(ModelSettings()) == PAPER_NETWORK


def test_one_setting_is_one_ablation():
    changed = PAPER_NETWORK.changed_by(ModelSettings(num_planes=96, match_features="lora", cost_volume=False))
    assert changed.cross_view == PAPER.model_copy(
        update={"num_planes": 96, "match_features": "lora", "cost_volume": False}
    )
    assert LITE.changed_by(ModelSettings(encoder="tiny")).encoder == "tiny"


@pytest.mark.parametrize("encoder", ["tiny", "mobilenetv4_conv_small_035"])
def test_cvm_runs_on_other_encoders_and_from_saved_settings(encoder, scenes):
    settings = ModelSettings(
        name="cvm",
        encoder=encoder,
        num_planes=16,
        cross_view_channels=16,
        allow_untrained=True,
        pretrained_encoder=False,
    )
    batch = make_batch(scenes)
    outputs = build_model(ModelSettings.model_validate_json(settings.model_dump_json())).predict(batch)
    usual = usual_log_depth(focal_lengths(batch.K[:, 0])).exp()
    torch.testing.assert_close(outputs.values["depth"], usual.expand(1, 1, 64, 96))  # before anything is learnt
    assert torch.isfinite(outputs.values["semantics"]).all()


def test_cvm_without_weights_is_refused():
    with pytest.raises(CheckpointError, match="allow_untrained"):
        build_model(ModelSettings(name="cvm"))


@torch.no_grad()
def test_unused_neighbour_slots_cost_and_change_nothing(scenes):
    torch.manual_seed(0)
    two, five = (CrossViewModule(CrossViewSettings(**SMALL, num_neighbours=n)).eval() for n in (2, 5))
    five.load_state_dict(two.state_dict())
    batch = make_batch(scenes)
    assert torch.equal(two(batch).volume, five(batch).volume)


@torch.no_grad()
def test_each_view_attends_to_its_two_best_of_many(scenes):
    torch.manual_seed(0)
    module = CrossViewModule(CrossViewSettings(**SMALL, neighbour_rule="distance")).eval()
    many = make_batch(scenes, (0.0, 0.1, -0.12, 0.8, -0.9))
    moved = make_batch(scenes, (0.0, 0.1, -0.12, 0.8, -0.9))
    moved.images = moved.images.clone()
    moved.images[:, 3:] = 1.0 - moved.images[:, 3:]
    # the far views reach the reference only by way of its neighbours' neighbours, which are the near ones
    torch.testing.assert_close(module(many).volume, module(moved).volume)
    moved.images[:, 1] = 1.0 - moved.images[:, 1]
    assert (module(many).volume - module(moved).volume).abs().max() > 1e-3


@torch.no_grad()
def test_the_hot_parts_compile_to_one_graph_each(scenes):
    torch.manual_seed(0)
    module = CrossViewModule(CrossViewSettings(**SMALL)).eval()
    images = torch.rand(2, 3, 64, 96)
    maps = torch.rand(1, 2, 16, 8, 12)
    neighbours = torch.tensor([[[1], [0]]])
    encoder = TinyEncoder().eval()
    for part, inputs in (
        (module.encoder, (images,)),
        (module.transformer, (maps, neighbours, torch.ones(1, 2, 1, dtype=torch.bool))),
    ):
        compiled = torch.compile(part, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(*inputs), part(*inputs))
    compiled = torch.compile(encoder, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images).levels, encoder(images).levels)


@torch.no_grad()
def test_a_whole_compiled_network_predicts_the_same(scenes):
    torch.manual_seed(0)
    settings = NetworkSettings(cross_view=CrossViewSettings(**SMALL), decoder_width=16)
    network = awake(CrossViewMtl(TinyEncoder(), TASKS, settings)).eval()
    batch = make_batch(scenes)
    compiled = torch.compile(network, backend="eager")(batch)
    for task, raw in network(batch).raw.items():
        torch.testing.assert_close(compiled.raw[task], raw, atol=1e-4, rtol=1e-4)
