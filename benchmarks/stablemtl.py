"""What the parts of StableMTL are worth: tiny latent networks on generated rooms, partial labels from three sources.

python -m benchmarks.stablemtl [--variants single single:longer single:mixed multi multi:rho=0 ...] [--seeds N]
                               [--vae-steps N] [--steps N] [--more-steps N] [--size HxW] [--clips N] [--pool DIR]
                               [--workers N] [--set a.b=c] [--out DIR] [--json]
python -m benchmarks.stablemtl --mixers [--seeds N] [--steps N] [--size HxW] [--clips N] [--pool DIR] [--out DIR]

vae            labels through the autoencoder and back: what no latent network can be better than
single         stage 1: one U-Net, --steps steps, each of one task in turn
single:longer  the same for as many steps as single and multi together
single:mixed   stage 1 with a task of its own for each sample: gradients of tasks meet
multi          stage 2: --more-steps steps on from single, attention between tasks, masking of 0.4
multi:rho=R    the same with another masking

Training rooms are dealt to three sources: depth, normals, shading and albedo; semantics, depth, normals and both flows;
both flows alone. The autoencoder is trained once, on the same labels, and frozen; all variants have the same images,
seeds and rate, and are judged on the same images of rooms that nothing was trained on, with all labels. Depth is fitted
to the truth by scale and shift, motion, albedo and shading by a factor: all are relative. delta_m is against single.

--mixers: 1-to-N against windowed attention in a network that runs forward once (benchmarks/mixers.py), at 4 and 7
tasks: figures, then milliseconds and memory of the mixers alone.

Results lie in OUT/VARIANT-SEED; what is done is not done again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import mixers
from benchmarks.learning import (
    CLIPS,
    WEIGHTS,
    Table,
    add_options,
    answer,
    base_values,
    pool_of,
    train_and_judge,
)
from streammtl.data.clip_pool import ClipPool
from streammtl.errors import ConfigError
from streammtl.metrics.multi_task import delta_of_tasks
from streammtl.training.config import training_settings
from streammtl.training.settings import TrainingSettings
from streammtl.training.trainee import AUTOENCODER

TASKS = ("depth", "normals", "semantics", "optical_flow", "scene_flow", "albedo", "shading")
SOURCES = (
    ("depth", "normals", "shading", "albedo"),
    ("semantics", "depth", "normals", "optical_flow", "scene_flow"),
    ("optical_flow", "scene_flow"),
)
HEADLINES = {
    "depth": ("abs_rel", -1),
    "normals": ("mean_deg", -1),
    "semantics": ("miou", 1),
    "optical_flow": ("epe", -1),
    "scene_flow": ("epe", -1),
    "albedo": ("rmse", -1),
    "shading": ("rmse", -1),
}
DELTA = "delta_m"
TABLE = Table(
    {f"{task}.{name}": sign for task, (name, sign) in HEADLINES.items()} | {DELTA: 1},
    ("AbsRel", "normals, °", "mIoU", "flow, px", "scene flow, m", "albedo", "shading", "delta_m, %"),
    (3, 1, 2, 2, 4, 3, 3, 2),
    (
        ("multi", "single"),
        ("multi", "single:longer"),
        ("single", "single:mixed"),
        ("multi", "multi:rho=0"),
    ),
)
VARIANTS = ["vae", "single", "single:longer", "single:mixed", "multi", "multi:rho=0"]
MIXERS = ["none", "wmca", "one_to_n"]
TRUTHS = ("flow", "scene_flow", "albedo", "shading")  # beside what rooms are rendered with anyway
BATCH = 8


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Results of all runs, variant by variant. Raises: ConfigError; errors of rendering and training."""
    for name in options.variants:
        changes_of(name, options)  # says at once which there are not
    pool = pool_of(options, TRUTHS)
    values = shared_values(options, pool)
    vae = options.out / "vae-0" / WEIGHTS
    found = [run(options, values, pool, "vae", 0, None)]
    for seed in range(options.seeds):
        single = run(options, values, pool, "single", seed, vae)
        found.append(single)
        for name in dict.fromkeys(options.variants):
            if name not in ("vae", "single"):
                before = options.out / f"single-{seed}" / WEIGHTS if name.startswith("multi") else vae
                found.append(run(options, values, pool, name, seed, before))
    kept = [result for result in found if result["variant"] in options.variants]
    return sorted(with_delta(found, kept), key=lambda result: options.variants.index(result["variant"]))


