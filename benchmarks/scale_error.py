"""By how much a model's metric depth is off in a whole room: what no number of keyframes of that room can show.

python -m benchmarks.scale_error --pool DIR [--model cvm-lite] [--set model.a=b] [--clips N] [--json]

DIR holds clips of rooms that the model was not trained on, as `python -m pipelines.rooms --split test` writes them.
Every frame is predicted alone, as for the scale of a map. The factor of a frame is the median ratio of its depth to the
truth between 0.3 and 8 m, that of a room the median over its frames. `scale_error` is the root mean square of the log
of the rooms' factors: what belongs beside the model's weights (streammtl/models/*.json) and widens the interval of a
map's scale; `held` is the share of rooms within 1.96 times that.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.flicker import frame_with_sources
from pipelines.settings import load_settings
from streammtl.data.clip_footage import ClipFootage
from streammtl.data.clip_pool import ClipPool
from streammtl.errors import StreamMtlError
from streammtl.models.predictor import Predictor
from streammtl.models.registry import build_model

COUNTED_M = (0.3, 8.0)


def room_factor(model: Predictor, footage: ClipFootage) -> tuple[float, float]:
    """Log of the factor by which depth is off in the room of a clip, and how its frames differ in that (std)."""
    factors = []
    for frame in range(len(footage.frames.T_world_cam)):
        batch = frame_with_sources(footage, frame, 0, model)
        said = model.predict(batch).values["depth"]
        truth, valid = batch.targets["depth"][:, 0], batch.valid["depth"][:, 0]
        counted = valid & (truth > COUNTED_M[0]) & (truth < COUNTED_M[1])
        if counted.any():
            factors.append(float((said[counted] / truth[counted]).log().median()))
    return float(np.median(factors)), float(np.std(factors))


def measure(model: Predictor, pool: ClipPool, clips: int) -> dict[str, float]:
    """The figures over the first `clips` clips, one of each room."""
    found = np.array([room_factor(model, ClipFootage(pool.clip(i))) for i in range(min(clips, len(pool)))])
    rooms, within = found.T
    error = float(np.sqrt(np.mean(rooms**2)))
    return {
        "rooms": len(rooms),
        "scale_error": error,
        "mean": float(rooms.mean()),
        "worst": float(np.abs(rooms).max()),
        "held": float(np.mean(np.abs(rooms) < 1.96 * error)),
        "frames_of_a_room": float(within.mean()),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="folder of clips that the model was not trained on")
    parser.add_argument("--model", default="cvm-lite")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="model.a=b")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        model = build_model(load_settings(None, [f"model.name={options.model}", *options.overrides]).model)
        figures = measure(model, ClipPool(options.pool), options.clips)
    except StreamMtlError as error:
        print(f"scale_error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(figures, indent=1))
    else:
        print("\n".join(f"{name:18} {value:.3g}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
