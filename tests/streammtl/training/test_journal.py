"""What a training writes about itself."""

import json
import sys
import types

from streammtl.training.journal import Journal, duration
from streammtl.training.progress import Progress
from streammtl.training.settings import Stage, TrainingSettings


def test_numbers_become_events_where_tensorboard_is_installed(tmp_path, monkeypatch):
    written = []

    class Writer:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def close(self):
            written.append("closed")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    journal = Journal(tmp_path)
    journal.write("train", 7, {"depth": 0.5, "note": "text"})
    journal.close()
    assert written == [("train/depth", 0.5, 7), "closed"]


def test_the_log_grows_and_never_starts_again(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # not installed
    for step in (1, 2):
        journal = Journal(tmp_path)
        journal.write("train", step, {"depth": 1.0})
        journal.close()
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]


def test_what_is_left_goes_by_pixels(monkeypatch):
    """After the first of two stages with equal steps, of images four times as large, four fifths are left."""
    stages = (Stage(steps=10, height=32, width=32, batch_size=1), Stage(steps=10, height=64, width=64, batch_size=1))
    clock = [100.0]
    monkeypatch.setattr("streammtl.training.progress.time.monotonic", lambda: clock[0])
    progress = Progress(TrainingSettings(stages=stages), 0)
    clock[0] += 20
    for _ in range(10):
        progress.count({}, 1)
    values, left_s = progress.report(10)
    assert values["samples_per_s"] == 0.5
    assert left_s == 80


def test_durations_are_readable():
    assert [duration(s) for s in (45, 720, 12000)] == ["45 s", "12 min", "3 h 20 min"]
