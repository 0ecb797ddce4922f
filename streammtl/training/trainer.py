"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from streammtl.data.sampler import ClipSampler
from streammtl.data.sets.registry import open_source
from streammtl.data.task_turns import TaskTurns
from streammtl.errors import ConfigError
from streammtl.models.predictor import choose_device
from streammtl.stopping import StopRequest
from streammtl.training.checkpoints import Checkpoint, checkpoint_paths, load_checkpoint, save_checkpoint
from streammtl.training.journal import Journal, duration
from streammtl.training.learner import PASSES_PER_STEP, Learner
from streammtl.training.loader import prefetched
from streammtl.training.progress import Progress
from streammtl.training.settings import TrainingSettings
from streammtl.training.validation import Validation, chosen_by
from streammtl.training.world import World
from streammtl.views import ViewBatch

MOST_PROCESSES = 4096  # room in the numbers of batches


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    step: int
    finished: bool  # all stages done; else the time was up
    skipped: int  # steps whose gradients were not finite, since the beginning
    figures: dict[str, float]  # of the last validation


class Trainer:
    """Trains a network in folder `out`: settings.json, log.jsonl, checkpoints/, best/ (the average's best weights).

    With `resume` it goes on from the newest checkpoint, bit for bit as if it had never stopped, given the same clips.
    Raises: ConfigError, DataError, CheckpointError.
    """

    def __init__(self, settings: TrainingSettings, out: Path, resume: bool = False, world: World | None = None) -> None:
        self.settings, self.out, self.world = settings, Path(out), world or World()
        found = checkpoint_paths(self.out / "checkpoints")
        if found and not resume:
            raise ConfigError(f"{out} holds a training already; continue it with --resume or choose another --out.")
        if settings.torch_threads is not None:
            torch.set_num_threads(settings.torch_threads)
        data = settings.data
        given = (settings.tasks, data.sampling, settings.seed)
        if data.batches == "together":
            self._sampler = ClipSampler(open_source(data.pool), *given)
        else:
            self._sampler = TaskTurns(data.pool, *given, mixed=data.batches == "mixed")
        self._validation = Validation(settings) if data.validation is not None else None
        self._best: float | None = None
        self.learner = Learner(settings, choose_device(settings.device), self.world)
        if found:
            saved = load_checkpoint(found[-1])
            self.learner.restore(saved)
            self._best = saved.state["best"]

    def run(self, minutes: float | None = None) -> Outcome:
        """Trains until all stages are done, the time is up or SIGINT or SIGTERM comes, then writes a checkpoint.

        Raises: DataError for a damaged clip; ModelError when gradients stay non-finite.
        """
        begun = time.monotonic()
        learner, journal = self.learner, Journal(self.out, self.world.leads)
        figures: dict[str, float] = {}
        progress, saved_at = Progress(self.settings, learner.step), begun
        self._introduce(journal)
        batches, over = self._batches(), False
        try:
            with StopRequest().on_interrupt() as stop:
                while not over and learner.step < self.settings.total_steps:
                    stage = self.settings.stage_at(learner.step)
                    progress.count(learner.train_step(batches), stage.batch_size * stage.accumulate * self.world.size)
                    if learner.step % self.settings.log_steps == 0:
                        self._report(journal, progress)
                    elapsed = time.monotonic() - begun
                    over = self.world.agree(bool(stop) or (minutes is not None and elapsed > 60 * minutes))
                    due = time.monotonic() - saved_at > 60 * self.settings.checkpoint_minutes
                    if self.world.leads and (over or due or learner.step == self.settings.total_steps):
                        figures = self._save(journal)
                        saved_at = time.monotonic()
        finally:
            batches.close()
            journal.close()
        return Outcome(learner.step, learner.step >= self.settings.total_steps, learner.skipped, figures)

    def _batches(self) -> Iterator[ViewBatch]:
        """All batches that are still to come, in order."""
        first, settings = self.learner.step, self.settings

        def requests() -> Iterator[tuple[int, int]]:
            for step in range(first, settings.total_steps):
                for turn in range(settings.stage_at(step).accumulate):
                    yield step, turn

        def prepare(request: tuple[int, int]) -> ViewBatch:
            stage = settings.stage_at(request[0])
            number = (request[0] * PASSES_PER_STEP + request[1]) * MOST_PROCESSES + self.world.rank
            return self._sampler.batch(number, stage.batch_size, stage.size, group=request[0])

        return prefetched(requests(), prepare, settings.data.threads, settings.data.prefetch)

    def _introduce(self, journal: Journal) -> None:
        if not self.world.leads:
            return
        (self.out / "settings.json").write_text(self.settings.model_dump_json(indent=2))
        parameters = list(self.learner.network.parameters())
        total = sum(p.numel() for p in parameters)
        learning = sum(p.numel() for p in parameters if p.requires_grad)
        clips = len(self._sampler.pool)
        journal.write("start", self.learner.step, {"clips": clips, "parameters": total, "learning": learning})
        journal.say(
            f"step {self.learner.step} of {self.settings.total_steps}, {clips} clips, {total / 1e6:.2f} M parameters, "
            f"{learning / 1e6:.2f} M of them learn, {self.learner.device}, {self.settings.precision}"
        )

    def _report(self, journal: Journal, progress: Progress) -> None:
        step = self.learner.step
        values, left_s = progress.report(step)
        if not self.world.leads:
            return
        journal.write("train", step, values | {"rate": self.learner.rate, "skipped": self.learner.skipped})
        shown = "  ".join(f"{name} {value:.3g}" for name, value in values.items())
        journal.say(f"{step}/{self.settings.total_steps}  {shown}  {duration(left_s)} left")

    def _save(self, journal: Journal) -> dict[str, float]:
        """Judges the average, keeps it if it is the best so far, and writes a checkpoint."""
        figures: dict[str, float] = {}
        step = self.learner.step
        if self._validation is not None:
            figures = self._validation.judge(self.learner)
            journal.write("validation", step, figures)
            journal.say("validation  " + "  ".join(f"{name} {value:.4g}" for name, value in figures.items()))
            judged = chosen_by(figures, self.settings.tasks)
            if self._best is None or judged < self._best:
                self._best = judged
                kept = Checkpoint(self.learner.average.state, {"step": step, "figures": figures})
                save_checkpoint(self.out / "best", step, kept, keep=1)
        saved = self.learner.checkpoint()
        saved = replace(saved, state=saved.state | {"best": self._best})
        path = save_checkpoint(self.out / "checkpoints", step, saved, self.settings.keep_checkpoints)
        journal.say(f"step {step}: wrote {path}")
        return figures
