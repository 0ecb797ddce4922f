import math

import pytest
import torch

from streammtl.errors import ConfigError, DataError, ShapeError
from streammtl.metrics import MetricKind, build_metric, register_metric
from streammtl.metrics.depth import DepthErrors
from streammtl.metrics.endpoint import EndpointError
from streammtl.metrics.intrinsic import IntrinsicErrors, local_squared_error, structural_similarity
from streammtl.metrics.mean_iou import MeanIou
from streammtl.metrics.normals import NormalErrors
from streammtl.metrics.saliency import MaxF
from streammtl.tasks.registry import task_names, task_spec


def everywhere(x):
    return torch.ones(x.shape[0], 1, *x.shape[2:], dtype=torch.bool)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def scores_of(labels, classes):
    return torch.nn.functional.one_hot(labels[:, 0], classes).permute(0, 3, 1, 2).float()


def test_an_absent_class_counts_zero_in_the_mean():
    labels = torch.tensor([[[[0, 0, 1, 1]]]])
    metric = MeanIou(4)
    metric.update(scores_of(labels, 4), labels, everywhere(labels))
    assert metric.result() == {"miou": pytest.approx(50.0), "pixel_accuracy": pytest.approx(100.0)}


def test_iou_is_intersection_over_union_of_counts_pooled_over_images():
    metric = MeanIou(2)
    for labels, prediction in (([0, 0, 1, 1], [0, 1, 1, 1]), ([1, 1, 1, 255], [1, 1, 0, 0])):
        labels, prediction = (torch.tensor(x).view(1, 1, 1, 4) for x in (labels, prediction))
        metric.update(scores_of(prediction, 2), labels, everywhere(labels))
    # class 0: tp 1, fp 1, fn 1; class 1: tp 4, fp 1, fn 1
    torch.testing.assert_close(metric.iou, torch.tensor([1 / 3, 4 / 6], dtype=torch.float64))
    assert metric.result()["pixel_accuracy"] == pytest.approx(100 * 5 / 7)


def test_pooled_rmse_is_not_the_mean_of_image_rmse():
    metric = DepthErrors()
    target = torch.full((1, 1, 1, 4), 2.0)
    metric.update(target + 1, target, everywhere(target))
    metric.update(target, target, everywhere(target))
    assert metric.result()["rmse"] == pytest.approx(math.sqrt(4 / 8))
    assert metric.result()["rmse"] != pytest.approx((1 + 0) / 2, abs=0.1)


def test_depth_errors_of_known_ratios():
    target = torch.full((1, 1, 1, 4), 2.0)
    prediction = 2.0 * torch.tensor([1.0, 1.2, 1.5, 1 / 1.9]).view(1, 1, 1, 4)
    metric = DepthErrors()
    metric.update(prediction, target, everywhere(target))
    result = metric.result()
    assert [result[f"delta{k}"] for k in (1, 2, 3)] == pytest.approx([0.5, 0.75, 1.0])
    assert result["abs_rel"] == pytest.approx((0 + 0.2 + 0.5 + (1 - 1 / 1.9)) / 4)
    logs = [math.log(r) ** 2 for r in (1.0, 1.2, 1.5, 1.9)]
    assert result["log_rmse"] == pytest.approx(math.sqrt(sum(logs) / 4))


def test_depth_counts_only_the_stated_mask_and_clamps_negative_predictions():
    target = torch.tensor([0.0, 2.0, 90.0, 3.0]).view(1, 1, 1, 4)
    valid = torch.tensor([True, True, True, False]).view(1, 1, 1, 4)
    metric = DepthErrors()
    metric.update(torch.full_like(target, -5.0), target, valid)
    assert metric.result()["rmse"] == pytest.approx(2.0)
    assert "80 m" in metric.mask


