"""The table of the generated test rooms: means over rooms, labels pooled over points."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from mapping.evaluation.semantics import LabelCounts
from streammtl.labels import label_space

SPACE = label_space("nyu40")
FIGURES = {"keyframes": 3, "seconds": 1.0, "precision": 0.5, "recall": 0.5, "f_score": 0.5, "f_score_after_icp": 0.5}


@pytest.fixture(scope="module")
def rooms():
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "rooms.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_rooms", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def labels(true, correct):
    """A room with walls alone, of which some are called wall and the others have no label."""
    counts = np.zeros((4, max(SPACE.ids) + 1), np.int64)
    counts[:, SPACE.id_of("wall")] = true, correct, correct, correct
    return LabelCounts(*counts).as_dict(SPACE)


def test_means_are_over_rooms_and_pooled_labels_over_points(rooms):
    one = {"room": "room_000", **FIGURES, "labels": labels(100, 50)}
    other = {"room": "room_001", **FIGURES, "f_score": 0.9, "labels": labels(300, 300)}
    report = rooms.summary([one, other])
    assert report["mean"]["f_score"] == pytest.approx(0.7)
    assert report["mean"]["miou_all"] == pytest.approx(0.75) and report["mean"]["miou_matched"] == 1
    assert report["pooled_labels"]["all"]["miou"] == pytest.approx(350 / 400)
    lines = rooms.table(report).splitlines()
    assert len(lines) == 6 and len({line.count("|") for line in lines}) == 1
    assert "| 0.875 |" in lines[-1] and "| 0.700 |" in lines[-2]


def test_a_model_without_labels_has_a_table_without_them(rooms):
    report = rooms.summary([{"room": "room_000", **FIGURES, "labels": None}])
    assert report["pooled_labels"] is None and "miou_all" not in report["mean"]
    assert len(rooms.table(report).splitlines()) == 4


def test_rooms_of_another_length_are_not_taken_for_these(rooms, tmp_path):
    (tmp_path / "room_000").mkdir()
    (tmp_path / "room_000" / "room.json").write_text('{"seed": 1, "frames": 60, "size": [240, 320]}')
    options = rooms.parser().parse_args(["--rooms", "1", "--frames", "300", "--folder", str(tmp_path)])
    with pytest.raises(rooms.ConfigError, match="60 frames"):
        rooms.made(options)
    options = rooms.parser().parse_args(["--rooms", "1", "--frames", "60", "--folder", str(tmp_path)])
    assert rooms.made(options) == [tmp_path / "room_000"]
