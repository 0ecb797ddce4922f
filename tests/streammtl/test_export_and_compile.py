import os
import shutil

import pytest
import torch

from streammtl.crossview.cost_volume import build_cost_volume
from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.multiview_transformer import MultiViewTransformer
from streammtl.crossview.settings import CrossViewSettings
from streammtl.crossview.warp import sweep_geometry
from streammtl.encoders.tiny import TinyEncoder
from streammtl.errors import ConfigError
from streammtl.models.cross_view_mtl import CrossViewMtl
from streammtl.models.export import INPUTS, export_program
from streammtl.models.network_settings import NetworkSettings
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings
from streammtl.views import ViewBatch

SIZE = (64, 96)


def model_of(name: str, **change):
    fixed = {"allow_untrained": True, "pretrained_encoder": False, "num_planes": 16, "precision": "fp32"}
    settings = ModelSettings(name=name, **fixed, **change)
    model = build_model(settings)
    for parameter in model.network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(0))
    return model


def moved(scenes, xs=(0.0, -0.15, 0.2), present=3) -> ViewBatch:
    poses = [scenes.pose(x=x, z=x / 2, yaw=x / 3) for x in xs]
    batch, _ = scenes.batch(scenes.scene(), poses, size=SIZE, focal=80.0)
    batch.view_mask[:, present:] = False
    return batch


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("cvm-lite", {}),
        ("cvm-lite", {"encoder": "tiny", "plane_metadata": True}),
        ("cvm", {"encoder": "tiny", "cross_view_channels": 16, "cross_view_layers": 2}),
    ],
    ids=["cvm-lite", "metadata", "cvm"],
)
def test_an_exported_network_predicts_the_same_for_any_poses_and_masks(name, change, scenes):
    model = model_of(name, **change)
    graph = export_program(model, SIZE, 3).module()
    for batch in (moved(scenes), moved(scenes, (0.0, 0.3, -0.1)), moved(scenes, present=1)):
        expected = model.predict(batch)
        found = graph(*(getattr(batch, field).contiguous() for field in INPUTS))
        assert set(found) == {*expected.values, "confidence"}
        for task, value in expected.values.items():
            torch.testing.assert_close(found[task], value, atol=2e-3, rtol=2e-3)
        torch.testing.assert_close(found["confidence"], expected.confidence, atol=2e-3, rtol=2e-3)


def test_an_exported_network_is_read_back_from_its_file(scenes, tmp_path):
    model = model_of("cvm-lite", encoder="tiny", cross_view_layers=1)
    program = export_program(model, SIZE, 2)
    torch.export.save(program, tmp_path / "network.pt2")
    batch = moved(scenes, (0.0, -0.15), 2)
    inputs = [getattr(batch, field).contiguous() for field in INPUTS]
    again = torch.export.load(tmp_path / "network.pt2").module()(*inputs)
    torch.testing.assert_close(again, program.module()(*inputs))


def test_what_cannot_be_exported_is_refused():
    with pytest.raises(ConfigError, match="planesweep has no network"):
        export_program(build_model(ModelSettings(name="planesweep")), SIZE, 2)
    with pytest.raises(ConfigError, match="multiples of 16"):
        export_program(model_of("cvm-lite", encoder="tiny"), (60, 96), 2)


needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None, reason="torch.compile needs a C++ compiler here"
)


@needs_compiler
@torch.no_grad()
def test_a_compiled_cost_volume_has_the_same_scores(scenes):
    batch = moved(scenes)
    features = torch.randn(1, 3, 16, 8, 12, generator=torch.Generator().manual_seed(0))
    geometry, planes = sweep_geometry(batch, (8, 12)), depth_hypotheses(batch.near_m, batch.far_m, 16)
    plain = build_cost_volume(features[:, 0], features[:, 1:], geometry, planes)
    compiled = torch.compile(build_cost_volume)(features[:, 0], features[:, 1:], geometry, planes)
    torch.testing.assert_close(compiled.scores, plain.scores, atol=1e-4, rtol=1e-4)
    assert torch.equal(compiled.views, plain.views)


@needs_compiler
@torch.no_grad()
def test_a_compiled_transformer_gives_the_same_features():
    torch.manual_seed(0)
    transformer = MultiViewTransformer(16, 1).eval()
    torch.nn.init.normal_(transformer.adapter.out.weight, std=0.1)
    neighbours = torch.tensor([[[1, 2], [0, 2], [0, 1]]])
    inputs = (torch.rand(1, 3, 16, 8, 12), neighbours, torch.ones(1, 3, 2, dtype=torch.bool))
    torch.testing.assert_close(torch.compile(transformer)(*inputs), transformer(*inputs), atol=1e-4, rtol=1e-4)


@needs_compiler
@pytest.mark.skipif("STREAMMTL_SLOW" not in os.environ, reason="takes a minute or two; set STREAMMTL_SLOW=1 to run it")
@torch.no_grad()
def test_a_network_compiled_to_native_code_predicts_the_same(scenes):
    torch.manual_seed(0)
    cross_view = CrossViewSettings(num_planes=16, channels=16, layers=1)
    settings = NetworkSettings(cross_view=cross_view, decoder_width=16)
    network = CrossViewMtl(TinyEncoder(), ("depth", "normals"), settings).eval()
    compiled = torch.compile(network)
    for xs in ((0.0, -0.15, 0.2), (0.0, 0.3, -0.1)):
        batch = moved(scenes, xs)
        plain, found = network(batch), compiled(batch)
        torch.testing.assert_close(found.raw, plain.raw, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(found.cross_view.volume, plain.cross_view.volume, atol=1e-3, rtol=1e-3)
