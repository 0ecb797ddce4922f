"""kill -9 at random times: does the map open every time, and is it the undisturbed one in the end?

python benchmarks/kill_resume.py VIDEO --intrinsics FILE --kills 20 [--ray]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import streammtl  # noqa: F401
from mapping.store.reader import is_map, open_map
from mapping.store.validate import validate_map


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("--intrinsics")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--max-frames", default="1000000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ray", action="store_true", help="stages as Ray actors; the whole process group is killed")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kill_resume_"))
    try:
        report = chaos(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(report, indent=2))
    sys.exit(not report["equal"])


def chaos(options: argparse.Namespace, folder: Path) -> dict:
    start = ["--intrinsics", options.intrinsics] if options.intrinsics else []
    start += [word for override in options.overrides for word in ("--set", override)]
    whole, broken = folder / "whole.zarr", folder / "broken.zarr"
    began = time.monotonic()
    launch(options, whole, start).wait()
    whole_s = time.monotonic() - began
    rng = random.Random(options.seed)
    kills, unopened, invalid, ended = 0, 0, 0, False
    while kills < options.kills and not ended:
        process = launch(options, broken, ["--resume"] if is_map(broken) else start)
        try:
            # long enough that most runs get past a commit, short enough that they seldom end
            process.wait(timeout=rng.uniform(0.1, 0.6) * whole_s)
            ended = True
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            if is_map(broken):
                try:
                    invalid += bool(validate_map(broken))
                except Exception:
                    unopened += 1
        if ended and kills < options.kills:  # finished before all kills were done: begin a new broken run
            difference = compare(whole, broken)
            if difference:
                return {"kills": kills, "equal": False, "difference": difference}
            shutil.rmtree(broken)
            ended = False
    launch(options, broken, ["--resume"] if is_map(broken) else start).wait()
    difference = compare(whole, broken)
    return {
        "source": options.source,
        "executor": "ray" if options.ray else "local",
        "undisturbed_s": round(whole_s, 1),
        "kills": kills,
        "maps_that_did_not_open": unopened,
        "maps_that_were_not_valid": invalid,
        "frames": open_map(broken).header.progress.next_frame,
        "keyframes": open_map(broken).header.keyframes,
        "difference": difference,
        "equal": not difference and not unopened and not invalid,
    }


def launch(options: argparse.Namespace, out: Path, more: list[str]) -> subprocess.Popen:
    how = ["--actors"] if options.ray else ["--local"]
    words = [sys.executable, "-m", "pipelines.cli", "map", options.source, "--out", str(out)]
    words += ["--max-frames", options.max_frames, *how, *more]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(words, stdout=quiet, stderr=quiet, start_new_session=True)


def compare(whole: Path, broken: Path) -> str:
    """What differs, for people; empty for equal maps."""
    a, b = open_map(whole), open_map(broken)
    if not b.header.progress.complete:
        return "the resumed map is not complete"
    if [k.frame for k in a.keyframes()] != [k.frame for k in b.keyframes()]:
        return "keyframes differ"
    if len(a.header.submaps) != len(b.header.submaps):
        return "the number of submaps differs"
    for left, right in zip(a.submaps(), b.submaps(), strict=True):
        if not np.array_equal(left.blocks.index, right.blocks.index):
            return f"blocks of submap {left.number} differ"
        if np.abs(left.blocks.tsdf - right.blocks.tsdf).max(initial=0) > 2e-3:
            return f"tsdf of submap {left.number} differs"
    if not np.allclose(a.trajectory().T_world_cam, b.trajectory().T_world_cam, atol=1e-9, equal_nan=True):
        return "trajectories differ"
    return ""


if __name__ == "__main__":
    main()
