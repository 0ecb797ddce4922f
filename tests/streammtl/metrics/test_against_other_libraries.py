"""Figures that scikit-image or torchmetrics have too must be the same."""

import math

import pytest
import torch

from streammtl.metrics.depth import DepthErrors
from streammtl.metrics.intrinsic import structural_similarity
from streammtl.metrics.mean_iou import MeanIou
from streammtl.metrics.saliency import MaxF
from streammtl.tasks.spec import IGNORE
from streammtl.torchvision_shim import ensure_torchvision_importable


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def torchmetrics():
    ensure_torchvision_importable()  # torchmetrics imports it
    return pytest.importorskip("torchmetrics", reason="torchmetrics is among the development extras")


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_scikit_images(rng, channels):
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is among the development extras")
    target = torch.rand(channels, 40, 52, generator=rng, dtype=torch.float64)
    prediction = (target + 0.2 * torch.randn(target.shape, generator=rng, dtype=torch.float64)).clamp(0, 1)
    expected = metrics.structural_similarity(
        target.numpy(),
        prediction.numpy(),
        channel_axis=0,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    ours = structural_similarity(prediction, target, torch.ones(1, 40, 52, dtype=torch.bool))
    assert ours.item() == pytest.approx(expected, abs=1e-9)


def test_iou_and_accuracy_are_those_of_torchmetrics(rng, torchmetrics):
    classes = 6
    theirs = torchmetrics.classification
    jaccard = theirs.MulticlassJaccardIndex(classes, average="none", ignore_index=IGNORE)
    mean = theirs.MulticlassJaccardIndex(classes, ignore_index=IGNORE)
    accuracy = theirs.MulticlassAccuracy(classes, average="micro", ignore_index=IGNORE)
    ours = MeanIou(classes)
    for _ in range(3):
        scores = torch.rand(2, classes, 9, 11, generator=rng)
        labels = torch.randint(0, classes, (2, 1, 9, 11), generator=rng)
        labels[torch.rand(labels.shape, generator=rng) < 0.2] = IGNORE
        ours.update(scores, labels, torch.ones_like(labels, dtype=torch.bool))
        for metric in (jaccard, mean, accuracy):
            metric.update(scores, labels[:, 0])
    torch.testing.assert_close(ours.iou.float(), jaccard.compute())
    assert ours.result()["miou"] == pytest.approx(100 * mean.compute().item(), abs=1e-3)
    assert ours.result()["pixel_accuracy"] == pytest.approx(100 * accuracy.compute().item(), abs=1e-3)


def test_depth_errors_are_those_of_torchmetrics(rng, torchmetrics):
    rmse = torchmetrics.MeanSquaredError(squared=False)
    relative = torchmetrics.MeanAbsolutePercentageError()
    log_rmse = torchmetrics.MeanSquaredError(squared=False)
    ours = DepthErrors()
    for size in (7, 12):
        target = 0.5 + 5 * torch.rand(2, 1, size, 10, generator=rng)
        prediction = target * (0.7 + 0.6 * torch.rand(target.shape, generator=rng))
        valid = torch.rand(target.shape, generator=rng) < 0.7
        ours.update(prediction, target, valid)
        p, g = prediction[valid], target[valid]
        rmse.update(p, g)
        relative.update(p, g)
        log_rmse.update(p.log(), g.log())
    result = ours.result()
    assert result["rmse"] == pytest.approx(rmse.compute().item(), rel=1e-5)
    assert result["abs_rel"] == pytest.approx(relative.compute().item(), rel=1e-5)
    assert result["log_rmse"] == pytest.approx(log_rmse.compute().item(), rel=1e-5)


def test_max_f_is_the_best_f_beta_of_torchmetrics(rng, torchmetrics):
    target = (torch.rand(3, 1, 20, 24, generator=rng) < 0.3).float()
    prediction = (0.6 * target + 0.7 * torch.rand(target.shape, generator=rng)).clamp(0, 1)
    ours = MaxF()
    ours.update(prediction, target, torch.ones_like(target, dtype=torch.bool))
    beta = math.sqrt(0.3)
    at_thresholds = [
        torchmetrics.functional.classification.binary_fbeta_score(prediction, target.int(), beta, threshold=t).item()
        for t in torch.linspace(0.05, 0.95, 19).tolist()
    ]
    assert ours.result()["max_f"] == pytest.approx(100 * max(at_thresholds), abs=1e-3)
