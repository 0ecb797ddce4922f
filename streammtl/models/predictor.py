"""What every model is to the rest of the system."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from streammtl.errors import ConfigError, ShapeError
from streammtl.models.settings import ModelSettings
from streammtl.views import ScaleStatus, TaskOutputs, ViewBatch


class Predictor(ABC):
    """A model with its weights: a pure, deterministic function from ViewBatch to TaskOutputs."""

    name: ClassVar[str]
    tasks: tuple[str, ...]
    depth_scale: ScaleStatus  # METRIC: metres, learned; UP_TO_SCALE: the unit of the batch's poses
    label_space: str | None = None  # of the semantics it predicts
    relative_depth: bool = False  # depth is right up to a scale and a shift of each image: fit it to known points
    needs_neighbours: bool = False  # without a valid neighbour its confidence is 0 everywhere
    refines: bool = False  # neighbours touch nothing but depth and confidence of what it says of the reference alone
    size_multiple: int = 1  # of the image height and width it takes

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self.device = choose_device(settings.device)

    def predict(self, batch: ViewBatch) -> TaskOutputs:
        """Values and confidence of view 0 of every sample, at the batch's image size and on its device.

        Raises: ShapeError for a malformed batch, DepthRangeError for an empty depth range.
        """
        check_batch(batch, self.size_multiple)
        with torch.inference_mode():
            return outputs_to(self._predict(batch_to(batch, self.device)), batch.images.device)

    def refine(self, batch: ViewBatch, alone: TaskOutputs) -> TaskOutputs:
        """Of a model that refines: what `predict` says of the batch, to the bit, of the tasks in `alone`, without
        looking at the references again.

        alone: what it said of the references without neighbours, in images that are the same.
        Raises: as predict.
        """
        check_batch(batch, self.size_multiple)
        with torch.inference_mode():
            outputs = self._refined(batch_to(batch, self.device), outputs_to(alone, self.device))
            return outputs_to(outputs, batch.images.device)

    @classmethod
    def scale_error(cls, settings: ModelSettings) -> float:
        """By how much all depth of one room may be off: standard deviation, from room to room, of the log of a factor.

        What keyframes of one room cannot show by disagreeing. 0 where depth has the unit of the poses.
        """
        return 0.0

    @abstractmethod
    def _predict(self, batch: ViewBatch) -> TaskOutputs:
        """predict() for a checked batch on the model's device."""

    def _refined(self, batch: ViewBatch, alone: TaskOutputs) -> TaskOutputs:
        """refine() on the model's device."""
        raise NotImplementedError(f"{self.name} does not refine: neighbours tell it more than depth.")


def choose_device(name: str) -> torch.device:
    """The torch device of a settings value; raises ConfigError for one that is unknown or absent."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:<number>.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device {name!r} was asked for but PyTorch finds no CUDA device here; use auto or cpu.")
    if device.type == "cuda" and (device.index or 0) >= (count := torch.cuda.device_count()):
        raise ConfigError(f"device {name!r} was asked for but PyTorch finds {count} CUDA devices here; use cuda:0.")
    return device


def batch_to(batch: ViewBatch, device: torch.device) -> ViewBatch:
    """The batch on another device."""

    def moved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.to(device) for name, tensor in tensors.items()}

    plain = {
        name: getattr(batch, name).to(device) for name in ("images", "K", "T_world_cam", "view_mask", "near_m", "far_m")
    }
    following = None if batch.next_images is None else batch.next_images.to(device)
    return replace(batch, **plain, targets=moved(batch.targets), valid=moved(batch.valid), next_images=following)


def outputs_to(outputs: TaskOutputs, device: torch.device) -> TaskOutputs:
    """The outputs on another device."""
    values = {task: value.to(device) for task, value in outputs.values.items()}
    own_depth = None if outputs.own_depth is None else outputs.own_depth.to(device)
    return TaskOutputs(values, outputs.confidence.to(device), outputs.scale_status, own_depth)


def check_batch(batch: ViewBatch, size_multiple: int = 1) -> None:
    """Raises ShapeError unless the tensors of a batch fit each other and view 0 of every sample is there."""
    if batch.images.ndim != 5 or batch.images.shape[2] != 3:
        raise ShapeError(f"images have shape {tuple(batch.images.shape)}; a ViewBatch needs [B,V,3,H,W].")
    B, V, _, height, width = batch.images.shape
    expected = {"K": (B, V, 3, 3), "T_world_cam": (B, V, 4, 4), "view_mask": (B, V), "near_m": (B,), "far_m": (B,)}
    for name, shape in expected.items():
        if tuple(getattr(batch, name).shape) != shape:
            raise ShapeError(f"{name} has shape {tuple(getattr(batch, name).shape)}; these images need {shape}.")
    if batch.next_images is not None and batch.next_images.shape != batch.images.shape:
        raise ShapeError(f"next_images have shape {tuple(batch.next_images.shape)}; they need that of images.")
    if height % size_multiple or width % size_multiple:
        raise ShapeError(
            f"images are {height}x{width}; this model needs height and width in multiples of {size_multiple}."
        )
    if not bool(batch.view_mask[:, 0].all()):
        raise ShapeError("view_mask is False for view 0 of a sample; view 0 is the reference and must always be there.")
