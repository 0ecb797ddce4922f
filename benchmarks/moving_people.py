"""People who walk with the camera: how far they lead tracking astray, without masks, with masks from motion alone, and
with true masks.

python benchmarks/moving_people.py --rooms 4 --folder ROOMS
python benchmarks/moving_people.py --rooms 2 --people 2 --json

Rooms are generated (--folder keeps them): a hand-held camera goes about, and people in patterned clothes keep before
it, now along with the camera, now at rest, now across the view. Images alone, calibration given. ATE in metres after
Sim(3) over all frames of the largest connected stretch; "posed" is its share of the frames. Where even true masks leave
less than 3/4 of the frames posed the room shows too little beside the people: it is listed, and left out of the mean.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.moving_people_rooms import write_rooms
from mapping.evaluation.trajectory import absolute_error
from mapping.slam.settings import TrackerSettings
from mapping.slam.tracked import TrackedFrame, Trajectory
from mapping.slam.tracker import SeeMoving, make_tracker
from recordings import open_recording
from recordings.trajectory_file import read_tum
from streammtl.data.rooms.classes import Label
from streammtl.views import Frame

METHODS = ("without", "motion", "true")
LEAST_POSED = 0.75


def main() -> int:
    options = parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    folder = options.folder or Path(tempfile.gettempdir()) / "streammtl_moving_people"
    rooms = write_rooms(folder, options.rooms, options.frames, options.people)
    report = summary([judged(room) for room in rooms])
    print(json.dumps(report, indent=2) if options.json else table(report))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rooms", type=int, default=4)
    made.add_argument("--frames", type=int, default=200, help="of each room (default: %(default)s)")
    made.add_argument("--people", type=int, default=1, help="in each room (default: %(default)s)")
    made.add_argument("--folder", type=Path, help="of the rooms (default: one in the temporary folder)")
    made.add_argument("--json", action="store_true")
    return made


def judged(room: Path) -> dict[str, Any]:
    """A room's figures by method."""
    share = json.loads((room / "room.json").read_text())["mean_share"]
    return {"room": room.name.rpartition("_")[2], "share": share, **{m: tracked(room, m) for m in METHODS}}


def tracked(room: Path, method: str) -> dict[str, float]:
    settings = TrackerSettings(watch_motion=method == "motion")
    trajectory, began = Trajectory(), time.process_time()
    with open_recording(str(room)) as recording:
        tracker = make_tracker(settings, recording.camera, False, true_masks(room) if method == "true" else None)
        count = 0
        for frame in recording.frames():
            trajectory.add(tracker.track(frame))
            count += 1
    cpu_ms = 1000 * (time.process_time() - began) / count
    return {**accuracy(trajectory.frames(), count, room / "poses.txt"), "cpu_ms": cpu_ms}


def true_masks(room: Path) -> SeeMoving:
    def see(frame: Frame) -> np.ndarray:
        return cv2.imread(str(room / "labels" / f"{frame.index:06d}.png"), cv2.IMREAD_UNCHANGED) == Label.PERSON

    return see


def accuracy(frames: list[TrackedFrame], count: int, truth: Path) -> dict[str, float]:
    posed = [frame for frame in frames if frame.T_world_cam is not None]
    if not posed:
        return {"ate_m": float("nan"), "posed": 0.0}
    largest = Counter(frame.component for frame in posed).most_common(1)[0][0]
    stretch = [frame for frame in posed if frame.component == largest]
    T_truth = read_tum(truth)[1]
    error = absolute_error(
        np.stack([frame.T_world_cam for frame in stretch]), T_truth[[frame.index for frame in stretch]], True
    )
    return {"ate_m": error.position_m.rmse, "posed": len(stretch) / count}


def summary(rooms: list[dict[str, Any]]) -> dict[str, Any]:
    """The rooms, and ratios of ATE to that without masks: median, geometric mean, least and most."""
    fair = [room for room in rooms if room["true"]["posed"] >= LEAST_POSED]
    ratios = {
        method: [room[method]["ate_m"] / room["without"]["ate_m"] for room in fair] for method in ("motion", "true")
    }
    spread = {
        method: {
            "median": float(np.median(values)),
            "geometric_mean": float(np.exp(np.mean(np.log(values)))),
            "least": min(values),
            "most": max(values),
        }
        for method, values in ratios.items()
        if values
    }
    return {"rooms": rooms, "judged": len(fair), "ratio": spread}


def table(report: dict[str, Any]) -> str:
    lines = [
        "| room | people fill | ATE without masks | masks from motion | true masks | ratio | posed | CPU ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for room in report["rooms"]:
        ate = {method: room[method]["ate_m"] for method in METHODS}
        posed = " / ".join(f"{room[method]['posed']:.2f}" for method in METHODS)
        cpu = " / ".join(f"{room[method]['cpu_ms']:.1f}" for method in METHODS)
        lines.append(
            f"| {room['room']} | {room['share']:.2f} | "
            + " | ".join(f"{ate[method]:.4f}" for method in METHODS)
            + f" | {ate['motion'] / ate['without']:.2f} | {posed} | {cpu} |"
        )
    for method, ratio in report["ratio"].items():
        lines.append(
            f"\nATE with masks ({method}) over that without, {report['judged']} rooms: median {ratio['median']:.2f}, "
            f"geometric mean {ratio['geometric_mean']:.2f}, {ratio['least']:.2f} to {ratio['most']:.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
