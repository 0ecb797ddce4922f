"""How much a model's predictions change from frame to frame, with other views and without.

python benchmarks/flicker.py --pool DIR [--model cvm-lite] [--set model.a=b] [--clips N] [--sources N] [--json]

DIR holds clips as `python -m pipelines.rooms` writes them. Every frame of a clip is predicted alone, and with the
sources that a keyframe selector would choose among the other frames. What is said of a point in one frame is compared
with what is said of it in the next, where true depth and poses put it. The row "truth" is what the labels themselves
give: nearest pixels are compared, and surfaces are not all flat. AbsRel stands beside it, since a model that always
says the same does not flicker either.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from pipelines.settings import load_settings
from streammtl.data.clip_footage import ClipFootage
from streammtl.data.clip_pool import ClipPool
from streammtl.data.footage import Window
from streammtl.data.view_choice import ViewChoiceSettings, choose_sources
from streammtl.data.window import read_window
from streammtl.errors import StreamMtlError
from streammtl.metrics.depth import DepthErrors
from streammtl.metrics.flicker import Flicker, SeenFrame
from streammtl.models.predictor import Predictor
from streammtl.models.registry import build_model
from streammtl.tasks.spec import IGNORE
from streammtl.training.validation import first_view
from streammtl.views import ViewBatch

UNITS = {"depth": "%", "semantics": "%", "normals": "°", "boundaries": ""}
SELECTOR = ViewChoiceSettings(
    causal_share=0.0, candidate_share=(1.0, 1.0), best_baseline_m=(0.15, 0.15), baseline_m=(0.05, 0.6)
)


def measure(model: Predictor, pool: ClipPool, clips: int, sources: int) -> dict[str, dict[str, float]]:
    """{row: {task: change, "abs_rel": ...}} of the first `clips` clips."""
    rows = ("with other views", "alone", "truth")
    flicker, depth_errors = {row: Flicker() for row in rows}, {row: DepthErrors() for row in rows}
    for index in range(min(clips, len(pool))):
        footage = ClipFootage(pool.clip(index))
        before: dict[str, SeenFrame] = {}
        for frame in range(len(footage.frames.T_world_cam)):
            batch = frame_with_sources(footage, frame, sources, model)
            depth, valid = batch.targets["depth"][:, 0], batch.valid["depth"][:, 0]
            said = {
                "with other views": model.predict(batch).values,
                "alone": model.predict(first_view(batch)).values,
                "truth": truth_as_values(batch, model.tasks),
            }
            for row, values in said.items():
                seen = SeenFrame(values, torch.where(valid, depth, 0.0), batch.K[:, 0], batch.T_world_cam[:, 0])
                if row in before:
                    flicker[row].update(before[row], seen)
                before[row] = seen
                depth_errors[row].update(values["depth"], depth, valid)
    return {row: flicker[row].result() | {"abs_rel": depth_errors[row].result()["abs_rel"]} for row in rows}


def frame_with_sources(footage: ClipFootage, frame: int, count: int, model: Predictor) -> ViewBatch:
    """A frame at the model's size with its sources, and the labels of what the model predicts."""
    depth = footage.coarse_depth(frame)
    typical = float(np.median(depth[depth > 0]))
    chosen = choose_sources(footage.frames, frame, typical, count, SELECTOR, np.random.default_rng(0))
    height, width = footage.frames.size
    size = (height // model.size_multiple * model.size_multiple, width // model.size_multiple * model.size_multiple)
    window = Window((height - size[0]) // 2, (width - size[1]) // 2, *size)
    batch = read_window(footage, [frame, *chosen], window, size, model.tasks)
    limits = model.settings.near_m, model.settings.far_m
    return replace(batch, near_m=torch.tensor(limits[:1]), far_m=torch.tensor(limits[1:]))


def truth_as_values(batch: ViewBatch, tasks: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Labels of view 0 in the form of predictions."""
    values = {task: batch.targets[task][:, 0] for task in tasks}
    if "semantics" in values:
        labels = torch.where(values["semantics"] == IGNORE, 40, values["semantics"])[:, 0].long()
        values["semantics"] = F.one_hot(labels, 41).movedim(-1, 1).float()
    return values


def markdown(rows: dict[str, dict[str, float]]) -> str:
    """The table."""
    tasks = [task for task in next(iter(rows.values())) if task != "abs_rel"]
    units = [f"{task}, {UNITS[task]}" if UNITS.get(task) else task for task in tasks]
    lines = [f"| change between frames | {' | '.join(units)} | AbsRel |", "|---" * (len(tasks) + 2) + "|"]
    for row, found in rows.items():
        lines.append(f"| {row} | {' | '.join(f'{found[name]:.3f}' for name in (*tasks, 'abs_rel'))} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="folder of clips that the model was not trained on")
    parser.add_argument("--model", default="cvm-lite")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="model.a=b")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--sources", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        model = build_model(load_settings(None, [f"model.name={options.model}", *options.overrides]).model)
        rows = measure(model, ClipPool(options.pool), options.clips, options.sources)
    except StreamMtlError as error:
        print(f"flicker: {error}", file=sys.stderr)
        return 1
    print(json.dumps(rows, indent=1) if options.json else markdown(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
