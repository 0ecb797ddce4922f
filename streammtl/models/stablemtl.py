"""stablemtl, stablemtl-single: latent regression with and without attention between tasks."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from streammtl.errors import CheckpointError
from streammtl.geometry import face_camera
from streammtl.models.precision import reads_bf16
from streammtl.models.predictor import Predictor
from streammtl.models.registry import register_model
from streammtl.models.settings import ModelSettings
from streammtl.models.shipped import shipped_weights
from streammtl.stablemtl.build import build_regressor, tasks_of
from streammtl.stablemtl.codecs import label_codec
from streammtl.stablemtl.regressor import LatentRegressor
from streammtl.stablemtl.wanted import every_task
from streammtl.tasks.registry import task_spec
from streammtl.views import ScaleStatus, TaskOutputs, ViewBatch

GREY_SPREAD = 0.5  # between the channels of a depth picture, at which it is no depth any more


class LatentPredictor(Predictor):
    """Tasks of the reference views alone: neighbours are not looked at. Depth is relative, 0 near and 1 far in each
    image; flows and shading are relative as well, and semantics, read from colours, are not for a map.

    Confidence falls as the three channels of the depth picture differ, and is 0 at its ends, which stand for all that
    is nearer or farther.
    Raises: CheckpointError without trained weights unless settings.allow_untrained, or for weights that do not fit;
    ConfigError without the package diffusers.
    """

    multi_stream: ClassVar[bool]
    tasks = ("depth", "semantics", "normals", "optical_flow", "scene_flow", "shading", "albedo")
    depth_scale = ScaleStatus.UP_TO_SCALE
    relative_depth = True
    size_multiple = 16

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        shipped = shipped_weights(self.name) if settings.weights is None and settings.diffusion_folder is None else None
        if shipped is not None:
            settings = settings.model_copy(update={"weights": shipped.path, "weights_sha256": shipped.sha256})
        if settings.weights is not None:
            self.tasks = tasks_of(settings.weights, settings.weights_sha256)
        if "depth" not in self.tasks or (settings.weights is None and not settings.allow_untrained):
            raise CheckpointError(
                f"model {self.name} has no weights that were trained to predict depth: what it says would be noise. "
                "Give model.weights the file of a training (configs/recipes/stablemtl-1.yaml, -2.yaml), use "
                "planesweep, or pass --set model.allow_untrained=true to try the untrained one."
            )
        self.network = build_regressor(settings, self.tasks, self.multi_stream).to(self.device).eval()
        self._low_precision = reads_bf16(settings.precision, self.device)

    def _predict(self, batch: ViewBatch) -> TaskOutputs:
        tasks = tuple(t for t in self.tasks if batch.next_images is not None or task_spec(t).frames == 1)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._low_precision):
            pictures = predicted_pictures(self.network, batch, tasks)
        values = {task: label_codec(task_spec(task)).decode(picture) for task, picture in pictures.items()}
        if "normals" in values:
            values["normals"] = face_camera(values["normals"], batch.K[:, 0])
        return TaskOutputs(values, depth_confidence(pictures["depth"]), self.depth_scale)


@register_model("stablemtl-single")
class StableMtlSingle(LatentPredictor):
    """One U-Net and a token per task: StableMTL-S."""

    multi_stream = False


@register_model("stablemtl")
class StableMtl(LatentPredictor):
    """A second U-Net asks the features of all other tasks: StableMTL. Takes weights of the single one too, as which it
    begins."""

    multi_stream = True


def predicted_pictures(network: LatentRegressor, batch: ViewBatch, tasks: tuple[str, ...]) -> dict[str, Tensor]:
    """{task: f32 [B,3,H,W] in [-1,1]}; all tasks go through the networks as one batch."""
    samples = batch.images.shape[0]
    latents = network(batch, every_task(tasks, samples, batch.images.device))
    return dict(zip(tasks, network.decoded(latents).float().split(samples), strict=True))


def depth_confidence(picture: Tensor) -> Tensor:
    """[B,1,H,W] of a depth picture [B,3,H,W]: 1 where it is grey."""
    spread = picture.amax(1, keepdim=True) - picture.amin(1, keepdim=True)
    inside = picture.mean(1, keepdim=True).abs() < 1
    return torch.where(inside, 1 - spread / GREY_SPREAD, 0.0).clamp(0, 1)
