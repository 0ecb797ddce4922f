"""Does a run keep to its memory, however long the recording? Plays one several times in a row and watches this process.

python benchmarks/memory.py VIDEO --intrinsics FILE --rounds 3 [--set run.memory_gb=1.2] [--out MAP.zarr]

The merged surface, written when the run ends, counts as the last part. With --out the map is kept.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipelines.local import LocalExecutor
from pipelines.mapping_stage import MapProgress
from pipelines.memory_budget import resident_bytes
from pipelines.prepare import Request, prepare
from pipelines.run import run
from recordings.recording import Recording, WrappedRecording
from streammtl.stopping import StopRequest
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--intrinsics")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="memory_") as folder:
        print(json.dumps(watched(options, options.out or Path(folder) / "m.zarr"), indent=2))


def watched(options: argparse.Namespace, out: Path) -> dict[str, object]:
    """Maps the recording so many times over and says what this process took meanwhile, in MB."""
    request = Request(source=options.source, out=out, intrinsics=options.intrinsics, overrides=tuple(options.overrides))
    job = prepare(request)
    job.recording = Again(job.recording, options.rounds)
    peaks = [0.0] * (2 * options.rounds)  # of each half round
    half = job.recording.frame_count / len(peaks)

    def watch(progress: MapProgress) -> None:
        part = min(int((progress.next_frame - 1) / half), len(peaks) - 1)
        peaks[part] = max(peaks[part], resident_bytes() / 1e6)

    with job.recording:
        outcome = run(job, LocalExecutor(), watch, StopRequest())
    return {
        "source": options.source,
        "frames": outcome.progress.next_frame,
        "keyframes": outcome.progress.keyframes,
        "submaps": outcome.progress.submaps,
        "allowed_mb": round(1000 * job.settings.run.memory_gb),
        "peak_resident_mb_of_each_half_round": [round(peak) for peak in peaks],
        "peak_resident_mb_of_all": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
    }


if __name__ == "__main__":
    main()
