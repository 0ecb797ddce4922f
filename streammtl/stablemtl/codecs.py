"""Labels as pictures: f_tau and p_tau of StableMTL (arXiv 2506.08013), A.1."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from streammtl.errors import ConfigError
from streammtl.stablemtl.class_colours import class_colours
from streammtl.tasks.spec import Activation, FusionRule, TaskKind, TaskSpec

DEPTH_QUANTILES = (0.02, 0.98)
SMALLEST = 1e-6
SOFTNESS = 0.25  # of class probabilities: standard deviation around a colour, of the least distance of two


class LabelCodec(Protocol):
    """Labels of one task to pictures in [-1,1] and back.

    What a picture cannot hold is lost: the range of depth, the size of motion. decode gives them relative, and nothing
    of it is metric.
    """

    def encode(self, labels: Tensor, valid: Tensor) -> Tensor:
        """Pictures f32 [B,3,H,W] of labels [B,Ct,H,W] as in ViewBatch.targets; 0 where bool valid [B,1,H,W] is not."""

    def decode(self, pictures: Tensor) -> Tensor:
        """Values f32 [B,C,H,W] as in TaskOutputs of pictures [B,3,H,W], which are clipped to [-1,1] first."""


class DepthRange:
    """The 2nd to 98th percentile of each image's valid depths to -1..1, clipped, in all three channels.

    decode gives 0 at the near end and 1 at the far one: depth up to a scale and a shift of each image.
    """

    def encode(self, labels: Tensor, valid: Tensor) -> Tensor:
        ends = [_quantiles(depth[known]) for depth, known in zip(labels.float(), valid, strict=True)]
        near, far = (torch.stack(end)[:, None, None, None] for end in zip(*ends, strict=True))
        grey = 2 * (labels - near) / (far - near).clamp(min=SMALLEST) - 1
        return torch.where(valid, grey.clamp(-1, 1), 0.0).repeat(1, 3, 1, 1)

    def decode(self, pictures: Tensor) -> Tensor:
        return (pictures.clamp(-1, 1).mean(1, keepdim=True) + 1) / 2


class Directions:
    """Unit vectors as they are, made unit again when read."""

    def encode(self, labels: Tensor, valid: Tensor) -> Tensor:
        return torch.where(valid, labels.float(), 0.0)

    def decode(self, pictures: Tensor) -> Tensor:
        return F.normalize(pictures.clamp(-1, 1), dim=1, eps=SMALLEST)


class Motion:
    """Vectors divided, channel by channel, by the largest of their image; two channels become (x, y, x).

    Departure: the paper maps least..largest to -1..1, which moves what stands still away from 0 and turns no sign when
    the image is mirrored; the released code divides, as here. decode gives motion up to a positive scale per channel.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def encode(self, labels: Tensor, valid: Tensor) -> Tensor:
        known = torch.where(valid, labels.float(), 0.0)
        relative = known / known.abs().amax((2, 3), keepdim=True).clamp(min=SMALLEST)
        return relative if self.channels == 3 else torch.cat((relative, relative[:, :1]), 1)

    def decode(self, pictures: Tensor) -> Tensor:
        return pictures.clamp(-1, 1)[:, : self.channels]


class UnitInterval:
    """Values in 0..1 to -1..1; one channel becomes three, and their mean when read.

    Images of which more than 2 % are brighter than 1 are darkened by a factor first: values are relative.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def encode(self, labels: Tensor, valid: Tensor) -> Tensor:
        bright = [
            _quantiles(value[:, known[0]].flatten())[1] for value, known in zip(labels.float(), valid, strict=True)
        ]
        tone_mapped = labels / torch.stack(bright)[:, None, None, None].clamp(min=1)
        pictures = torch.where(valid, 2 * tone_mapped.clamp(0, 1) - 1, 0.0)
        return pictures.expand(-1, 3, -1, -1)

    def decode(self, pictures: Tensor) -> Tensor:
        values = (pictures.clamp(-1, 1) + 1) / 2
        return values if self.channels == 3 else values.mean(1, keepdim=True)


class ClassColours:
    """One colour per class; the nearest colour is the class that decode finds most probable.

    An autoencoder blurs pictures, and between two colours lies a third: good for up to some 20 classes, never for the
    labels of a map.
    """

    def __init__(self, classes: int) -> None:
        self.colours = class_colours(classes)  # [K,3]
        apart = torch.pdist(self.colours).min().item() if classes > 1 else 2.0
        self._precision = 0.5 / (SOFTNESS * apart) ** 2

    def encode(self, labels: Tensor, valid: Tensor) -> Tensor:
        classes = torch.where(valid, labels.long(), 0)[:, 0]
        pictures = self.colours.to(labels.device)[classes].permute(0, 3, 1, 2)
        return torch.where(valid, pictures, 0.0)

    def decode(self, pictures: Tensor) -> Tensor:
        colours = self.colours.to(pictures.device)
        flat = pictures.clamp(-1, 1).float().permute(0, 2, 3, 1)
        squared = flat.square().sum(-1, keepdim=True) - 2 * flat @ colours.T + colours.square().sum(-1)
        return torch.softmax(-self._precision * squared, -1).permute(0, 3, 1, 2)


def label_codec(spec: TaskSpec) -> LabelCodec:
    """The codec of a task, by what its values are. Raises: ConfigError for a task that no picture can hold."""
    if spec.kind is TaskKind.CATEGORICAL:
        return ClassColours(spec.channels)
    if spec.fusion is FusionRule.DEPTH:
        return DepthRange()
    if spec.kind is TaskKind.UNIT_VECTOR:
        return Directions()
    if spec.frames > 1 and spec.channels in (2, 3):
        return Motion(spec.channels)
    if spec.activation is Activation.SIGMOID and spec.channels in (1, 3):
        return UnitInterval(spec.channels)
    raise ConfigError(
        f"task {spec.name!r} has {spec.channels} channels of {spec.unit}; a latent model needs classes, depth, unit "
        "vectors, motion of two or three channels, or one or three channels of 0..1."
    )


def _quantiles(values: Tensor) -> tuple[Tensor, Tensor]:
    if not values.numel():
        return values.new_zeros(()), values.new_ones(())
    low, high = torch.quantile(values, values.new_tensor(DEPTH_QUANTILES))
    return low, high
