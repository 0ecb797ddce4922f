"""What a cross-view module is worth: variants of one network, trained alike, judged on rooms they never saw.

python benchmarks/learning.py [--variants k=2 duplicated none literal k=1 ...] [--seeds N] [--steps N] [--size HxW]
                              [--encoder NAME] [--pool DIR] [--workers N] [--set a.b=c] [--out DIR] [--json]

k=N         cross-view module with N neighbours, in training and when judged
duplicated  the module compares each view with itself, as a paper's single-view test does
alone       the module meets no neighbour and says so
none        no cross-view module
literal     as k=2, with the depth planes that the paper writes down: 0.1 mm to 10 m
m2h:...     any of these with M2H's decoder and mixer, at the cost of cvm-lite's own decoder; m2h:k=2 is m2h-cvm
...+MIXER   any of these with a task mixer of streammtl.mixers behind the decoder

Encoder, decoder, images, steps, seeds and terms of the loss are the same for all; the term of the cost volume is left
out where there is none, or no second view sees the planes in question. Depth is read from the planes where there are
some and linearly otherwise; --set model.depth_head=linear does so for all. Poses are exact, and every sample has the
same depth limits, so that no variant is told how large its room is. All variants are judged on the same images.

Rooms are drawn shapes, rendered into OUT/pool unless --pool names a folder with train/ and validation/ in it.
Results and weights lie in OUT/VARIANT-SEED; a run that stopped goes on, one that is done is not done again.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

import mapping.evaluation.boundaries  # noqa: F401  it registers the metric of boundaries
from streammtl.data.clip_pool import ClipPool
from streammtl.data.sampler import ClipSampler
from streammtl.errors import ConfigError, StreamMtlError
from streammtl.metrics import MultiTaskMetrics
from streammtl.models.predictor import batch_to
from streammtl.training.config import training_settings
from streammtl.training.export import export_weights
from streammtl.training.learner import Learner
from streammtl.training.settings import TrainingSettings
from streammtl.training.trainer import Trainer

JUDGING_SEED = 30_000_001
DEPTH_LIMITS_M = (0.4, 10.0)
CLIPS = {"train": 96, "validation": 24}
SPLITS = {"train": "train", "validation": "val"}
SMALL = {"cross_view_channels": 32, "cross_view_layers": 2, "num_planes": 32}
TASKS = ("depth", "normals", "boundaries")
WEIGHTS = "weights.safetensors"
BETTER = {"depth.abs_rel": -1, "depth.rmse": -1, "boundaries.ods_f": 1, "normals.mean_deg": -1}  # 1: higher
TITLES = ("AbsRel", "RMSE, m", "odsF", "normals, °")
DIGITS = (3, 3, 2, 1)
VARIANTS = ["k=2", "duplicated", "none", "literal", "k=1", "k=3", "k=2+wmca"]
VARIANTS += ["m2h:k=2", "m2h:duplicated", "m2h:none"]
COMPARED = (
    ("k=2", "duplicated"),
    ("duplicated", "none"),
    ("k=2", "none"),
    ("m2h:k=2", "m2h:duplicated"),
    ("m2h:duplicated", "m2h:none"),
    ("m2h:k=2", "m2h:none"),
    ("k=2", "literal"),
    ("k=2", "k=1"),
    ("k=3", "k=2"),
    ("k=2+wmca", "k=2"),
    ("m2h:k=2", "k=2"),
)


@dataclass(frozen=True)
class Table:
    """What a table shows: figures and whether higher is better (1) or lower (-1), and which variants are compared."""

    better: dict[str, int]
    titles: tuple[str, ...]
    digits: tuple[int, ...]
    compared: tuple[tuple[str, str], ...]


TABLE = Table(BETTER, TITLES, DIGITS, COMPARED)


@dataclass(frozen=True)
class Variant:
    """A network, how many sources it is trained and judged with, and terms of its loss."""

    name: str
    sources: int
    model: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)


def variant_of(name: str) -> Variant:
    """The variant of that name. Raises: ConfigError."""
    base, plus, mixer = name.partition("+")
    if plus:
        plain = variant_of(base)
        return replace(plain, name=name, model=plain.model | {"mixer": mixer})
    if name.startswith("m2h:"):
        plain = variant_of(name.removeprefix("m2h:"))
        return replace(plain, name=name, model=plain.model | {"name": "m2h-cvm"})
    fixed = {
        "duplicated": Variant(name, 0, {"single_view": "duplicate"}),
        "alone": Variant(name, 0),
        "none": Variant(name, 0, {"cost_volume": False, "cross_view_features": False}),
        "literal": Variant(name, 2, {"plane_spacing": "paper_literal", "num_neighbours": 2}),
    }
    if name in fixed:
        return fixed[name]
    if name.startswith("k=") and name[2:].isdigit() and int(name[2:]) > 0:
        return Variant(name, int(name[2:]), {"num_neighbours": int(name[2:])})
    known = f"{', '.join(fixed)} or k=N with N from 1, m2h: before, +MIXER after"
    raise ConfigError(f"variant {name!r} is unknown; use {known}.")


def base_values(options: argparse.Namespace, pool: Path) -> dict[str, Any]:
    """Training settings that all variants share."""
    height, width = options.size
    views = {"missing_share": 0.0, "repeated_share": 0.0, "best_baseline_m": [0.12, 0.35], "baseline_m": [0.05, 0.7]}
    near, far = DEPTH_LIMITS_M
    tracking = {
        "exact_share": 1.0,
        "fixed_range_share": 1.0,
        "fixed_near_m": [near, near],
        "fixed_far_m": [far, far],
    }
    return {
        "tasks": list(TASKS),
        "model": {"name": "cvm-lite", "encoder": options.encoder, **SMALL},
        "data": {
            "pool": str(pool / "train"),
            "validation_samples": 192,
            "threads": 0,
            "sampling": {"views": views, "tracking": tracking, "appearance": None},
        },
        "stages": [{"steps": options.steps, "height": height, "width": width, "batch_size": 4}],
        "objective": {"matching": 0.3, "tasks": {"normals": 0.25, "boundaries": 4.0}},
        "optimiser": {
            "learning_rate": 0.002,
            "freeze_encoder_stages": 0 if options.encoder == "tiny" else 2,
            "warmup_steps": min(50, options.steps // 4),
            "average_decay": 0.98,
        },
        "torch_threads": 1,
    }


def settings_of(variant: Variant, seed: int, values: dict[str, Any], overrides: Sequence[str]) -> TrainingSettings:
    """The shared settings with what the variant is about. Raises: ConfigError."""
    changed = training_settings(values, overrides).model_dump(mode="json")
    changed["seed"] = changed["model"]["seed"] = seed
    changed["model"] |= variant.model
    changed["objective"] |= variant.objective
    changed["data"]["sampling"]["views"]["source_shares"] = [0.0] * variant.sources + [1.0]
    return training_settings(changed)


def train_and_judge(
    name: str, settings: TrainingSettings, validation: Path, folder: Path, figures: Sequence[str]
) -> dict[str, Any]:
    """Figures of a trained variant, from folder/result.json where they are there already; its weights lie beside it.

    Raises: ConfigError where the folder holds a run of other settings; errors of training.
    """
    noted, done = folder / "settings.json", folder / "result.json"
    if noted.exists() and json.loads(noted.read_text()) != settings.model_dump(mode="json"):
        raise ConfigError(f"{folder} holds a run of other settings; choose another --out, or remove it.")
    if done.exists():
        return json.loads(done.read_text())
    wall, cpu = time.monotonic(), time.process_time()
    trainer = Trainer(settings, folder, resume=True)
    trainer.run()
    trained_cpu = time.process_time() - cpu
    export_weights(folder, folder / WEIGHTS)
    found = judge(trainer.learner, evaluation_batches(settings, validation))
    result = {
        "variant": name,
        "seed": settings.seed,
        "figures": {figure: found[figure] for figure in figures},
        "parameters": sum(p.numel() for p in trainer.learner.network.parameters()),
        "training_cpu_s": trained_cpu,
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.monotonic() - wall,
    }
    done.write_text(json.dumps(result, indent=1))
    shutil.rmtree(folder / "checkpoints")  # they only serve to go on
    return result


def evaluation_batches(settings: TrainingSettings, validation: Path) -> Iterator[Any]:
    """Whole images of the validation rooms; which ones does not depend on the variant, nor on the seed.

    Raises: ConfigError where images would have to be cropped, which is done at random.
    """
    data, stage = settings.data, settings.stages[-1]
    sampling = data.sampling.model_copy(update={"appearance": None, "flip_share": 0.0, "least_window": 1.0})
    pool = ClipPool(validation)
    height, width = pool.clip(0).images.shape[1:3]
    if height * stage.width != width * stage.height:
        raise ConfigError(f"{validation} has {height}x{width} images; give --size the same aspect ratio.")
    sampler = ClipSampler(pool, settings.tasks, sampling, JUDGING_SEED)
    for number in range(math.ceil(data.validation_samples / stage.batch_size)):
        yield sampler.batch(number, stage.batch_size, stage.size)


@torch.no_grad()
def judge(learner: Learner, batches: Iterator[Any]) -> dict[str, float]:
    """{task.figure: number} of the averaged weights."""
    tasks = learner.settings.tasks
    metrics = MultiTaskMetrics(tasks)
    with learner.averaged() as network:
        for batch in batches:
            values = learner.values(network, batch_to(batch, learner.device), tasks)
            metrics.update({task: value.cpu() for task, value in values.items()}, batch)
    return {f"{task}.{name}": value for task, found in metrics.result().items() for name, value in found.items()}


def render_missing(
    folder: Path, size: tuple[int, int], clips: dict[str, int], workers: int, truths: Sequence[str] = ()
) -> None:
    """Writes those clips of the two pools that are not there yet, with these truths beside the usual ones."""
    from pipelines.rooms.render_pool import PoolSettings, write_pool
    from pipelines.rooms.render_settings import RenderSettings
    from streammtl.data.rooms.build import build_room

    for name, split in SPLITS.items():
        render = RenderSettings(**dict.fromkeys(truths, True))
        wanted = PoolSettings(split=split, clips=clips[name], frames=8, height=size[0], width=size[1], render=render)
        write_pool(folder / name, wanted, build_room, workers)


def mean_and_spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation, none of a single value."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def summary(results: Sequence[dict[str, Any]], table: Table = TABLE) -> list[dict[str, Any]]:
    """One row per variant, in the order they come: mean and spread over seeds of every figure."""
    rows = []
    for name in dict.fromkeys(result["variant"] for result in results):
        runs = [result for result in results if result["variant"] == name]
        figures = {figure: mean_and_spread([run["figures"][figure] for run in runs]) for figure in table.better}
        cpu_s = statistics.fmean(run["training_cpu_s"] for run in runs)
        row = {"variant": name, "seeds": len(runs), "figures": figures, "training_cpu_s": cpu_s}
        rows.append(row | {"parameters": runs[0]["parameters"]})
    return rows


def comparisons(results: Sequence[dict[str, Any]], table: Table = TABLE) -> list[dict[str, Any]]:
    """How much better the first variant of a pair is than the second: differences of runs with the same seed."""
    by_run = {(result["variant"], result["seed"]): result["figures"] for result in results}
    rows = []
    for first, second in table.compared:
        seeds = [seed for name, seed in by_run if name == first and (second, seed) in by_run]
        if not seeds:
            continue
        gains = {
            figure: [sign * (by_run[first, seed][figure] - by_run[second, seed][figure]) for seed in seeds]
            for figure, sign in table.better.items()
        }
        figures = {figure: mean_and_spread(gain) for figure, gain in gains.items()}
        wins = {figure: sum(value > 0 for value in gain) for figure, gain in gains.items()}
        rows.append({"better": first, "worse": second, "seeds": len(seeds), "gain": figures, "wins": wins})
    return rows


def markdown(rows: Sequence[dict[str, Any]], compared: Sequence[dict[str, Any]], table: Table = TABLE) -> str:
    """Both tables."""
    titles, columns = " | ".join(table.titles), list(zip(table.better, table.digits, strict=True))
    lines = [f"| variant | seeds | {titles} | M parameters | CPU s |", "|---" * (len(columns) + 4) + "|"]
    for row in rows:
        cells = [_cell(row["figures"][figure], digits) for figure, digits in columns]
        sizes = f"{row['parameters'] / 1e6:.2f} | {row['training_cpu_s']:.0f}"
        lines.append(f"| {row['variant']} | {row['seeds']} | {' | '.join(cells)} | {sizes} |")
    if compared:
        lines += ["", f"| better by, seed by seed | {titles} |", "|---" * (len(columns) + 1) + "|"]
    for row in compared:
        cells = [
            f"{_cell(row['gain'][figure], digits, '+')} ({row['wins'][figure]} of {row['seeds']})"
            for figure, digits in columns
        ]
        lines.append(f"| {row['better']} than {row['worse']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(found: tuple[float, float | None], digits: int, sign: str = "") -> str:
    mean, spread = found
    return f"{mean:{sign}.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")


def described(options: argparse.Namespace) -> str:
    """What a reader of the table must know."""
    height, width = options.size
    changed = f", {', '.join(options.overrides)}" if options.overrides else ""
    return f"{options.steps} steps, {height}x{width}, {options.encoder}{changed}"


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Results of all runs, variant by variant. Raises: ConfigError; errors of rendering and training."""
    variants = [variant_of(name) for name in options.variants]
    pool = pool_of(options)
    return run_all(variants, base_values(options, pool), pool, options, TABLE)


