"""What a task mixer is worth: networks that differ in it alone, trained alike, judged on rooms they never saw.

python -m benchmarks.mixers [--variants none wmca ggfm wmca+ggfm ...] [--tasks 4|7] [--seeds N] [--steps N] [--size HxW]
                            [--encoder NAME] [--pool DIR] [--workers N] [--set a.b=c] [--out DIR] [--json]
python -m benchmarks.mixers --cost [--size HxW] [--tasks 4 7] [--threads N] [--json]

MIXER             a mixer of streammtl.mixers, a sum of them, or none
MIXER:corrected   with the term between depth and normals, by intrinsics
MIXER:literal     with that term as M2H's paper writes it down

The network is m2h-small on the encoder: single images, its own decoder, heads at half the image. Encoder, decoder,
images, steps, seeds and terms of the loss are the same for all. Seven tasks: the four, and optical flow, albedo and
shading, which are trained along and not shown. Rooms, folders and options are those of benchmarks/learning.py.

--cost: milliseconds and memory of each mixer alone, forward and with its gradients, on features of 64 channels at 1/4
of the size. Times are CPU times, the smallest of the repeats, since a busy machine only ever adds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.inference import Meter
from benchmarks.learning import Table, Variant, add_options, answer, base_values, pool_of, run_all
from streammtl.errors import ConfigError
from streammtl.mixers.registry import build_mixer, mixer_names
from streammtl.mixers.task_mixer import MixerSettings, TaskMixer
from streammtl.tasks.registry import task_names

TASKS = ("depth", "semantics", "normals", "boundaries", "optical_flow", "albedo", "shading")
CONSISTENCY = {  # at a weight at which it is felt; at 0.1 nothing shows
    "corrected": {"depth_normals": 1.0},
    "literal": {"depth_normals": 1.0, "consistency": "paper_literal"},
}
VARIANTS = ["none", "wmca", "ggfm", "wmca+ggfm", "one_to_n", "wmca+ggfm:corrected", "wmca+ggfm:literal"]
TABLE = Table(
    {"semantics.miou": 1, "depth.abs_rel": -1, "depth.rmse": -1, "normals.mean_deg": -1, "boundaries.ods_f": 1},
    ("mIoU", "AbsRel", "RMSE, m", "normals, °", "odsF"),
    (2, 3, 3, 1, 2),
    (
        ("wmca", "none"),
        ("ggfm", "none"),
        ("wmca+ggfm", "none"),
        ("wmca+ggfm", "wmca"),
        ("wmca+ggfm", "ggfm"),
        ("wmca", "one_to_n"),
        ("wmca+ggfm:corrected", "wmca+ggfm"),
        ("wmca+ggfm:corrected", "wmca+ggfm:literal"),
    ),
)
WIDTH, CONTEXT = 64, 320  # of m2h-small and of EfficientNet-Lite0's last level


def variant_of(name: str) -> Variant:
    """The variant of that name. Raises: ConfigError."""
    mixer, _, form = name.partition(":")
    if form and form not in CONSISTENCY:
        raise ConfigError(f"variant {name!r} is unknown; after the colon use {' or '.join(CONSISTENCY)}.")
    if mixer != "none":
        build_mixer(mixer, TASKS, WIDTH, CONTEXT, MixerSettings())  # says which there are
    return Variant(name, 0, {"mixer": mixer}, CONSISTENCY.get(form, {}))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Results of all runs, variant by variant. Raises: ConfigError; errors of rendering and training."""
    variants = [variant_of(name) for name in options.variants]
    pool = pool_of(options)
    values = base_values(options, pool)
    values["tasks"] = list(TASKS[: options.tasks[0]])
    values["model"] = {"name": "m2h-small", "encoder": options.encoder}
    values["objective"] = {"tasks": {"semantics": 0.15, "normals": 0.25, "boundaries": 4.0, "optical_flow": 0.02}}
    return run_all(variants, values, pool, options, TABLE)


def costs(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Milliseconds and peak memory of every mixer with every number of tasks."""
    torch.set_num_threads(options.threads)
    size = tuple(side // 4 for side in options.size)
    found = []
    for count in options.tasks:
        for name in (*mixer_names(), "wmca+ggfm"):
            mixer = build_mixer(name, task_names()[:count], WIDTH, CONTEXT, MixerSettings())
            parameters = sum(p.numel() for p in mixer.parameters())
            rows = cost_of(mixer, size, options.repeats)
            found.append({"mixer": name, "tasks": count, "parameters": parameters, "rows": rows})
    return found


def cost_of(mixer: TaskMixer, size: tuple[int, int], repeats: int) -> list[dict[str, Any]]:
    """Two rows of a mixer on features of that size: forward, and with gradients."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, WIDTH, *size)
    features = {task: torch.randn(shape, generator=generator, requires_grad=True) for task in mixer.tasks}
    context = torch.randn(1, CONTEXT, size[0] // 8, size[1] // 8, generator=generator)

    @torch.no_grad()
    def forward() -> None:
        mixer(features, context)

    def with_gradients() -> None:
        torch.stack([x.sum() for x in mixer(features, context).values()]).sum().backward()

    meter = Meter("cpu", repeats)
    meter.run("forward", forward)
    meter.run("with gradients", with_gradients)
    return meter.rows


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, VARIANTS, Path("runs/mixers"))
    parser.add_argument("--tasks", type=int, nargs="+", default=[4, 7], help="the first is what is trained with")
    parser.add_argument("--cost", action="store_true", help="time and memory of the mixers alone")
    parser.add_argument("--threads", type=int, default=1, help="of --cost")
    parser.add_argument("--repeats", type=int, default=10, help="of --cost")
    options = parser.parse_args(arguments)
    if not options.cost:
        return answer("mixers", measure, options, TABLE)
    found = costs(options)
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    print("| mixer | tasks | k parameters | CPU ms | MB | CPU ms with gradients | MB with gradients |")
    print("|---" * 7 + "|")
    for cost in found:
        cells = " | ".join(f"{row['cpu_ms']:.1f} | {row['peak_mb']:.0f}" for row in cost["rows"])
        print(f"| {cost['mixer']} | {cost['tasks']} | {cost['parameters'] / 1e3:.0f} | {cells} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
