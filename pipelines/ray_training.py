"""One training in several processes, by Ray Train's TorchTrainer: gradients are averaged over all of them.

Each process runs the same loop on batches of its own; the first one writes. On a CPU they speak over gloo.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pipelines.data_sets  # noqa: F401  it registers them, in each process
from streammtl.errors import ConfigError, ModelError
from streammtl.training.settings import TrainingSettings
from streammtl.training.trainer import Outcome, Trainer
from streammtl.training.world import World

os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # a local session on loopback
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")

import ray
import torch

try:
    import ray.train
    import ray.train.torch
except ImportError as missing:
    raise ConfigError(
        f"--workers needs Ray Train, of which something is missing ({missing}); pip install 'streammtl[train]', or "
        "train in one process."
    ) from missing

OBJECT_STORE_BYTES = 100_000_000  # nothing but settings and figures goes through it
OUTCOME = "outcome.json"


def train_together(settings: TrainingSettings, out: Path, minutes: float | None, resume: bool, workers: int) -> Outcome:
    """Trains with `workers` processes, a GPU for each where there are as many.

    Raises: ModelError when the processes could not finish; the run goes on from its last checkpoint with --resume.
    """
    out = Path(out).resolve()
    use_gpu = torch.cuda.device_count() >= workers and settings.device in ("auto", "cuda")
    if not ray.is_initialized():
        cpus = max(workers + 1, os.cpu_count() or 1)
        ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False, object_store_memory=OBJECT_STORE_BYTES)
    job = {"settings": settings.model_dump_json(), "out": str(out), "minutes": minutes, "resume": resume}
    trainer = ray.train.torch.TorchTrainer(
        run_worker,
        train_loop_config=job,
        scaling_config=ray.train.ScalingConfig(num_workers=workers, use_gpu=use_gpu),
        torch_config=ray.train.torch.TorchConfig(backend="nccl" if use_gpu else "gloo"),
        run_config=ray.train.RunConfig(name="training", storage_path=str(out / "ray")),
    )
    try:
        trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise ModelError(f"training in {workers} processes failed: {error}") from error
    return Outcome(**json.loads((out / OUTCOME).read_text()))


def run_worker(job: dict[str, Any]) -> None:
    """What each process does."""
    context = ray.train.get_context()
    world = World(context.get_world_rank(), context.get_world_size(), parallelise)
    settings = TrainingSettings.model_validate_json(job["settings"])
    outcome = Trainer(settings, Path(job["out"]), job["resume"], world).run(job["minutes"])
    if world.leads:
        (Path(job["out"]) / OUTCOME).write_text(json.dumps(asdict(outcome)))
    ray.train.report({"step": outcome.step})


def parallelise(network: torch.nn.Module) -> torch.nn.Module:
    """The network with gradients averaged over the processes; a head without labels takes no part."""
    return ray.train.torch.prepare_model(network, parallel_strategy_kwargs={"find_unused_parameters": True})