def with_delta(found: list[dict[str, Any]], kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The kept results with delta_m against the single-stream run of their seed, over the tasks that it errs in: where
    nothing moves by itself, scene flow is 0 and found exactly."""
    base = {result["seed"]: headlines(result["figures"]) for result in found if result["variant"] == "single"}
    judged = []
    for result in kept:
        known = {task: value for task, value in base[result["seed"]].items() if value > 0}
        own = {task: value for task, value in headlines(result["figures"]).items() if task in known}
        judged.append(result | {"figures": result["figures"] | {DELTA: delta_of_tasks(own, known)}})
    return judged


def headlines(figures: dict[str, float]) -> dict[str, float]:
    """One figure per task."""
    return {task: figures[f"{task}.{name}"] for task, (name, _) in HEADLINES.items()}


def changes_of(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Model, kind of batches and number of steps of a variant. Raises: ConfigError."""
    kind, _, form = name.partition(":")
    if name == "vae":
        return {"model": {"name": AUTOENCODER}, "batches": "mixed", "steps": options.vae_steps}
    if kind == "single" and form in ("", "mixed", "longer"):
        steps = options.steps + (options.more_steps if form == "longer" else 0)
        batches = "mixed" if form == "mixed" else "isolated"
        return {"model": {"name": "stablemtl-single"}, "batches": batches, "steps": steps}
    if kind == "multi" and (not form or form.startswith("rho=")):
        try:
            masking = float(form.removeprefix("rho=")) if form else 0.4
        except ValueError as error:
            raise ConfigError(f"variant {name!r}: {error}; write for example multi:rho=0.2.") from error
        return {
            "model": {"name": "stablemtl", "mixer_masking": masking},
            "batches": "isolated",
            "steps": options.more_steps,
        }
    raise ConfigError(f"variant {name!r} is unknown; use {', '.join(VARIANTS)}, or multi:rho=R.")


def shared_values(options: argparse.Namespace, pool: Path) -> dict[str, Any]:
    """Training settings that all variants share."""
    values = base_values(options, pool)
    values["tasks"] = list(TASKS)
    values["data"]["pool"] = [
        {"name": "clips", "root": str(folder), "tasks": list(tasks)}
        for folder, tasks in zip(dealt(pool / "train", options.out / "sources"), SOURCES, strict=True)
    ]
    values["data"]["sampling"]["views"] |= {"source_shares": [1.0]}
    values["stages"][0]["batch_size"] = BATCH
    values["objective"] = {}
    values["optimiser"]["weight_decay"] = 0.0
    return values


def dealt(train: Path, out: Path) -> list[Path]:
    """Three folders with every third clip each."""
    folders = [out / str(number) for number in range(len(SOURCES))]
    for number, clip in enumerate(ClipPool(train).paths):
        folder = folders[number % len(folders)]
        folder.mkdir(parents=True, exist_ok=True)
        if not (link := folder / clip.name).is_symlink():
            link.symlink_to(clip.resolve())
    return folders


def run(
    options: argparse.Namespace, values: dict[str, Any], pool: Path, name: str, seed: int, weights: Path | None
) -> dict[str, Any]:
    """A variant, trained from the weights of the stage before, and judged; or how that went.

    Raises: ConfigError where the folder holds a run of other settings; errors of training.
    """
    settings = settings_of(values, changes_of(name, options), seed, weights, options.overrides)
    figures = [figure for figure in TABLE.better if figure != DELTA]
    return train_and_judge(name, settings, pool / "validation", options.out / f"{name}-{seed}", figures)


def settings_of(
    values: dict[str, Any], changes: dict[str, Any], seed: int, weights: Path | None, overrides: list[str]
) -> TrainingSettings:
    """The shared settings with those of a variant. Raises: ConfigError."""
    changed = json.loads(json.dumps(values))
    changed["seed"] = seed
    changed["model"] = changes["model"] | {"seed": seed} | ({} if weights is None else {"weights": str(weights)})
    changed["data"]["batches"] = changes["batches"]
    changed["stages"][0]["steps"] = changes["steps"]
    return training_settings(changed, overrides)


def mixing(options: argparse.Namespace) -> int:
    """Both tables of mixers at 4 and at 7 tasks, and their cost."""
    size = "x".join(str(side) for side in options.size)
    common = ["--size", size, "--seeds", str(options.seeds), "--steps", str(options.steps)]
    common += ["--workers", str(options.workers), "--clips", str(options.clips)]
    common += [word for setting in options.overrides for word in ("--set", setting)]
    pool = pool_of(options, TRUTHS)
    for tasks in ("4", "7"):
        print(f"\n{tasks} tasks")
        out = ["--pool", str(pool), "--out", str(options.out / f"mixers-{tasks}")]
        if failed := mixers.main(["--variants", *MIXERS, "--tasks", tasks, *common, *out]):
            return failed
    print()
    return mixers.main(["--cost", "--size", size, "--tasks", "4", "7"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, VARIANTS, Path("runs/stablemtl"))
    parser.set_defaults(size=(96, 128), steps=1400, clips=CLIPS["train"], encoder="its own U-Net")
    parser.add_argument("--more-steps", type=int, default=700, help="steps of stage 2")
    parser.add_argument("--vae-steps", type=int, default=700, help="steps of the autoencoder")
    parser.add_argument("--mixers", action="store_true", help="1-to-N against windowed attention, at 4 and 7 tasks")
    options = parser.parse_args(arguments)
    return mixing(options) if options.mixers else answer("stablemtl", measure, options, TABLE)


if __name__ == "__main__":
    sys.exit(main())
