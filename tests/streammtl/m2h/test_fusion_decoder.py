import pytest
import torch

from streammtl.decoders.fusion_decoder import FusionDecoder
from streammtl.decoders.token_reassembly import TokenReassembly, to_stride
from streammtl.encoders.pyramid import FeaturePyramid
from streammtl.errors import ShapeError


def centres(size, stride):
    """Image column of the centre of each pixel of a map [1,1,h,w] of that stride."""
    height, width = (-(-side // stride) for side in size)
    return ((torch.arange(width) + 0.5) * stride - 0.5).expand(1, 1, height, width).contiguous()


@pytest.mark.parametrize("size", [(224, 224), (240, 320), (64, 96)])
@pytest.mark.parametrize(("stride", "target"), [(14, 4), (14, 8), (14, 32), (16, 4), (16, 32), (32, 16), (8, 4)])
def test_a_map_keeps_its_place_in_the_image_at_another_stride(size, stride, target):
    moved, expected = to_stride(centres(size, stride), stride, target, size), centres(size, target)
    assert moved.shape == expected.shape
    seen = (expected >= (stride - 1) / 2) & (expected <= size[1] - stride)  # beyond its outer centres a map is constant
    torch.testing.assert_close(moved[seen], expected[seen], atol=1e-3, rtol=0)


def pyramid_of(strides, channels, size):
    generator = torch.Generator().manual_seed(0)
    levels = [
        torch.randn(2, c, *(-(-side // s) for side in size), generator=generator)
        for s, c in zip(strides, channels, strict=True)
    ]
    return FeaturePyramid(tuple(levels), strides, size)


@pytest.mark.parametrize("strides", [(14,) * 4, (16,) * 4, (2, 4, 8, 16, 32), (4, 8, 16, 32), (8, 16)])
@pytest.mark.parametrize("depthwise", [False, True])
def test_features_are_at_a_quarter_of_the_image_whatever_the_encoder(strides, depthwise):
    channels = tuple(range(8, 8 + len(strides)))
    decoder = FusionDecoder(("depth", "normals"), channels, strides, 0, 16, depthwise)
    features = decoder(pyramid_of(strides, channels, (64, 96)), None)
    assert {task: tuple(x.shape) for task, x in features.items()} == dict.fromkeys(features, (2, 16, 16, 24))
    torch.stack([x.square().sum() for x in features.values()]).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())


def test_levels_that_make_no_pyramid_are_refused():
    for strides in ((16,) * 5, (16, 8, 4)):
        with pytest.raises(ShapeError, match="pyramid"):
            TokenReassembly((8,) * len(strides), strides, 16, False)