@pytest.mark.parametrize("angle", [0.0, 1e-3, 11.0, 90.0, 179.999])
def test_normal_errors_are_exact_at_every_angle(angle):
    a = math.radians(angle)
    target = torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64).view(1, 3, 1, 1)
    prediction = 4 * torch.tensor([math.sin(a), 0.0, -math.cos(a)], dtype=torch.float64).view(1, 3, 1, 1)
    metric = NormalErrors()
    metric.update(prediction, target, everywhere(target))
    result = metric.result()
    assert result["mean_deg"] == pytest.approx(angle, abs=1e-6)
    assert result["median_deg"] == pytest.approx(angle, abs=1.1e-3)
    assert result["below_11.25"] == (100.0 if angle < 11.25 else 0.0)


def test_normal_median_and_shares_agree_with_sorting(rng):
    target, prediction = (torch.randn(2, 3, 20, 21, generator=rng) for _ in range(2))
    target[0, :, 0] = 0
    metric = NormalErrors()
    for one in range(2):
        metric.update(prediction[one : one + 1], target[one : one + 1], everywhere(target[:1]))
    cosine = torch.nn.functional.cosine_similarity(prediction.double(), target.double(), dim=1)
    angles = torch.rad2deg(cosine.clamp(-1, 1).arccos())[target.norm(dim=1) > 0]
    result = metric.result()
    assert result["median_deg"] == pytest.approx(angles.median().item(), abs=1e-3)
    assert result["mean_deg"] == pytest.approx(angles.mean().item(), rel=1e-6)
    assert result["below_30"] == pytest.approx(100 * (angles < 30).double().mean().item())


def test_max_f_agrees_with_counting_each_threshold(rng):
    prediction, target = torch.rand(2, 1, 9, 8, generator=rng), (torch.rand(2, 1, 9, 8, generator=rng) > 0.6).float()
    valid = torch.rand(2, 1, 9, 8, generator=rng) > 0.2
    metric = MaxF()
    for one in range(2):
        metric.update(prediction[one : one + 1], target[one : one + 1], valid[one : one + 1])
    slow = []
    for t in [k / 20 for k in range(1, 20)]:
        marked, positive = (prediction > t)[valid], (target > 0.5)[valid]
        hits = (marked & positive).sum().item()
        p, r = hits / max(marked.sum().item(), 1), hits / positive.sum().item()
        slow.append(1.3 * p * r / max(0.3 * p + r, 1e-12))
    assert metric.result()["max_f"] == pytest.approx(100 * max(slow))


def test_max_f_of_a_perfect_probability_map_is_100_and_of_nothing_is_0():
    target = torch.tensor([0.0, 1.0, 1.0, 0.0]).view(1, 1, 2, 2)
    for prediction, expected in ((0.3 + 0.2 * target, 100.0), (torch.zeros_like(target), 0.0)):
        metric = MaxF()
        metric.update(prediction, target, everywhere(target))
        assert metric.result()["max_f"] == pytest.approx(expected)


def test_endpoint_error_is_a_length(rng):
    target = torch.randn(1, 2, 5, 6, generator=rng)
    metric = EndpointError()
    metric.update(target + torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), target, everywhere(target))
    assert metric.result()["epe"] == pytest.approx(5.0, rel=1e-6)


def test_a_fitted_flow_forgives_a_factor_per_channel_but_not_a_wrong_sign(rng):
    target = torch.randn(1, 3, 5, 6, generator=rng)
    scaled, turned = EndpointError(fit_scale=True), EndpointError(fit_scale=True)
    scaled.update(target * torch.tensor([0.1, 7.0, 2.0]).view(1, 3, 1, 1), target, everywhere(target))
    turned.update(-target, target, everywhere(target))
    assert scaled.result()["epe"] == pytest.approx(0.0, abs=1e-6)
    assert turned.result()["epe"] == pytest.approx(target.norm(dim=1).mean().item(), rel=1e-5)


def test_ssim_agrees_with_looping_over_windows(rng):
    p, g = (torch.rand(1, 14, 15, generator=rng, dtype=torch.float64) for _ in range(2))
    at = torch.arange(11, dtype=torch.float64) - 5
    w = torch.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 1.5**2))
    w = w / w.sum()
    values = []
    for y in range(4):
        for x in range(5):
            a, b = p[0, y : y + 11, x : x + 11], g[0, y : y + 11, x : x + 11]
            ma, mb = (w * a).sum(), (w * b).sum()
            va, vb, c = (w * (a - ma) ** 2).sum(), (w * (b - mb) ** 2).sum(), (w * (a - ma) * (b - mb)).sum()
            values.append((2 * ma * mb + 1e-4) * (2 * c + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4)))
    ours = structural_similarity(p, g, torch.ones(1, 14, 15, dtype=torch.bool))
    torch.testing.assert_close(ours, torch.stack(values).mean())


