"""Does memory grow with the length of a recording? Plays one several times in a row and watches this process.

python benchmarks/memory.py VIDEO --intrinsics FILE --rounds 3
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipelines.local import LocalExecutor
from pipelines.mapping_stage import MapProgress
from pipelines.prepare import Request, prepare
from pipelines.run import StopRequest, run
from recordings.recording import Recording, WrappedRecording
from streammtl.views import Frame, SkippedFrame


class Again(WrappedRecording):
    """A recording played several times; indices and time stamps go on."""

    def __init__(self, inner: Recording, rounds: int) -> None:
        super().__init__(inner)
        self._rounds = rounds
        self._count = inner.frame_count
        self._step_s = 1.0 / (inner.fps or 30.0)
        self.frame_count = self._count * rounds

    def frames(self, start: int = 0) -> Iterator[Frame | SkippedFrame]:
        for number in range(start // self._count, self._rounds):
            base = number * self._count
            for frame in self.inner.frames(max(0, start - base)):
                index = base + frame.index
                yield replace(frame, index=index, timestamp_s=frame.timestamp_s + base * self._step_s)


def resident_mb() -> float:
    """Resident memory of this process in MB."""
    words = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()
    return int(words[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--intrinsics")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="memory_"))
    request = Request(
        source=options.source,
        out=folder / "m.zarr",
        intrinsics=options.intrinsics,
        overrides=("run.surface=false", *options.overrides),
    )
    job = prepare(request)
    job.recording = Again(job.recording, options.rounds)
    peaks = [0.0] * (2 * options.rounds)  # of each half round
    half = job.recording.frame_count / len(peaks)
    until_closed = after_closed = 0.0
    closed_at = None

    def watch(progress: MapProgress) -> None:
        nonlocal until_closed, after_closed, closed_at
        now = resident_mb()
        # the first submap is closed when the third begins: until then it waits for its last poses
        if closed_at is None:
            until_closed = max(until_closed, now)
            if progress.submaps > 2:
                closed_at = progress.next_frame
        else:
            after_closed = max(after_closed, now)
        part = min(int((progress.next_frame - 1) / half), len(peaks) - 1)
        peaks[part] = max(peaks[part], now)

    with job.recording:
        outcome = run(job, LocalExecutor(), watch, StopRequest())
    shutil.rmtree(folder, ignore_errors=True)
    report = {
        "source": options.source,
        "frames": outcome.progress.next_frame,
        "keyframes": outcome.progress.keyframes,
        "submaps": outcome.progress.submaps,
        "first_submap_closed_at_frame": closed_at,
        "peak_resident_mb_until_then": round(until_closed),
        "peak_resident_mb_from_then_on": round(after_closed),
        "peak_resident_mb_of_each_half_round": [round(peak) for peak in peaks],
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
