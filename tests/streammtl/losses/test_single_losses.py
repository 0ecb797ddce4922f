import math

import pytest
import torch
import torch.nn.functional as F

from streammtl.errors import ConfigError
from streammtl.losses import loss_names, register_loss, task_loss
from streammtl.losses.absolute import l1
from streammtl.losses.categorical import cross_entropy, dice
from streammtl.losses.depth import huber_gradient, scale_invariant_log
from streammtl.losses.sigmoid import balanced_cross_entropy, weighted_bce
from streammtl.losses.unit_vectors import cosine, unit_l1

SHAPE = (2, 1, 6, 7)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def valid(rng):
    return torch.rand(SHAPE, generator=rng) > 0.3


def test_cross_entropy_is_the_mean_over_labelled_pixels_only(rng, valid):
    logits = torch.randn(2, 5, 6, 7, generator=rng)
    target = torch.randint(0, 5, SHAPE, generator=rng)
    target[0, 0, 0] = 255
    slow = [
        -math.log(torch.softmax(logits[n, :, y, x].double(), 0)[target[n, 0, y, x]])
        for n in range(2)
        for y in range(6)
        for x in range(7)
        if valid[n, 0, y, x] and target[n, 0, y, x] != 255
    ]
    assert cross_entropy(logits, target, valid).item() == pytest.approx(sum(slow) / len(slow), rel=1e-5)


def test_weighted_bce_is_the_formula(rng, valid):
    logits, target = torch.randn(SHAPE, generator=rng), (torch.rand(SHAPE, generator=rng) > 0.8).float()
    s = torch.sigmoid(logits.double())
    formula = -0.95 * target * s.log() - 0.05 * (1 - target) * (1 - s).log()
    assert weighted_bce(logits, target, valid).item() == pytest.approx(formula[valid].mean().item(), rel=1e-5)


