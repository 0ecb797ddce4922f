"""Labels become pictures and come back."""

import pytest
import torch
import torch.nn.functional as F

from streammtl.errors import ConfigError
from streammtl.stablemtl.class_colours import class_colours
from streammtl.stablemtl.codecs import label_codec
from streammtl.tasks.registry import task_spec
from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

SIZE = (12, 17)
SEVEN = ("semantics", "normals", "depth", "optical_flow", "scene_flow", "shading", "albedo")


def labels_of(task, batch=2, seed=0):
    """Labels as a data set has them, and a mask with holes."""
    spec, generator = task_spec(task), torch.Generator().manual_seed(seed)
    shape = (batch, spec.label_channels, *SIZE)
    valid = torch.rand(batch, 1, *SIZE, generator=generator) > 0.2
    if spec.kind is TaskKind.CATEGORICAL:
        labels = torch.randint(0, spec.channels, shape, generator=generator)
        return torch.where(valid, labels, 255), valid
    noise = torch.randn(shape, generator=generator)
    if spec.kind is TaskKind.UNIT_VECTOR:
        return F.normalize(noise, dim=1), valid
    values = {"depth": 3 + noise.abs(), "albedo": torch.sigmoid(noise), "shading": torch.sigmoid(noise)}
    return values.get(task, 7 * noise), valid


@pytest.mark.parametrize("task", SEVEN)
def test_a_picture_has_three_channels_between_minus_one_and_one_and_nothing_where_no_label_is(task):
    labels, valid = labels_of(task)
    picture = label_codec(task_spec(task)).encode(labels, valid)
    assert picture.shape == (2, 3, *SIZE) and picture.dtype == torch.float32
    assert picture.abs().max() <= 1 + 1e-6
    assert (picture[~valid.expand(-1, 3, -1, -1)] == 0).all()


@pytest.mark.parametrize("task", ["semantics", "driving_semantics", "pascal_semantics", "cityscapes_semantics"])
def test_classes_come_back_exactly_even_from_noisy_pictures(task):
    labels, valid = labels_of(task)
    codec = label_codec(task_spec(task))
    apart = torch.pdist(codec.colours).min()
    noise = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    noise = 0.45 * apart * F.normalize(noise, dim=1)
    probabilities = codec.decode(codec.encode(labels, valid) + noise)
    assert torch.allclose(probabilities.sum(1), torch.ones(2, *SIZE))
    assert (probabilities.argmax(1, keepdim=True)[valid] == labels[valid]).all()


def test_class_probabilities_fall_with_the_distance_to_the_colour():
    codec = label_codec(task_spec("semantics"))
    picture = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(2)) * 2 - 1
    distance = torch.cdist(picture.flatten(2).transpose(1, 2)[0], codec.colours)
    assert torch.equal(codec.decode(picture).flatten(2)[0].argmax(0), distance.argmin(1))


def test_colours_lie_far_apart():
    assert torch.pdist(class_colours(8)).min() == 2
    for count in (1, 2, 19, 21, 40, 64):
        colours = class_colours(count)
        assert colours.shape == (count, 3) and colours.abs().max() <= 1
        assert count == 1 or torch.pdist(colours).min() >= 2 / 3 - 1e-6
    with pytest.raises(ConfigError, match="65 classes"):
        class_colours(65)


def test_normals_albedo_and_shading_come_back_as_they_were():
    for task in ("normals", "albedo", "shading"):
        labels, valid = labels_of(task)
        codec = label_codec(task_spec(task))
        back = codec.decode(codec.encode(labels, valid))
        known = valid.expand_as(back)
        assert torch.allclose(back[known], labels[known], atol=1e-6)


def test_shading_brighter_than_one_is_darkened_by_one_factor():
    labels, valid = labels_of("shading")
    codec = label_codec(task_spec("shading"))
    back = codec.decode(codec.encode(5 * labels, valid))
    for light, found, known in zip(5 * labels, back, valid, strict=True):
        bright = torch.quantile(light[known], 0.98)
        assert torch.allclose(found[known] * bright, light[known].clamp(max=bright), atol=1e-5)


def test_depth_between_its_percentiles_comes_back_up_to_scale_and_shift():
    labels, valid = labels_of("depth")
    codec = label_codec(task_spec("depth"))
    back = codec.decode(codec.encode(labels, valid))
    for depth, relative, known in zip(labels, back, valid, strict=True):
        near, far = torch.quantile(depth[known], torch.tensor([0.02, 0.98]))
        assert torch.allclose(near + (far - near) * relative[known], depth[known].clamp(near, far), atol=1e-5)


def test_depth_does_not_depend_on_what_holes_hold_nor_on_its_unit():
    labels, valid = labels_of("depth")
    codec = label_codec(task_spec("depth"))
    holes = torch.where(valid, labels, 1e4)
    assert torch.equal(codec.encode(holes, valid), codec.encode(labels, valid))
    assert torch.allclose(codec.encode(5 * labels + 1, valid), codec.encode(labels, valid), atol=1e-5)


@pytest.mark.parametrize("task", ["optical_flow", "scene_flow"])
def test_motion_comes_back_up_to_one_positive_factor_per_channel(task):
    labels, valid = labels_of(task)
    codec = label_codec(task_spec(task))
    back = codec.decode(codec.encode(labels, valid))
    largest = torch.where(valid, labels, 0).abs().amax((2, 3), keepdim=True)
    known = valid.expand_as(back)
    assert torch.allclose((back * largest)[known], labels[known], atol=1e-5)


def test_what_stands_still_is_zero_and_optical_flow_repeats_its_columns():
    labels, valid = labels_of("optical_flow")
    labels[..., :5, :] = 0
    picture = label_codec(task_spec("optical_flow")).encode(labels, valid)
    assert (picture[..., :5, :] == 0).all()
    assert torch.equal(picture[:, 2], picture[:, 0])


@pytest.mark.parametrize("task", SEVEN)
def test_a_mirrored_picture_is_the_picture_of_the_mirrored_labels(task):
    labels, valid = labels_of(task)
    spec = task_spec(task)
    codec = label_codec(spec)
    signs = torch.tensor(spec.flip_signs or (1,) * spec.label_channels).view(1, -1, 1, 1)
    mirrored = codec.encode(labels.flip(-1) * signs, valid.flip(-1))
    in_picture = {"normals": (-1, 1, 1), "optical_flow": (-1, 1, -1), "scene_flow": (-1, 1, 1)}.get(task, (1, 1, 1))
    expected = codec.encode(labels, valid).flip(-1) * torch.tensor(in_picture).view(1, 3, 1, 1)
    assert torch.allclose(mirrored, expected, atol=1e-6)


@pytest.mark.parametrize("task", SEVEN)
def test_labels_that_are_all_missing_or_all_the_same_give_finite_pictures(task):
    labels, valid = labels_of(task)
    codec = label_codec(task_spec(task))
    flat = labels[:, :, :1, :1].expand_as(labels)
    for picture in (codec.encode(labels, torch.zeros_like(valid)), codec.encode(flat, valid)):
        assert picture.isfinite().all() and picture.abs().max() <= 1
        assert codec.decode(picture).isfinite().all()


def test_a_task_that_no_picture_can_hold_is_refused():
    odd = TaskSpec("odd", 5, "1", TaskKind.CONTINUOUS, Activation.IDENTITY, FusionRule.NONE)
    with pytest.raises(ConfigError, match="5 channels"):
        label_codec(odd)
