"""Sheets of predictions beside the truth: what is on them, and that equal things look equal."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.evaluate_model_pictures import GAP_PX, LINE_PX, PANEL_PX, depth_scale, write_sheet
from pipelines.evaluate_model_views import PosedImage
from streammtl.errors import ConfigError
from streammtl.labels import label_space
from streammtl.tasks.spec import IGNORE
from streammtl.views import ScaleStatus, TaskOutputs

SPACE = label_space("nyu40")
H, W = 96, 128
ROW = 192 + GAP_PX  # of a panel that is 256 pixels wide


def reference(seed=0, truth=True):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255, (H, W, 3), dtype=np.uint8)
    depth = rng.uniform(1, 4, (1, H, W)).astype(np.float32)
    ids = np.where(np.arange(W) < 64, SPACE.id_of("chair") - 1, IGNORE) + np.zeros((1, H, 1), np.int64)
    everywhere = np.ones((H, W), bool)
    values = {"depth": depth, "semantics": ids} if truth else {}
    return PosedImage(image, np.eye(3), None, values, dict.fromkeys(values, everywhere))


def outputs(depth, label="lamp"):
    scores = torch.zeros(1, 40, H, W)
    scores[:, SPACE.id_of(label) - 1] = 1
    values = {"depth": torch.from_numpy(depth)[None], "semantics": scores}
    return TaskOutputs(values, torch.ones(1, 1, H, W), ScaleStatus.METRIC)


def sheet(path, rows):
    write_sheet(path, rows, SPACE)
    return cv2.imread(str(path))[..., ::-1]


def panel(picture, column, row=0):
    left, top = column * (PANEL_PX + GAP_PX), LINE_PX + row * ROW
    return picture[top : top + 192, left : left + PANEL_PX]


def test_depth_that_is_right_looks_like_the_truth_and_depth_that_is_not_does_not(tmp_path):
    first, second = reference(0), reference(1)
    rows = [(first, outputs(first.truth["depth"])), (second, outputs(first.truth["depth"]))]
    picture = sheet(tmp_path / "deep" / "a.png", rows)
    assert np.array_equal(panel(picture, 1), panel(picture, 2))
    assert (panel(picture, 1, 1) != panel(picture, 2, 1)).mean() > 0.5


def test_colours_of_depth_span_the_truth_and_without_one_the_prediction():
    seen = reference()
    twice = outputs(seen.truth["depth"] * 2)
    assert depth_scale(seen, twice) == pytest.approx((1.06, 3.94), abs=0.03)
    assert depth_scale(reference(truth=False), twice) == pytest.approx((2.12, 7.88), abs=0.06)
    nothing = PosedImage(seen.image, seen.K, None, seen.truth, {"depth": np.zeros((H, W), bool)})
    assert depth_scale(nothing, twice) == pytest.approx((2.12, 7.88), abs=0.06)
    flat = outputs(np.full((1, H, W), 2.0, np.float32))
    assert depth_scale(reference(truth=False), flat)[1] > 2.0


def test_columns_are_those_that_something_fills(tmp_path):
    """Image, true depth, depth, confidence, true labels, labels; without a truth four of them."""
    seen, alone = reference(), reference(truth=False)
    predicted = outputs(seen.truth["depth"])
    assert sheet(tmp_path / "a.png", [(seen, predicted)]).shape[1] == 6 * (PANEL_PX + GAP_PX)
    assert sheet(tmp_path / "b.png", [(alone, predicted)]).shape[1] == 4 * (PANEL_PX + GAP_PX)
    mixed = sheet(tmp_path / "c.png", [(seen, predicted), (alone, predicted)])
    assert mixed.shape[1] == 6 * (PANEL_PX + GAP_PX) and len(np.unique(panel(mixed, 1, 1))) == 1


def test_labels_and_the_legend_have_the_palette_of_the_label_space(tmp_path):
    seen = reference()
    picture = sheet(tmp_path / "a.png", [(seen, outputs(seen.truth["depth"], "lamp"))])
    palette = dict(zip(SPACE.names, SPACE.palette, strict=True))
    true, predicted = panel(picture, 4), panel(picture, 5)
    assert (true[:, :127] == palette["chair"]).all() and not true[:, 129:].any()  # unlabelled is black
    assert (predicted == palette["lamp"]).all()
    legend = picture[LINE_PX + ROW :]
    found = {name for name, colour in palette.items() if (legend == colour).all(-1).sum() == 12 * 14}
    assert found == {"chair", "lamp"}


def test_a_sheet_that_cannot_be_written_is_an_error(tmp_path):
    seen = reference()
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        write_sheet(tmp_path / "taken.png", [(seen, outputs(seen.truth["depth"]))], SPACE)


def command(data, *more):
    arguments = ["evaluate-model", "--model", "planesweep", "--data", str(data), "--json", *more]
    return CliRunner().invoke(app, [*arguments, "--set", "model.height=96", "--set", "model.width=128"])


def test_the_command_draws_beside_its_figures(pool, tmp_path):
    answer = command(pool, "--views", "1", "--views", "2", "--max-refs", "3", "--pictures", str(tmp_path / "p"))
    assert answer.exit_code == 0, answer.output
    result = json.loads(answer.stdout)
    names = [f"planesweep_{pool.name}_{count}_sources.png" for count in (1, 2)]
    assert result["pictures"] == [str(tmp_path / "p" / name) for name in names]
    assert cv2.imread(result["pictures"][0]).shape[0] > LINE_PX + 3 * ROW  # and a legend of true labels
    assert "depth" in result["by_sources"]["2"]


def test_images_without_a_truth_are_drawn_and_not_judged(tmp_path):
    for i in range(3):
        (tmp_path / "walk").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "walk" / f"{i}.jpg"), reference(i).image)
    answer = command(tmp_path / "walk", "--pictures", str(tmp_path))
    assert answer.exit_code == 0, answer.output
    result = json.loads(answer.stdout)
    assert result["by_sources"]["2"].keys() == {"ms_per_frame"}
    assert result["pictures"] == [str(tmp_path / "planesweep_walk_0_sources.png")]
    refused = command(tmp_path / "walk")
    assert refused.exit_code == 1 and "--pictures" in str(refused.exception)
