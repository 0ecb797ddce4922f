"""A network that learns: its optimiser, its average, and what of them a checkpoint holds."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from streammtl.encoders.task_routers import Router
from streammtl.errors import CheckpointError, ConfigError, ModelError
from streammtl.mixers.task_attention import OneToManyAttention
from streammtl.models.predictor import batch_to
from streammtl.training.average import WeightAverage
from streammtl.training.checkpoints import Checkpoint
from streammtl.training.freezing import freeze_stages, set_training
from streammtl.training.lanes import Lanes
from streammtl.training.optimiser import build_optimiser, set_rates
from streammtl.training.schedule import rate_factor
from streammtl.training.settings import TrainingSettings
from streammtl.training.task_balance import TaskBalance
from streammtl.training.trainee import trainee_of
from streammtl.training.world import World
from streammtl.views import ViewBatch

logger = logging.getLogger(__name__)

PASSES_PER_STEP = 64  # room in the numbers of batches


class Learner:
    """Step after step; the state of step n and the batches from there on decide everything that follows."""

    def __init__(self, settings: TrainingSettings, device: torch.device, world: World) -> None:
        if settings.lanes > 1 and (world.size > 1 or not settings.optimiser.freeze_batch_norm):
            raise ConfigError("lanes > 1 is for one process, with optimiser.freeze_batch_norm; set lanes to 1.")
        if settings.objective.balance_steps and world.size > 1:
            raise ConfigError("objective.balance_steps weighs tasks by the losses of one process; set it to 0.")
        self.settings, self.device = settings, device
        self.trainee = trainee_of(settings.model.name)
        if settings.lanes > 1 and not self.trainee.looks_at_sources:
            raise ConfigError(f"lanes > 1 would let {settings.model.name} draw in any order; set lanes to 1.")
        torch.manual_seed(settings.seed)
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.network = self.trainee.build(settings.model, settings.tasks).to(device, memory_format=layout)
        if hasattr(self.network, "encoder"):
            freeze_stages(self.network.encoder, settings.optimiser.freeze_encoder_stages)
        masks = any(isinstance(part, OneToManyAttention) and part.masking > 0 for part in self.network.modules())
        if settings.lanes > 1 and masks:
            raise ConfigError("lanes > 1 would mask tasks in any order; set lanes to 1, or model.mixer_masking to 0.")
        if settings.lanes > 1 and any(isinstance(part, Router) for part in self.network.modules()):
            raise ConfigError("lanes > 1 would draw the noise of routers in any order; set lanes to 1.")
        set_training(self.network, settings.optimiser.freeze_batch_norm)
        self._lanes = Lanes(self.network, world.parallelise(self.network), settings.lanes)
        self._optimiser = build_optimiser(self.network, settings.optimiser)
        self.average = WeightAverage(self.network, settings.optimiser.average_decay)
        self._balance = TaskBalance(settings.objective.balance_steps, settings.objective.balance_temperature)
        self.step = 0
        self.skipped = self._skipped_in_a_row = 0

    def train_step(self, batches: Iterator[ViewBatch]) -> dict[str, Tensor]:
        """One optimiser step on the next batches; gives the terms of the loss and the norm of its gradient.

        Raises: ModelError when gradients were not finite for too many steps in a row.
        """
        stage = self.settings.stage_at(self.step)
        set_rates(self._optimiser, self.rate)
        first = self.step * PASSES_PER_STEP
        work = [(first + turn, batch_to(next(batches), self.device)) for turn in range(stage.accumulate)]
        passes = self._lanes.run(self._pass, work)
        terms = {name: value for found in passes for name, value in found.items()}
        self._balance.count([{t: found[t] for t in self.settings.tasks if t in found} for found in passes])
        if terms:
            terms["gradient_norm"] = self._update()
        self._optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return terms

    def _pass(self, network: nn.Module, item: tuple[int, ViewBatch]) -> dict[str, Tensor]:
        """Forward and backward on one batch; gives the terms of its loss, none where it has no labels."""
        turn, batch = item
        settings = self._balance.applied(self.settings.objective)
        with self.autocast():
            objective = self.trainee.objective(network, batch, self.settings.tasks, settings, turn)
        if objective.total is not None:
            (objective.total / self.settings.stage_at(self.step).accumulate).backward()
        return objective.terms

    def values(self, network: nn.Module, batch: ViewBatch, tasks: Sequence[str]) -> dict[str, Tensor]:
        """{task: [B,C,H,W]} that a network of this kind says of the reference views, to be judged."""
        with self.autocast():
            return self.trainee.values(network, batch, tasks)

    @property
    def rate(self) -> float:
        """Factor of the learning rates at the present step."""
        return rate_factor(self.step, self.settings.total_steps, self.settings.optimiser)

    def autocast(self) -> torch.autocast:
        """The precision of the network's products."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16")

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The network with the averaged weights, for judging; afterwards it learns on as if nothing had been."""
        learnt = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.state)
        self.network.eval()
        try:
            yield self.network
        finally:
            self.network.load_state_dict(learnt)
            set_training(self.network, self.settings.optimiser.freeze_batch_norm)

    def _update(self) -> Tensor:
        """The optimiser's step, unless the gradients are not finite; gives their norm."""
        limits = self.settings.optimiser
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), limits.clip_norm)
        if torch.isfinite(norm):
            self._optimiser.step()
            self.average.update()
            self._skipped_in_a_row = 0
            return norm
        self.skipped += 1
        self._skipped_in_a_row += 1
        logger.warning("step %d has gradients that are not finite and is skipped", self.step)
        if self._skipped_in_a_row >= limits.skip_limit:
            raise ModelError(
                f"gradients were not finite for {self._skipped_in_a_row} steps in a row, up to step {self.step}. Lower "
                "optimiser.learning_rate, or set precision=fp32, and resume from the last checkpoint."
            )
        return norm

    def checkpoint(self) -> Checkpoint:
        """All that decides the steps to come."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state.items()}
        for index, values in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in values.items()}
        tensors["rng.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["rng.cuda"] = torch.cuda.get_rng_state(self.device)
        counts = {"step": self.step, "skipped": self.skipped, "skipped_in_a_row": self._skipped_in_a_row}
        averaged = {"average_updates": self.average.updates, "balance": self._balance.state()}
        return Checkpoint(tensors, counts | averaged | {"settings": json.loads(self.settings.model_dump_json())})

    def restore(self, saved: Checkpoint) -> None:
        """Goes on from a checkpoint. Raises: CheckpointError where it belongs to another network."""
        try:
            self.network.load_state_dict(_under("network.", saved.tensors))
            self.average.load(_under("average.", saved.tensors), saved.state["average_updates"])
            self._restore_optimiser(_under("optimiser.", saved.tensors))
        except (RuntimeError, KeyError, ValueError) as error:
            raise CheckpointError(
                f"the checkpoint does not fit this network ({error}); resume with the settings it was begun with, "
                "which are in settings.json of the run."
            ) from error
        self._balance.load(saved.state.get("balance", {}))
        torch.set_rng_state(saved.tensors["rng.cpu"])
        if self.device.type == "cuda" and "rng.cuda" in saved.tensors:
            torch.cuda.set_rng_state(saved.tensors["rng.cuda"], self.device)
        self.step, self.skipped = saved.state["step"], saved.state["skipped"]
        self._skipped_in_a_row = saved.state["skipped_in_a_row"]

    def _restore_optimiser(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            index, _, name = key.partition(".")
            state.setdefault(int(index), {})[name] = tensor
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": state, "param_groups": groups})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
