"""A cost volume at 1/4 instead of 1/8."""

import pytest
import torch

from streammtl.crossview.cost_volume import build_cost_volume
from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.module import CrossViewModule
from streammtl.crossview.settings import CrossViewSettings
from streammtl.crossview.warp import sweep_geometry
from streammtl.errors import ConfigError
from streammtl.models.network_settings import LITE
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings

SIZE = (64, 96)
FINE = {"num_planes": 16, "channels": 16, "layers": 2, "volume_stride": 4, "fine_channels": 8}


@pytest.fixture
def batch(scenes):
    poses = [scenes.pose(), scenes.pose(x=-0.15), scenes.pose(x=0.2)]
    return scenes.batch(scenes.scene(), poses, size=SIZE, focal=80.0)[0]


def test_features_stay_at_an_eighth_and_the_volume_is_at_a_quarter(batch):
    cross = CrossViewModule(CrossViewSettings(**FINE))(batch)
    assert cross.features.shape == (1, 16, 8, 12)
    assert cross.volume.shape == cross.valid.shape == (1, 16, 16, 24)
    assert cross.joined.shape == (1, 32, 8, 12)
    torch.testing.assert_close(cross.joined[:, 16:, 0, 0], cross.volume[:, :, :2, :2].mean((2, 3)))


def test_its_scores_are_those_of_the_fine_features(batch):
    module = CrossViewModule(CrossViewSettings(**FINE)).eval()
    cross = module(batch)
    features, matched, neighbours, valid = module.view_features(batch, None)
    assert features.shape[-2:] == (8, 12) and matched.shape[-3:] == (8, 16, 24)
    geometry = sweep_geometry(batch, (16, 24), neighbours[:, 0], valid[:, 0])
    planes = depth_hypotheses(batch.near_m, batch.far_m, 16, "inverse")
    built = build_cost_volume(matched[:, 0], matched[:, neighbours[0, 0]], geometry, planes, method="per_plane")
    ours, plain = (torch.where(built.valid, scores, 0) for scores in (cross.volume, built.scores))
    torch.testing.assert_close(ours, plain, atol=1e-4, rtol=1e-4)


def test_a_network_with_a_fine_volume_predicts_and_all_of_it_learns(batch):
    settings = ModelSettings(
        name="cvm-lite", allow_untrained=True, encoder="tiny", pretrained_encoder=False, volume_stride=4
    )
    model = build_model(settings)
    outputs = model.predict(batch)
    assert outputs.values["depth"].shape == (1, 1, *SIZE)
    near, far = float(batch.near_m), float(batch.far_m)
    assert ((outputs.values["depth"] >= near * 0.999) & (outputs.values["depth"] <= far * 1.001)).all()
    network = model.network.train()
    torch.nn.init.normal_(network.depth_head.choice.residual.weight, std=0.1)
    raw = network(batch)
    (sum(value.float().square().mean() for value in raw.raw.values()) + raw.log_depth_scale.square().mean()).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None and not name.startswith("encoder.")]
    assert silent in ([], ["cross_view.no_match"])


def test_what_has_no_features_at_a_quarter_is_refused():
    for change in ({"match_features": "encoder"}, {"cross_view_upsampling": 2}):
        with pytest.raises(ConfigError, match="volume_stride 4 needs"):
            LITE.changed_by(ModelSettings(volume_stride=4, **change))