def pool_of(options: argparse.Namespace, truths: Sequence[str] = ()) -> Path:
    """The folder that holds train/ and validation/, rendered where none was given."""
    if options.pool is None:
        clips = {**CLIPS, "train": options.clips}
        render_missing(options.out / "pool", options.size, clips, options.workers, truths)
    return options.pool or options.out / "pool"


def run_all(
    variants: Sequence[Variant], values: dict[str, Any], pool: Path, options: argparse.Namespace, table: Table
) -> list[dict[str, Any]]:
    """Results of every variant with every seed, `workers` runs at a time, variant by variant."""
    runs = [
        (
            variant.name,
            settings_of(variant, seed, values, options.overrides),
            pool / "validation",
            options.out / f"{variant.name}-{seed}",
            list(table.better),
        )
        for seed in range(options.seeds)
        for variant in variants
    ]
    if options.workers == 1:
        found = [train_and_judge(*run) for run in runs]
    else:
        with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as processes:
            found = list(processes.map(train_and_judge, *zip(*runs, strict=True)))
    order = [variant.name for variant in variants]
    return sorted(found, key=lambda result: order.index(result["variant"]))


def parse_size(text: str) -> tuple[int, int]:
    height, width = (int(part) for part in text.lower().split("x"))
    return height, width


