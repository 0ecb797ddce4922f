import csv

import cv2
import numpy as np
import pytest
import torch

from mapping.evaluation.boundaries import THRESHOLDS, BoundaryF, BoundaryProtocol, count_boundaries
from mapping.evaluation.ridges import orientation, ridges
from mapping.evaluation.thinning import thinned
from streammtl.errors import DataError, ShapeError
from streammtl.metrics import build_metric
from streammtl.tasks.registry import task_spec

NYU_SIZE = (425, 560)  # radius 0.011 * diagonal = 7.73 px
LINES = BoundaryProtocol(smooth=False, radius=0)


def vertical(column, size=NYU_SIZE):
    mask = np.zeros(size, bool)
    mask[20:-20, column] = True
    return mask


@pytest.mark.parametrize(("shift", "found"), [(0, True), (7, True), (-7, True), (8, False), (-8, False)])
def test_a_shifted_line_is_found_inside_the_radius_and_not_outside(shift, found):
    counts = count_boundaries(vertical(280 + shift).astype(np.float32), [vertical(280)])
    best = counts.f.max()
    assert best > 0.99 if found else best < 0.01


def test_the_radius_of_pascal_is_smaller():
    protocol = BoundaryProtocol(max_distance=0.0075)
    for shift, found in ((4, True), (5, False)):
        size = (375, 500)  # 4.69 px
        counts = count_boundaries(vertical(200 + shift, size).astype(np.float32), [vertical(200, size)], protocol)
        assert counts.f.max() > 0.98 if found else counts.f.max() < 0.02


def test_two_lines_cannot_both_match_one():
    counts = count_boundaries((vertical(278) | vertical(282)).astype(np.float32), [vertical(280)], LINES)
    precision = counts.prediction_right / counts.prediction
    assert precision == pytest.approx(np.full(99, 0.5))
    assert (counts.truth_found == counts.truth).all()


def test_a_prediction_is_right_when_it_matches_anybody_and_everybody_is_to_be_found():
    counts = count_boundaries(vertical(100).astype(np.float32), [vertical(100), vertical(300)], LINES)
    assert (counts.prediction_right == counts.prediction).all()
    assert (2 * counts.truth_found == counts.truth).all()


def kuhn(near):
    """Size of a maximum matching by augmenting paths."""
    partner = {}

    def augment(row, seen):
        for column in np.flatnonzero(near[row]):
            if column not in seen:
                seen.add(column)
                if column not in partner or augment(partner[column], seen):
                    partner[column] = row
                    return True
        return False

    return sum(augment(row, set()) for row in range(len(near)))


def test_matching_agrees_with_brute_force():
    rng = np.random.default_rng(0)
    size, protocol = (24, 30), BoundaryProtocol(max_distance=0.07, smooth=False, radius=0)
    reach = 0.07 * np.hypot(*size)
    for _ in range(5):
        lines = [np.zeros(size, np.uint8) for _ in range(2)]
        for image in lines:
            for _ in range(3):
                ends = rng.integers(0, [30, 24], (2, 2))
                cv2.line(image, ends[0].tolist(), ends[1].tolist(), 1)
        counts = count_boundaries(lines[0].astype(np.float32), [lines[1].astype(bool)], protocol)
        a, b = (np.argwhere(thinned(image.astype(bool))) for image in lines)
        near = np.linalg.norm(a[:, None] - b[None], axis=-1) <= reach
        assert counts.truth_found[0] == counts.prediction_right[0] == kuhn(near)
        assert (counts.truth[0], counts.prediction[0]) == (len(b), len(a))


@pytest.mark.parametrize("angle_deg", [0, 30, 45, 90, 135, 160])
def test_a_soft_boundary_becomes_its_ridge_whatever_its_direction(angle_deg):
    v, u = np.mgrid[:101, :101] - 50.0
    a = np.deg2rad(angle_deg)
    distance = u * np.cos(a) + v * np.sin(a)  # across the boundary
    soft = np.exp(-(distance**2) / 18).astype(np.float32)
    inner = np.s_[15:-15, 15:-15]
    turn = np.abs(orientation(soft) - a)[inner][np.abs(distance[inner]) < 1]
    assert np.minimum(turn, np.pi - turn).max() < 0.22
    for smooth, radius in ((True, 4), (False, 1)):
        kept = ridges(soft, smooth, radius)[inner] > 0.5
        assert np.abs(distance[inner][kept]).max() < 1.6
        assert kept.sum() >= 70