def test_ssim_leaves_out_windows_with_invalid_pixels(rng):
    g = torch.rand(3, 30, 40, generator=rng, dtype=torch.float64)
    valid = torch.ones(1, 30, 40, dtype=torch.bool)
    valid[:, :, 25:] = False
    p = torch.where(valid, g, 0)
    torch.testing.assert_close(structural_similarity(p, g, valid), torch.ones((), dtype=torch.float64))


def test_lmse_agrees_with_looping_and_forgives_slow_changes_of_brightness(rng):
    p, g = (torch.rand(1, 45, 50, generator=rng, dtype=torch.float64) for _ in range(2))
    valid = torch.ones(1, 45, 50, dtype=torch.bool)
    error, energy = 0.0, 0.0
    for y in range(0, 45 - 19, 10):
        for x in range(0, 50 - 19, 10):
            a, b = p[0, y : y + 20, x : x + 20], g[0, y : y + 20, x : x + 20]
            error += ((b - a * (a * b).sum() / (a * a).sum()) ** 2).sum()
            energy += (b * b).sum()
    torch.testing.assert_close(local_squared_error(p, g, valid), error / energy)
    slope = torch.linspace(0.8, 1.2, 50, dtype=torch.float64)
    assert local_squared_error(g * slope, g, valid) < 0.01


def test_albedo_is_right_up_to_one_factor(rng):
    target = torch.rand(2, 3, 32, 33, generator=rng)
    metric = IntrinsicErrors()
    metric.update(0.4 * target, target, everywhere(target))
    result = metric.result()
    assert result["rmse"] == pytest.approx(0, abs=1e-6)
    assert result["ssim"] == pytest.approx(1, abs=1e-6)
    assert result["lmse"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", [name for name in task_names() if task_spec(name).metric not in (None, "ods_f")])
def test_how_a_set_is_cut_into_batches_does_not_matter_nor_do_invalid_pixels(name, rng):
    spec = task_spec(name)
    prediction = 0.1 + torch.rand(4, spec.channels, 24, 23, generator=rng)
    target = torch.randint(0, 2, (4, spec.label_channels, 24, 23), generator=rng) * 0.9 + 0.1
    target = target.round() if spec.channels != spec.label_channels else target
    valid = torch.rand(4, 1, 24, 23, generator=rng) > 0.02
    whole, parts = build_metric(spec), build_metric(spec)
    whole.update(prediction, target, valid)
    dirty = torch.where(valid, target, 200.0)
    for one in range(4):
        parts.update(prediction[one : one + 1], dirty[one : one + 1], valid[one : one + 1])
    assert parts.result() == pytest.approx(whole.result(), rel=1e-9)


@pytest.mark.parametrize("name", ["depth", "semantics", "normals", "saliency", "optical_flow", "albedo"])
def test_a_metric_of_nothing_is_an_error_not_a_number(name):
    spec = task_spec(name)
    metric = build_metric(spec)
    zeros = torch.zeros(1, spec.channels, 24, 24)
    metric.update(zeros, torch.zeros(1, spec.label_channels, 24, 24), torch.zeros(1, 1, 24, 24, dtype=torch.bool))
    with pytest.raises(DataError, match="no valid pixel"):
        metric.result()


def test_shapes_that_do_not_fit_and_taken_names_are_refused():
    with pytest.raises(ShapeError, match="do not fit"):
        DepthErrors().update(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 3), torch.ones(1, 1, 2, 2, dtype=torch.bool))
    with pytest.raises(ConfigError, match="already"):
        register_metric("depth", MetricKind(lambda spec: DepthErrors(), "rmse", True))
