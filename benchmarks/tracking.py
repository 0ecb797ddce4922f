"""How well and how fast the tracker alone follows a recording: no network, no fusion.

python benchmarks/tracking.py VIDEO --intrinsics FILE --truth poses_sfm.txt --truth poses.txt
python benchmarks/tracking.py FOLDER --depth --truth FOLDER/poses.txt
python benchmarks/tracking.py VIDEO --intrinsics FILE --play 0:400 black:45 noise:45 200:600    # lost, and back again
python benchmarks/tracking.py VIDEO --intrinsics FILE --play 0:800 800:0 0:800                  # loops

Errors are given for every component of the trajectory, as revised by the tracker until the end. `revisit` compares the
visits of the same source frame in one component, in units of the first truth. Times are CPU seconds of all threads and
wall time, per frame; the process that does bundle adjustment beside tracking has a line of its own, per frame too.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from mapping.evaluation.similarity import fit_similarity
from mapping.evaluation.trajectory import absolute_error
from mapping.slam.adjuster_process import adjuster
from mapping.slam.settings import TrackerSettings
from mapping.slam.tracked import TrackedFrame, TrackStatus, Trajectory
from mapping.slam.tracker import make_tracker
from recordings import Recording, open_recording
from recordings.trajectory_file import nearest, read_tum
from streammtl.views import Frame, SkippedFrame

TOLERANCE_S = 0.01


@dataclass
class Played:
    """A frame as the tracker gets it, and where in the source it comes from; -1: from nowhere."""

    frame: Frame | SkippedFrame
    source: int


def play(recording: Recording, stretches: list[str]) -> Iterator[Played]:
    """Stretches of the recording one after the other: `a:b` (backwards where a > b), `black:n`, `noise:n`."""
    if not stretches:
        for frame in recording.frames():
            yield Played(frame, frame.index)
        return
    frames = [frame for frame in recording.frames() if isinstance(frame, Frame)]
    step_s, rng, count = 1.0 / (recording.fps or 30.0), np.random.default_rng(0), 0
    for stretch in stretches:
        first, last = stretch.split(":")
        if first in ("black", "noise"):
            blank = np.zeros_like(frames[0].image)
            for _ in range(int(last)):
                image = blank if first == "black" else rng.integers(0, 256, blank.shape).astype(np.uint8)
                yield Played(Frame(count, count * step_s, image, recording.camera), -1)
                count += 1
            continue
        a, b = int(first), int(last)
        for i in range(a, min(b, len(frames))) if a < b else range(min(a, len(frames)) - 1, b - 1, -1):
            yield Played(replace(frames[i], index=count, timestamp_s=count * step_s), i)
            count += 1


def errors(posed: list[TrackedFrame], times_s: np.ndarray, truth: Path) -> dict[str, object]:
    """Absolute errors of one component against one file of poses, after both alignments."""
    truth_s, T_truth = read_tum(truth)
    rows = nearest(truth_s, times_s, TOLERANCE_S)
    found = rows >= 0
    if found.sum() < 3:
        return {"poses_compared": int(found.sum())}
    estimate = np.stack([frame.T_world_cam for frame in posed])[found]
    sim3, se3 = (absolute_error(estimate, T_truth[rows[found]], with_scale) for with_scale in (True, False))
    return {
        "poses_compared": sim3.count,
        "ate_sim3_m": round(sim3.position_m.rmse, 5),
        "ate_se3_m": round(se3.position_m.rmse, 5),
        "rotation_deg": round(sim3.rotation_deg.rmse, 3),
        "scale": round(sim3.scale, 4),
    }


def revisit(posed: list[TrackedFrame], source: dict[int, int], scale: float, fps: float) -> dict[str, object] | None:
    """How far apart first and later visits of the same source frames lie, for all and for those of the last second."""
    first: dict[int, TrackedFrame] = {}
    apart = []
    for frame in posed:
        before = first.setdefault(source[frame.index], frame)
        if before is not frame:
            apart.append(np.linalg.norm(frame.T_world_cam[:3, 3] - before.T_world_cam[:3, 3]) * scale)
    if not apart:
        return None
    last = apart[-round(fps) :]
    return {"count": len(apart), "rms_m": rms(apart), "last_second_rms_m": rms(last), "max_m": round(max(apart), 5)}


def rms(values: list[float]) -> float:
    return round(float(np.sqrt(np.mean(np.square(values)))), 5)


def scale_to(posed: list[TrackedFrame], times_s: np.ndarray, truth: Path) -> float:
    truth_s, T_truth = read_tum(truth)
    rows = nearest(truth_s, times_s, TOLERANCE_S)
    estimate = np.stack([frame.T_world_cam[:3, 3] for frame in posed])[rows >= 0]
    return fit_similarity(estimate, T_truth[rows[rows >= 0]][:, :3, 3], True).scale


def spread_ms(seconds: list[float]) -> dict[str, float]:
    values = 1000 * np.array(seconds)
    p95, p99 = np.percentile(values, [95, 99])
    return {"mean": round(values.mean(), 2), "p95": round(p95, 2), "p99": round(p99, 2), "max": round(values.max(), 2)}


def adjuster_cpu_s() -> float:
    """CPU seconds of the process that adjusts, so far."""
    fields = Path(f"/proc/{adjuster.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--intrinsics")
    parser.add_argument("--truth", type=Path, action="append", default=[])
    parser.add_argument("--depth", action="store_true", help="use sensor depth")
    parser.add_argument("--play", nargs="*", default=[], help="stretches of the recording: a:b, black:n, noise:n")
    parser.add_argument("--set", nargs="*", default=[], dest="overrides", help="tracker settings, name=value")
    parser.add_argument("--log", type=Path, help="one line per frame: index, status, component, CPU ms, reason")
    options = parser.parse_args()
    settings = TrackerSettings(**dict(pair.split("=") for pair in options.overrides))
    trajectory, answers = Trajectory(), []
    source, seconds = {}, {}
    wall_s, cpu_s = [], []
    with open_recording(options.source, camera=options.intrinsics) as recording:
        tracker = make_tracker(settings, recording.camera, has_depth=options.depth)
        for played in play(recording, options.play):
            frame = played.frame
            source[frame.index] = played.source
            seconds[frame.index] = played.source / recording.fps if options.play else frame.timestamp_s
            wall, cpu = time.perf_counter(), time.process_time()
            is_frame = isinstance(frame, Frame)
            answer = tracker.track(frame) if is_frame else tracker.skip(frame)
            wall_s.append(time.perf_counter() - wall)
            cpu_s.append(time.process_time() - cpu)
            answers.append((answer.status.value, answer.component, answer.reason))
            trajectory.add(answer)
        fps = recording.fps or 30.0
    if options.log:
        lines = [f"{i} {s} {c} {1000 * t:.1f} {r}" for i, ((s, c, r), t) in enumerate(zip(answers, cpu_s, strict=True))]
        options.log.write_text("\n".join(lines) + "\n")
    report: dict[str, object] = {"frames": len(answers), "status_when_tracked": Counter(a[0] for a in answers)}
    posed = [f for f in trajectory.frames() if f.T_world_cam is not None and f.status is TrackStatus.TRACKED]
    report["posed"] = len(posed)
    report["components"] = []
    for number, group in groupby(sorted(posed, key=lambda f: (f.component, f.index)), key=lambda f: f.component):
        frames = list(group)
        times_s = np.array([seconds[f.index] for f in frames])
        entry = {"component": number, "frames": len(frames), "first": frames[0].index, "last": frames[-1].index}
        for truth in options.truth:
            entry[truth.name] = errors(frames, times_s, truth)
        if options.play:
            scale = scale_to(frames, times_s, options.truth[0]) if options.truth else 1.0
            entry["revisit"] = revisit(frames, source, scale, fps)
        report["components"].append(entry)
    fifth = max(1, len(cpu_s) // 5)
    report["cpu_ms"], report["wall_ms"] = spread_ms(cpu_s), spread_ms(wall_s)
    if adjuster.pid is not None:
        report["adjuster_cpu_ms"] = round(1000 * adjuster_cpu_s() / len(cpu_s), 2)
    report["cpu_ms_of_each_fifth"] = [
        round(1000 * np.mean(cpu_s[i : i + fifth]), 2) for i in range(0, 5 * fifth, fifth)
    ]
    report["frames_per_second"] = {
        "wall": round(len(wall_s) / sum(wall_s), 1),
        "cpu": round(len(cpu_s) / sum(cpu_s), 1),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