def test_weighted_bce_survives_huge_logits():
    logits = torch.tensor([[[[300.0, -300.0]]]], requires_grad=True)
    loss = weighted_bce(logits, torch.tensor([[[[0.0, 1.0]]]]), torch.ones(1, 1, 1, 2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == pytest.approx((0.05 * 300 + 0.95 * 300) / 2)
    assert logits.grad.isfinite().all()


def test_balanced_cross_entropy_is_two_class_cross_entropy_with_the_fraction_of_negatives(rng, valid):
    logits, target = torch.randn(SHAPE, generator=rng), (torch.rand(SHAPE, generator=rng) > 0.8).float()
    two = torch.cat((torch.zeros_like(logits), logits), 1).permute(0, 2, 3, 1)[valid[:, 0]]
    labels = target[valid].long()
    w = (labels == 0).float().mean()
    expected = F.cross_entropy(two, labels, weight=torch.stack((1 - w, w)), reduction="none").mean()
    torch.testing.assert_close(balanced_cross_entropy(logits, target, valid), expected)


def test_l1_is_the_mean_absolute_error_of_valid_pixels(rng, valid):
    p, y = torch.rand(SHAPE, generator=rng), torch.rand(SHAPE, generator=rng)
    torch.testing.assert_close(l1(p, y, valid), (p - y)[valid].abs().mean())


def test_normals_l1_is_a_sum_over_channels_and_ignores_the_length_of_predictions():
    p, y = torch.tensor([0.0, 0.0, -5.0]).view(1, 3, 1, 1), torch.tensor([0.6, 0.0, -0.8]).view(1, 3, 1, 1)
    valid = torch.ones(1, 1, 1, 1, dtype=torch.bool)
    assert unit_l1(p, y, valid).item() == pytest.approx(0.8)
    assert unit_l1(7 * p, y, valid).item() == pytest.approx(0.8)


@pytest.mark.parametrize(("angle_deg", "expected"), [(0, 0), (60, 0.5), (90, 1), (180, 2)])
def test_cosine_loss_of_known_angles(angle_deg, expected):
    a = math.radians(angle_deg)
    p = torch.tensor([3 * math.sin(a), 0.0, 3 * math.cos(a)]).view(1, 3, 1, 1)
    y = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    assert cosine(p, y, torch.ones(1, 1, 1, 1, dtype=torch.bool)).item() == pytest.approx(expected, abs=1e-6)


def test_huber_is_quadratic_below_delta_and_linear_above_and_an_offset_has_no_gradient_term():
    valid = torch.ones(SHAPE, dtype=torch.bool)
    y = torch.full(SHAPE, 2.0)
    assert huber_gradient(y + 0.5, y, valid).item() == pytest.approx(0.125)
    assert huber_gradient(y + 3.0, y, valid).item() == pytest.approx(2.5)


def test_the_gradient_term_of_a_tilted_error_is_its_squared_slopes():
    u, v = torch.arange(7.0).view(1, 1, 1, 7), torch.arange(6.0).view(1, 1, 6, 1)
    y, valid = torch.full(SHAPE, 2.0), torch.ones(SHAPE, dtype=torch.bool)
    p = y + 0.1 * u + 0.02 * v
    without = huber_gradient(p, y, valid, gradient_weight=0.0)
    assert (huber_gradient(p, y, valid, gradient_weight=2.0) - without).item() == pytest.approx(2 * (0.01 + 0.0004))


def test_the_gradient_term_needs_both_pixels():
    y, valid = torch.full((1, 1, 1, 3), 2.0), torch.tensor([[[[True, False, True]]]])
    p = torch.tensor([[[[2.0, 50.0, 3.0]]]])
    assert huber_gradient(p, y, valid).item() == pytest.approx(0.25)


def test_scale_invariant_log_with_full_weight_forgives_a_scale_per_image(rng, valid):
    y = 1 + torch.rand(SHAPE, generator=rng)
    p = y * torch.tensor([2.0, 0.3]).view(2, 1, 1, 1)
    assert scale_invariant_log(p, y, valid, variance_weight=1.0).item() == pytest.approx(0, abs=1e-6)
    d = (p / y).log()
    counts = valid.sum((1, 2, 3))
    expected = d[valid].square().mean() - 0.5 * (counts * torch.tensor([2.0, 0.3]).log().square()).sum() / counts.sum()
    assert scale_invariant_log(p, y, valid).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("name", loss_names())
def test_no_loss_lets_invalid_labels_touch_value_or_gradient(name, rng, valid):
    of_classes = name.startswith("cross_entropy")
    channels = 5 if of_classes else {"unit_l1": 3, "cosine": 3}.get(name, 1)
    label_channels = 1 if of_classes else channels
    prediction = (0.5 + torch.rand(2, channels, 6, 7, generator=rng)).requires_grad_()
    target = torch.randint(0, 2, (2, label_channels, 6, 7), generator=rng).float() + 0.1 * (channels == 3)
    if name == "scale_invariant_log":
        target = target + 0.5
    clean = task_loss(name).function(prediction, target, valid)
    dirty = task_loss(name).function(prediction, torch.where(valid, target, torch.nan), valid)
    torch.testing.assert_close(clean, dirty)
    (gradient,) = torch.autograd.grad(dirty, prediction)
    assert gradient.isfinite().all() and gradient.abs().sum() > 0
    assert (gradient * ~valid).abs().max() == 0


def test_loss_names_are_unique_and_unknown_ones_refused():
    with pytest.raises(ConfigError, match="already"):
        register_loss("l1")(l1)
    with pytest.raises(ConfigError, match="weighted_bce"):
        task_loss("l0")


def test_dice_of_known_overlaps():
    """Classes 0 and 1 half right each, class 2 never; classes that no label holds do not count."""
    predicted, target = torch.tensor([0, 1, 1, 0]), torch.tensor([0, 0, 1, 1])
    logits = 50.0 * F.one_hot(predicted, 4).float().T.view(1, 4, 2, 2)
    every = torch.ones(1, 1, 2, 2, dtype=torch.bool)
    assert dice(logits, target.view(1, 1, 2, 2), every).item() == pytest.approx(0.5)
    assert dice(logits, predicted.view(1, 1, 2, 2), every).item() == pytest.approx(0, abs=1e-6)
    third = torch.tensor([0, 1, 1, 2]).view(1, 1, 2, 2)
    assert dice(logits, third, every).item() == pytest.approx((1 - 2 * 1 / 3 + 0 + 1) / 3, rel=1e-5)


def test_dice_is_the_formula_over_labelled_pixels(rng, valid):
    logits = torch.randn(2, 5, 6, 7, generator=rng)
    target = torch.randint(0, 4, SHAPE, generator=rng)
    target[1, 0, 2] = 255
    kept = (valid & (target != 255))[:, 0]
    p = torch.softmax(logits.double(), 1).permute(0, 2, 3, 1)[kept]
    y = F.one_hot(target[:, 0][kept], 5)
    overlaps = 2 * (p * y).sum(0) / (p.sum(0) + y.sum(0))
    assert dice(logits, target, valid).item() == pytest.approx(1 - overlaps[:4].mean().item(), rel=1e-5)
    assert dice(logits, target, torch.zeros_like(valid)) == 0
    both = 0.5 * cross_entropy(logits, target, valid) + 0.75 * dice(logits, target, valid)
    torch.testing.assert_close(task_loss("cross_entropy_dice").function(logits, target, valid), both)


def test_bce_is_binary_cross_entropy(rng, valid):
    logits, target = torch.randn(SHAPE, generator=rng), (torch.rand(SHAPE, generator=rng) > 0.8).float()
    expected = F.binary_cross_entropy_with_logits(logits[valid], target[valid])
    torch.testing.assert_close(task_loss("bce").function(logits, target, valid), expected)
