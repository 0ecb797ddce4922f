"""cvm-lite: the cross-view multi-task network on EfficientNet-Lite0."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from streammtl.encoders.lite0 import Lite0Encoder
from streammtl.errors import CheckpointError
from streammtl.geometry import face_camera
from streammtl.models.cross_view_mtl import CrossViewMtl
from streammtl.models.predictor import Predictor
from streammtl.models.registry import register_model
from streammtl.models.settings import ModelSettings
from streammtl.models.weights import load_weights
from streammtl.tasks.activations import activate
from streammtl.tasks.registry import task_spec
from streammtl.views import ScaleStatus, TaskOutputs, ViewBatch

GOOD_DEPTH_ERROR = 0.05  # relative; confidence is the probability of being better


@register_model("cvm-lite")
class CvmLite(Predictor):
    """Metric depth, NYU-40 semantics, normals and boundaries from one to three views. 5.1 M parameters.

    Poses must be metric. Confidence is the probability that depth is within 5 % of the truth, under the predicted
    spread.
    Raises: CheckpointError for untrained weights unless settings.allow_untrained, or weights that do not fit.
    """

    tasks = ("depth", "semantics", "normals", "boundaries")
    depth_scale = ScaleStatus.METRIC
    label_space = "nyu40"
    size_multiple = 16

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        if settings.weights is None and not settings.allow_untrained:
            raise CheckpointError(
                "model cvm-lite has no trained weights: what it predicts would be noise. Give model.weights a "
                "safetensors file, use planesweep, or pass --set model.allow_untrained=true to try the untrained one."
            )
        self.network = build_network(settings).to(self.device).eval()

    def _predict(self, batch: ViewBatch) -> TaskOutputs:
        outputs = self.network(batch)
        values = {task: activate(raw, task_spec(task).activation) for task, raw in outputs.raw.items()}
        values["normals"] = face_camera(values["normals"], batch.K[:, 0])
        return TaskOutputs(values, laplace_confidence(outputs.log_depth_scale), self.depth_scale)


def build_network(settings: ModelSettings) -> CrossViewMtl:
    """The network with the weights of the settings, or seeded: ImageNet in the encoder, random in the rest.

    Raises: CheckpointError.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = CrossViewMtl(Lite0Encoder(imagenet=settings.weights is None), CvmLite.tasks, settings.num_planes)
    if settings.weights is not None:
        state = load_weights(settings.weights, settings.weights_sha256)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise CheckpointError(
                f"the tensors of {settings.weights} do not fit cvm-lite with {settings.num_planes} planes; use the "
                f"num_planes it was trained with. {error}"
            ) from error
    return network


def laplace_confidence(log_scale: Tensor) -> Tensor:
    """P(|log depth error| < log 1.05) [B,1,H,W] of a Laplace distribution with that scale."""
    return 1.0 - torch.exp(-math.log1p(GOOD_DEPTH_ERROR) * torch.exp(-log_scale))
