"""The training augmentation: scale, crop, flip and colours, drawn per sample."""

from __future__ import annotations

from dataclasses import replace

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from streammtl.augmentation.crop import crop_views
from streammtl.augmentation.flip import flip_views
from streammtl.augmentation.photometric import JitterRange, jitter_views
from streammtl.augmentation.scale import scale_views
from streammtl.tasks.registry import task_spec
from streammtl.tasks.spec import IGNORE
from streammtl.views import ViewBatch


class AugmentationSettings(BaseModel):
    """Random changes of training views. Defaults: the recipe of InvPT, TaskPrompter and SAK."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_scale: float = Field(0.5, gt=0, le=4, description="smallest factor of the image size")
    max_scale: float = Field(2.0, gt=0, le=4, description="largest factor of the image size")
    flip_probability: float = Field(0.5, ge=0, le=1, description="share of samples mirrored left-right")
    jitter: bool = Field(True, description="change colours, each view on its own")
    max_class_share: float = Field(
        0.75, gt=0, le=1, description="a crop with more than this share of one class is drawn again"
    )
    crop_tries: int = Field(10, ge=1, description="how often a crop is drawn at most")

    @model_validator(mode="after")
    def _ordered(self) -> AugmentationSettings:
        if self.min_scale > self.max_scale:
            raise ValueError(f"min_scale {self.min_scale} is greater than max_scale {self.max_scale}; swap them.")
        return self


def augment_views(
    batch: ViewBatch,
    settings: AugmentationSettings,
    generator: torch.Generator,
    size: tuple[int, int] | None = None,
) -> ViewBatch:
    """A batch of `size` (height, width), or of its own, each sample scaled, cropped to it (or padded), mirrored and
    recoloured at random.

    All views of a sample get the same scale, window and mirror; colours differ. `generator` (a CPU one) decides
    everything: the same state gives the same batch.
    """
    size = size or tuple(batch.images.shape[-2:])
    samples = [_augmented(sample, settings, generator, size) for sample in _samples(batch)]
    return _joined(samples)


def _augmented(
    sample: ViewBatch, settings: AugmentationSettings, generator: torch.Generator, size: tuple[int, int]
) -> ViewBatch:
    factor = settings.min_scale + (settings.max_scale - settings.min_scale) * _uniform(generator)
    sample = _random_crop(scale_views(sample, factor), size, settings, generator)
    if _uniform(generator) < settings.flip_probability:
        sample = flip_views(sample)
    return jitter_views(sample, JitterRange(), generator) if settings.jitter else sample


def _random_crop(
    sample: ViewBatch, size: tuple[int, int], settings: AugmentationSettings, generator: torch.Generator
) -> ViewBatch:
    room = [have - want for have, want in zip(sample.images.shape[-2:], size, strict=True)]
    for _ in range(settings.crop_tries):
        top, left = (min(r, 0) + int(_uniform(generator) * (abs(r) + 1)) for r in room)
        cropped = crop_views(sample, top, left, size)
        if _largest_class_share(cropped) <= settings.max_class_share:
            break
    return cropped


def _largest_class_share(sample: ViewBatch) -> float:
    """Of the labelled pixels of the reference view; 0 where there are no semantic labels."""
    named = [task for task in sample.targets if task_spec(task).label_space is not None]
    if not named:
        return 0.0
    labels = sample.targets[named[0]][:, 0]
    labelled = labels != IGNORE
    if named[0] in sample.valid:
        labelled = labelled & sample.valid[named[0]][:, 0]
    counts = torch.bincount(labels[labelled].long())
    return (counts.max() / counts.sum()).item() if counts.numel() else 0.0


def _uniform(generator: torch.Generator) -> float:
    return torch.rand((), generator=generator).item()


def _samples(batch: ViewBatch) -> list[ViewBatch]:
    def only(i: int, values: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value[i : i + 1] for name, value in values.items()}

    return [
        ViewBatch(
            *(getattr(batch, name)[i : i + 1] for name in _TENSORS),
            targets=only(i, batch.targets),
            valid=only(i, batch.valid),
            next_images=None if batch.next_images is None else batch.next_images[i : i + 1],
        )
        for i in range(batch.images.shape[0])
    ]


def _joined(samples: list[ViewBatch]) -> ViewBatch:
    """Masks may be missing where nothing was padded: they are True there."""
    masked = sorted({name for sample in samples for name in sample.valid})
    everywhere = torch.ones_like(samples[0].images[:, :, :1], dtype=torch.bool)
    return replace(
        samples[0],
        **{name: torch.cat([getattr(sample, name) for sample in samples]) for name in _TENSORS},
        targets={name: torch.cat([s.targets[name] for s in samples]) for name in samples[0].targets},
        valid={name: torch.cat([s.valid.get(name, everywhere) for s in samples]) for name in masked},
        next_images=None if samples[0].next_images is None else torch.cat([s.next_images for s in samples]),
    )


_TENSORS = ("images", "K", "T_world_cam", "view_mask", "near_m", "far_m")
