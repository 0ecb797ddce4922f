"""`streammtl train`: in this process, or in several by way of Ray Train."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pipelines.data_sets  # noqa: F401  it registers them
from pipelines.training_config import read_values
from streammtl.training.config import training_settings
from streammtl.training.trainer import Outcome, Trainer


def train_network(
    config: Path, out: Path, overrides: list[str], minutes: float | None, resume: bool, workers: int
) -> tuple[dict[str, Any], str]:
    """Runs a training, or a part of it, and says how it ended, as data and as text.

    Raises: ConfigError, DataError, CheckpointError, ModelError.
    """
    settings = training_settings(read_values(config), overrides)
    if workers > 1:
        from pipelines.ray_training import train_together

        outcome = train_together(settings, out, minutes, resume, workers)
    else:
        outcome = Trainer(settings, out, resume).run(minutes)
    return {"out": str(out), **asdict(outcome)}, as_text(outcome, settings.total_steps, out)


def as_text(outcome: Outcome, total_steps: int, out: Path) -> str:
    """Where the training stands and what comes next."""
    skipped = f", {outcome.skipped} steps skipped for gradients that were not finite" if outcome.skipped else ""
    if outcome.finished:
        return f"{out}: all {total_steps} steps done{skipped}; python -m streammtl.training.export {out} --out FILE"
    return f"{out}: {outcome.step} of {total_steps} steps done{skipped}; go on with --resume"
