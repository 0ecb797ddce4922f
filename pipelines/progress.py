"""How a run shows itself: a bar with rate and ETA on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipelines.mapping_stage import MapProgress

LINE_EVERY_S = 5.0


class PlainProgress:
    """One line every few seconds: what a log file wants."""

    def __init__(self, total: int | None, stream: TextIO | None = None) -> None:
        self._total = total
        self._stream = stream or sys.stderr
        self._started = self._last = time.monotonic()
        self._first_frame: int | None = None

    def __call__(self, progress: MapProgress) -> None:
        now = time.monotonic()
        if self._first_frame is None:
            self._first_frame = progress.next_frame
        if now - self._last < LINE_EVERY_S:
            return
        self._last = now
        print(describe(progress, self._total, self._first_frame, now - self._started), file=self._stream, flush=True)


def describe(progress: MapProgress, total: int | None, first_frame: int, elapsed_s: float) -> str:
    """One line on how far a run is."""
    rate = (progress.next_frame - first_frame) / max(elapsed_s, 1e-6)
    of_total = f"/{total}" if total else ""
    eta = f", {(total - progress.next_frame) / rate:.0f} s left" if total and rate > 0 else ""
    lost = progress.frames.get("lost", 0)
    return (
        f"frame {progress.next_frame}{of_total}: {rate:.1f} frames/s{eta}, {progress.keyframes} keyframes, "
        f"{progress.submaps} submaps, {lost} lost"
    )


@contextmanager
def progress_display(total: int | None) -> Iterator:
    """Gives the callable that a run reports its MapProgress to."""
    if not sys.stderr.isatty():
        yield PlainProgress(total)
        return
    columns = (
        TextColumn("mapping"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("mapping", total=total, rate="", note="")

        def show(progress: MapProgress) -> None:
            speed = bar.tasks[task].speed
            bar.update(
                task,
                completed=progress.next_frame,
                rate=f"{speed:.1f} frames/s" if speed else "",
                note=f"{progress.keyframes} keyframes, {progress.submaps} submaps",
            )

        yield show
