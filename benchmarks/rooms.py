"""Generated test rooms, from pixels to a judged map: surface F-score and labels per room, as a Markdown table.

python benchmarks/rooms.py --rooms 10 --model cvm-lite --weights lite.safetensors
python benchmarks/rooms.py --rooms 1 --frames 60 --model planesweep --json

Rooms that are in --folder already are used as they are; missing ones are made (a few minutes each). Every room is
mapped with its true poses by the same code as `streammtl map ROOM --poses ROOM/poses.txt --local`, and judged as by
`streammtl evaluate MAP --truth ROOM`; figures are those after the trajectory's alignment, lengths of F-scores 5 cm.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mapping.evaluation.evaluate import evaluate_map
from mapping.evaluation.semantics import TRUE_SPACE, LabelCounts
from mapping.store.reader import open_map
from pipelines.map_command import map_recording
from pipelines.prepare import Request
from pipelines.rooms.render_recording import write_test_rooms
from streammtl.data.rooms.build import build_room
from streammtl.data.rooms.furniture.library import FurnitureLibrary
from streammtl.errors import ConfigError, StreamMtlError
from streammtl.labels import label_space

COLUMNS = {  # heading -> what a room or a mean has under that name, and how it is written
    "keyframes": ("keyframes", "{:.0f}"),
    "s": ("seconds", "{:.1f}"),
    "precision": ("precision", "{:.3f}"),
    "recall": ("recall", "{:.3f}"),
    "F-score": ("f_score", "{:.3f}"),
    "F-score after ICP": ("f_score_after_icp", "{:.3f}"),
    "labelled": ("coverage", "{:.3f}"),
    "mIoU of labelled": ("miou_matched", "{:.3f}"),
    "mIoU of all": ("miou_all", "{:.3f}"),
    "accuracy of labelled": ("accuracy_matched", "{:.3f}"),
    "accuracy of all": ("accuracy_all", "{:.3f}"),
}


def main() -> int:
    options = parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    try:
        rooms = made(options)
        with tempfile.TemporaryDirectory() as scratch:
            maps = options.maps or Path(scratch)
            report = summary([judged(room, maps / f"{room.name}.zarr", overrides(options)) for room in rooms])
    except StreamMtlError as error:
        print(f"rooms: {error}", file=sys.stderr)
        return 1
    report = {"model": options.model, "weights": options.weights and str(options.weights), **report}
    print(json.dumps(report, indent=2) if options.json else table(report))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = made.add_argument
    add("--rooms", type=int, default=10)
    add("--frames", type=int, default=300, help="of each room (default: %(default)s)")
    add("--model", default="planesweep")
    add("--weights", type=Path, help="safetensors")
    add("--set", action="append", default=[], dest="overrides", metavar="a.b=c", help="as in `streammtl map`")
    add("--folder", type=Path, help="of the rooms (default: one for this kind of rooms in the temporary folder)")
    add("--furniture", type=Path, help="folder of furniture models; none: drawn shapes only")
    add("--maps", type=Path, help="folder to keep the maps in; it must not hold them yet")
    add("--json", action="store_true")
    return made


def overrides(options: argparse.Namespace) -> tuple[str, ...]:
    weights = [] if options.weights is None else [f"model.weights={options.weights}"]
    return (f"model.name={options.model}", *weights, *options.overrides)


def made(options: argparse.Namespace) -> list[Path]:
    """The folders of the rooms, made where they are missing.

    Raises: ConfigError for rooms that were made with another number of frames; DataError for wrong furniture.
    """
    kind = f"streammtl_test3d_{options.frames}{'_furnished' if options.furniture else ''}"
    folder = options.folder or Path(tempfile.gettempdir()) / kind
    furniture = FurnitureLibrary(options.furniture) if options.furniture else None
    write_test_rooms(
        folder, options.rooms, options.frames, (240, 320), functools.partial(build_room, furniture=furniture)
    )
    rooms = [folder / f"room_{i:03d}" for i in range(options.rooms)]
    for room in rooms:
        frames = json.loads((room / "room.json").read_text())["frames"]
        if frames != options.frames:
            raise ConfigError(f"{room} has {frames} frames, not {options.frames}; give --frames or another --folder.")
    return rooms


def judged(room: Path, out: Path, settings: tuple[str, ...]) -> dict[str, Any]:
    """Maps one room and compares it with its truth."""
    request = Request(source=str(room), out=out, poses=room / "poses.txt", overrides=settings)
    run = map_recording(request, local=True).as_dict()
    result = evaluate_map(open_map(out), room)
    surface, semantics = result["surface"], result["semantics"]
    return {
        "room": room.name,
        "keyframes": run["keyframes"],
        "seconds": run["run_s"],
        **surface["trajectory_aligned"]["at_5cm"],
        "f_score_after_icp": surface["after_icp"]["at_5cm"]["f_score"],
        "labels": semantics and semantics["trajectory_aligned"],
    }


def summary(rooms: list[dict[str, Any]]) -> dict[str, Any]:
    """The rooms, the mean of each figure over them, and the figures of labels over the points of all rooms."""
    space = label_space(TRUE_SPACE)
    rows = [{key: value for key, value in room.items() if key != "labels"} | flat(room["labels"]) for room in rooms]
    mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "room"}
    pooled = None
    if all(room["labels"] for room in rooms):
        counts = [LabelCounts.from_dict(room["labels"], space) for room in rooms]
        pooled = functools.reduce(LabelCounts.__add__, counts).as_dict(space)
    return {"rooms": rows, "mean": mean, "pooled_labels": pooled}


def flat(labels: dict[str, Any] | None) -> dict[str, float]:
    if labels is None:
        return {}
    by_kind = {f"{name}_{kind}": labels[kind][name] for kind in ("matched", "all") for name in ("miou", "accuracy")}
    return {"coverage": labels["coverage"], **by_kind}


def table(report: dict[str, Any]) -> str:
    rows = [*report["rooms"], {"room": "mean", **report["mean"]}]
    if report["pooled_labels"]:
        rows.append({"room": "pooled", **flat(report["pooled_labels"])})
    lines = ["| room | " + " | ".join(COLUMNS) + " |", "|" + "---|" * (len(COLUMNS) + 1)]
    for row in rows:
        cells = (form.format(row[key]) if key in row else "" for key, form in COLUMNS.values())
        lines.append(f"| {row['room']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
