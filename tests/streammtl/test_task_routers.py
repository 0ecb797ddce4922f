"""Routers mix an encoder's levels with those of adapter paths, for each task on its own."""

import pytest
import torch

from streammtl.decoders.level_decoder import LevelDecoder
from streammtl.encoders.pyramid import FeaturePyramid
from streammtl.encoders.task_routers import TaskRouters
from streammtl.errors import ConfigError
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings

TASKS = ("depth", "normals")
CHANNELS, STRIDES = (16, 16), (8, 8)


@pytest.fixture
def pyramid():
    generator = torch.Generator().manual_seed(0)
    levels = tuple(torch.randn(2, 16, 4, 6, generator=generator) for _ in CHANNELS)
    return FeaturePyramid(levels, STRIDES, (32, 48))


def trained(routers: TaskRouters) -> TaskRouters:
    torch.manual_seed(1)
    for parameter in routers.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return routers.eval()


def test_paths_start_as_the_encoder_so_every_task_gets_its_levels(pyramid):
    mixed = TaskRouters(TASKS, CHANNELS, STRIDES, 3).eval()(pyramid)
    for task in TASKS:
        for own, level in zip(mixed.by_task[task], pyramid.levels, strict=True):
            torch.testing.assert_close(own, level)


def test_tasks_get_means_of_the_paths_with_weights_of_their_own(pyramid):
    routers = trained(TaskRouters(TASKS, CHANNELS, STRIDES, 2))
    mixed = routers(pyramid)
    paths = [pyramid.levels[1], *(path(pyramid).levels[1] for path in routers.paths)]
    for task in TASKS:
        weights = routers.routers[task][1].weights(pyramid.levels[1])
        torch.testing.assert_close(weights.sum(1), torch.ones(2))
        expected = sum(weights[:, i].view(2, 1, 1, 1) * path for i, path in enumerate(paths))
        torch.testing.assert_close(mixed.by_task[task][1], expected)
    assert not torch.allclose(mixed.by_task["depth"][1], mixed.by_task["normals"][1])


def test_weights_are_noisy_while_learning_and_certain_afterwards(pyramid):
    router = trained(TaskRouters(TASKS, CHANNELS, STRIDES, 2)).routers["depth"][0]
    assert torch.equal(router.weights(pyramid.levels[0]), router.weights(pyramid.levels[0]))
    router.train()
    assert not torch.equal(router.weights(pyramid.levels[0]), router.weights(pyramid.levels[0]))


def test_a_task_teaches_its_own_router_and_all_paths(pyramid):
    routers = trained(TaskRouters(TASKS, CHANNELS, STRIDES, 2)).train()
    torch.stack([m.square().sum() for m in routers(pyramid).by_task["depth"]]).sum().backward()
    assert all(p.grad is not None for p in routers.routers["depth"].parameters())
    assert all(p.grad is None for p in routers.routers["normals"].parameters())
    assert all(p.grad.any() for p in routers.paths.parameters())


def test_the_decoder_reads_a_task_s_own_levels(pyramid):
    decoder = LevelDecoder(TASKS, CHANNELS, STRIDES, 0).eval()
    mixed = trained(TaskRouters(TASKS, CHANNELS, STRIDES, 2))(pyramid)
    alone = FeaturePyramid(mixed.by_task["normals"], STRIDES, pyramid.image_size)
    torch.testing.assert_close(decoder(mixed, None)["normals"], decoder(alone, None)["normals"])


def test_encoders_and_decoders_without_levels_of_one_stride_are_refused():
    def build(**changes):
        build_model(ModelSettings(name="cvm-lite", allow_untrained=True, adapter_paths=2, **changes))

    with pytest.raises(ConfigError, match="one stride and width"):
        build(encoder="tiny")
    with pytest.raises(ConfigError, match="decoder=levels"):
        build(encoder="vit_small_patch14_dinov2", decoder="fusion", pretrained_encoder=False)