def add_options(parser: argparse.ArgumentParser, variants: list[str], out: Path) -> None:
    """What every table is asked."""
    parser.add_argument("--variants", nargs="+", default=variants)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--size", type=parse_size, default=(144, 192), metavar="HxW")
    parser.add_argument("--encoder", default="tf_efficientnet_lite0")
    parser.add_argument("--clips", type=int, default=CLIPS["train"], help="training clips to render")
    parser.add_argument("--pool", type=Path, help="folder with clips in train/ and validation/")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="runs at a time")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="a.b=c", help="of the training")
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--json", action="store_true")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, VARIANTS, Path("runs/learning"))
    return answer("learning", measure, parser.parse_args(arguments), TABLE)


def answer(name: str, ask: Callable[[argparse.Namespace], list], options: argparse.Namespace, table: Table) -> int:
    """Runs a table and prints it; 1 where it could not be made."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        results = ask(options)
    except StreamMtlError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    rows, compared = summary(results, table), comparisons(results, table)
    if options.json:
        print(json.dumps({"rows": rows, "comparisons": compared, "runs": results}, indent=1))
    else:
        print(markdown(rows, compared, table))
        minutes = sum(result["cpu_s"] for result in results) / 60
        print(f"\n{len(results)} runs took {minutes:.0f} CPU minutes, without rendering; {described(options)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