def test_thresholds_follow_the_probability():
    counts = count_boundaries(0.6 * vertical(280).astype(np.float32), [vertical(280)], LINES)
    assert (counts.prediction > 0).tolist() == (THRESHOLDS <= 0.6).tolist()


def test_the_best_threshold_of_the_set_is_below_the_best_of_each_image():
    metric = BoundaryF(LINES)
    for strong, weak in ((0.9, 0.6), (0.4, 0.1)):  # the weak line is wrong
        metric.add(count_boundaries(np.float32(strong * vertical(100) + weak * vertical(300)), [vertical(100)], LINES))
    result = metric.result()
    assert result["ois_f"] == pytest.approx(100)
    assert result["ods_f"] == pytest.approx(80)  # both right lines and one wrong one: P 2/3, R 1


def test_the_metric_of_the_registry_ignores_what_is_not_valid():
    metric = build_metric(task_spec("boundaries"))
    truth = torch.from_numpy(vertical(280))[None, None]
    valid = torch.ones_like(truth)
    valid[..., 400:] = False
    prediction = (truth | torch.from_numpy(vertical(480))[None, None]).float()
    metric.update(prediction, truth.float(), valid)
    assert metric.result()["ods_f"] > 99.5
    with pytest.raises(DataError, match="no valid pixel"):
        build_metric(task_spec("boundaries")).result()


def test_an_empty_prediction_scores_zero_and_truths_must_fit():
    assert count_boundaries(np.zeros(NYU_SIZE, np.float32), [vertical(280)]).f.max() == 0
    with pytest.raises(ShapeError, match="same shape"):
        count_boundaries(np.zeros((10, 10), np.float32), [vertical(280)])


def between_segments(segments):
    mask = np.zeros(segments.shape, bool)
    mask[:, :-1] |= segments[:, 1:] != segments[:, :-1]
    mask[:-1] |= segments[1:] != segments[:-1]
    return mask


def test_one_person_agrees_with_the_others_better_than_gradients_and_far_better_than_a_stranger(recordings_data):
    folder = recordings_data("bsds500_subset")
    with (folder / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))[::6]
    lines = BoundaryProtocol(max_distance=0.0075, smooth=False, radius=0)
    soft = BoundaryProtocol(max_distance=0.0075)
    scores = {"person": BoundaryF(lines), "stranger": BoundaryF(lines), "gradients": BoundaryF(soft)}
    for row in rows:
        place = folder / row["split"]
        marks = cv2.imread(str(place / "boundaries" / f"{row['id']}.png"), cv2.IMREAD_UNCHANGED)
        own = between_segments(cv2.imread(str(place / "segments" / f"{row['id']}.png"), cv2.IMREAD_UNCHANGED))
        others = np.rint(marks / 255 * int(row["annotators"])) - own
        most = cv2.boxFilter(others, -1, (3, 3), normalize=False) >= 1.5 * (int(row["annotators"]) - 1)  # of 3 per line
        grey = cv2.imread(str(place / "rgb" / f"{row['id']}.jpg"), cv2.IMREAD_GRAYSCALE).astype(np.float32)
        blurred = cv2.GaussianBlur(grey, (0, 0), 2)
        slope = np.hypot(cv2.Sobel(blurred, -1, 1, 0), cv2.Sobel(blurred, -1, 0, 1))
        maps = {"person": own, "stranger": own[::-1, ::-1], "gradients": slope / slope.max()}
        for name, metric in scores.items():
            metric.add(count_boundaries(maps[name].astype(np.float32), [most], metric.protocol))
    f = {name: metric.result()["ods_f"] for name, metric in scores.items()}
    assert f["person"] > f["gradients"] + 15
    assert f["gradients"] > f["stranger"] + 30
