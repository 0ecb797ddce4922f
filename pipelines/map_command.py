"""`streammtl map` and `streammtl live`: run a job and say what came of it."""

from __future__ import annotations

import os
import shlex
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from mapping.store.header import CameraRecord
from mapping.store.reader import open_map
from pipelines.prepare import Request, prepare
from pipelines.progress import progress_display
from pipelines.run import Outcome, run
from pipelines.view_command import watched
from streammtl.stopping import StopRequest

CORES_FOR_ACTORS = 4  # on two, actors take a third longer than stages one after the other


@dataclass
class RunReport:
    """The end of a run, for people and for programs."""

    summary: dict[str, Any]
    camera: CameraRecord
    outcome: Outcome
    request: Request
    run_s: float
    damaged: str | None

    def as_dict(self) -> dict[str, Any]:
        """Figures of the run beside those of the map."""
        frames = self.outcome.progress.next_frame - self.outcome.first_frame
        result = {
            "map": str(self.request.out),
            "run_s": round(self.run_s, 2),
            "frames_per_s": round(frames / max(self.run_s, 1e-6), 2),
            **self.summary,
            "camera": self.camera.model_dump(mode="json"),
        }
        if self.damaged:
            result["recording_damaged"] = self.damaged
        if self.request.live:
            result["pose_latency_ms"] = percentiles_ms(self.outcome.pose_latency_s)
            result["map_latency_ms"] = percentiles_ms(self.outcome.map_latency_s)
        return result

    @property
    def _interval(self) -> str:
        interval = self.camera.focal_interval_px
        return "" if interval is None else " (95 % {:.0f}..{:.0f})".format(*interval)

    def as_text(self) -> str:
        facts, camera = self.as_dict(), self.camera.camera()
        by_status = ", ".join(f"{count} {status}" for status, count in facts["frames_by_status"].items())
        metric = facts["scale"]["status"] == "metric"
        unit = "m" if metric else "units, scale unknown"
        parts = facts["components"]
        lines = [
            f"map: {facts['map']} ({facts['size_bytes'] / 1e6:.1f} MB)",
            f"frames: {facts['frames']} ({by_status}), {facts['keyframes']} keyframes fused",
            f"speed: {facts['frames_per_s']:.1f} frames/s, {facts['run_s']:.1f} s in all",
            f"trajectory: {facts['trajectory_length_m']:.2f} {unit}",
            f"submaps: {facts['submaps']}{f' in {parts} unconnected parts' if parts > 1 else ''}",
            *([] if parts == 1 else [_part_line(part) for part in facts["connected"]]),
            f"blocks: {facts['blocks']} of 8x8x8 voxels of {facts['voxel_size_m']:g} {unit}",
            f"calibration: {self.camera.how}, {camera.model} fx {camera.fx:.1f} fy {camera.fy:.1f}" + self._interval,
        ]
        lines.append(_scale_line(facts["scale"]))
        if self.damaged:
            lines.append(f"the recording is damaged: {self.damaged}")
        if self.request.live:
            lines.append(f"dropped frames: {facts['dropped']}")
            lines.append(f"latency to the pose, ms: {facts['pose_latency_ms']}")
            lines.append(f"latency to the map, ms: {facts['map_latency_ms']}")
        if not self.summary.get("complete", True):
            lines.append("interrupted: what was done is safe. Go on with the same command and --resume.")
        out = shlex.quote(str(self.request.out))
        mesh = shlex.quote(str(self.request.out.with_suffix(".ply")))
        lines.append(f"next: streammtl info {out}; streammtl export {out} --to {mesh}")
        return "\n".join(lines)


def _scale_line(scale: dict[str, Any]) -> str:
    if scale["status"] != "metric":
        return f"scale: unknown ({scale['method']})"
    if scale["interval"] is None:
        return f"scale: metres ({scale['method']})"
    low, high = (end / scale["value"] - 1 for end in scale["interval"])
    told = scale["over_recording"]
    more = "" if told is None else f"; all keyframes together: lengths times {told:.2f} (streammtl rescale)"
    return f"scale: metres by {scale['method']}, off by {low:+.0%} to {high:+.0%} (95 %){more}"


def _part_line(part: dict[str, Any]) -> str:
    numbers = ", ".join(str(number) for number in part["submaps"])
    frames = f"{part['frames_posed']} frames of {part['first_frame']}..{part['last_frame']}"
    return f"  part {part['component']}: {frames}, submaps {numbers}"


def percentiles_ms(latencies_s: list[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile in milliseconds; empty without samples."""
    if not latencies_s:
        return {}
    values = np.percentile(latencies_s, [50, 95, 99]) * 1000
    return {name: round(float(value), 1) for name, value in zip(("p50", "p95", "p99"), values, strict=True)}


def map_recording(request: Request, local: bool | None, view: bool = False) -> RunReport:
    """Maps a recording or a live source; with `view`, a browser on this machine can watch.

    `local`: stages in this process, or Ray actors; None: whichever is faster with the cores of this machine.

    Raises: StreamMtlError of any kind, with the map left at its last commit.
    """
    job = prepare(request)
    executor = _executor(local)
    stop = StopRequest()
    started = time.monotonic()
    count = job.recording.frame_count
    total = None if count is None else count * request.stride  # progress speaks of positions in the source
    with (
        job.recording,
        watched(request.out) if view else nullcontext(),
        stop.on_interrupt(),
        progress_display(total) as report,
    ):
        outcome = run(job, executor, report, stop)
    run_s = time.monotonic() - started
    reader = open_map(request.out)
    camera = reader.header.provenance.camera
    return RunReport(reader.summary(), camera, outcome, request, run_s, job.recording.damaged)


def _executor(local: bool | None) -> Any:
    if local is None:
        local = (os.cpu_count() or 1) < CORES_FOR_ACTORS
    if local:
        from pipelines.local import LocalExecutor

        return LocalExecutor()
    from pipelines.actors import RayExecutor  # Ray takes seconds to import and start

    return RayExecutor()
