"""The photometric sweep on a CPU: compiled loops in turn with PyTorch's way, and the model that uses it.

python -m benchmarks.sweep [--size 240x320] [--views 4] [--threads N] [--repeats N] [--json]

Both ways get the same images (noise, seen by a camera that walks and turns) and take turns. Times are the smallest of
the repeats; CPU time is of all threads. "Bytes that must move" is how long it takes to write the scores of all views
once and to add up a volume of costs for each of the eight paths: no sweep that holds its volumes can be faster.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any
from unittest.mock import patch

from benchmarks.inference import Meter, moving_camera

PATHS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="240x320")
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measure(arguments)
    if arguments.json:
        print(json.dumps(rows))
        return
    print(f"{arguments.size}, {arguments.views} views, {arguments.threads} threads, load {os.getloadavg()[0]:.1f}")
    for row in rows:
        print(f"{row['part']:44}{row['ms']:8.1f} ms{row['cpu_ms']:8.1f} ms of CPU")


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows {part, ms, cpu_ms, peak_mb}."""
    import torch
    import torch.nn.functional as F

    from pipelines.models_command import parse_size
    from streammtl.crossview import patch_matching, semi_global
    from streammtl.crossview.hypotheses import depth_hypotheses
    from streammtl.crossview.patch_matching import match_patches
    from streammtl.crossview.patches import patch_features, to_grey
    from streammtl.crossview.photometric_sweep import NUM_PLANES, STRIDE, photometric_sweep
    from streammtl.crossview.semi_global import smooth_semi_global
    from streammtl.crossview.warp import sweep_geometry
    from streammtl.models.registry import build_model
    from streammtl.models.settings import ModelSettings

    torch.set_num_threads(arguments.threads)
    size = parse_size(arguments.size)
    batch = moving_camera(size, arguments.views, "cpu")
    meter = Meter("cpu", arguments.repeats)
    small = F.avg_pool2d(to_grey(batch.images[0]), STRIDE)
    features, guide = patch_features(small), small[0, 0]
    geometry = sweep_geometry(batch, tuple(guide.shape)).single(0)
    planes = depth_hypotheses(batch.near_m, batch.far_m, NUM_PLANES, nearest=0.0)[0]
    cost = match_patches(features, geometry, planes).cost
    scores, total = torch.empty(arguments.views - 1, *cost.shape), torch.empty_like(cost)

    def plainly(work: Any) -> Any:
        def run() -> Any:
            with (
                patch.object(patch_matching, "compiled_loops", lambda values: None),
                patch.object(semi_global, "compiled_loops", lambda values: None),
            ):
                return work()

        return run

    def moved() -> None:
        scores.fill_(0.0)
        total.fill_(0.0)
        for _ in range(PATHS):
            total.add_(cost)

    ways = {
        "patches matched": lambda: match_patches(features, geometry, planes),
        "semi-global smoothing": lambda: smooth_semi_global(cost, guide),
        "whole sweep": lambda: photometric_sweep(batch),
    }
    model = build_model(ModelSettings(name="m2h-lite", height=size[0], width=size[1]))
    with torch.inference_mode():
        for part, work in ways.items():
            meter.run_in_turn({f"{part}, compiled": work, f"{part}, PyTorch": plainly(work)})
        meter.run("bytes that must move", moved)
        meter.run("m2h-lite, with its sweep", lambda: model.predict(batch))
    return meter.rows


if __name__ == "__main__":
    main()
