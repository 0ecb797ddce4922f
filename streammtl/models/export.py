"""Networks as graphs that run without this library's code."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streammtl.errors import ConfigError
from streammtl.models.cvm import CrossViewPredictor
from streammtl.models.predictor import Predictor
from streammtl.views import ViewBatch

INPUTS = ("images", "K", "T_world_cam", "view_mask", "near_m", "far_m")  # of the graph, as in ViewBatch


def export_program(
    model: Predictor, size: tuple[int, int], views: int, samples: int = 1
) -> torch.export.ExportedProgram:
    """The model's prediction as a graph for batches of that many samples and views of `size` (height, width).

    Takes the tensors INPUTS of a ViewBatch in that order, gives {task: value} as in TaskOutputs and "confidence". Any
    poses, depth limits and view masks: with fewer views than `views`, mask the rest. The cost volume is the one with
    all pairs of pixels, whose shapes do not depend on poses; what `predict` checks is not checked.
    `torch.export.save` writes it to a file.
    Raises: ConfigError for a model without a network, or a size it does not take.
    """
    if not isinstance(model, CrossViewPredictor):
        raise ConfigError(f"model {model.name} has no network to export; use cvm-lite or cvm.")
    if size[0] % model.size_multiple or size[1] % model.size_multiple or min(size) <= 0:
        raise ConfigError(f"size {size[0]}x{size[1]} does not fit; use multiples of {model.size_multiple}.")
    with torch.no_grad():
        return torch.export.export(_Prediction(model), _example(size, views, samples, model.device), strict=False)


class _Prediction(nn.Module):
    def __init__(self, model: CrossViewPredictor) -> None:
        super().__init__()
        self.model = model
        self.network = model.network  # so that its weights are the graph's

    def forward(self, *inputs: Tensor) -> dict[str, Tensor]:
        outputs = self.model._predict(ViewBatch(**dict(zip(INPUTS, inputs, strict=True))))
        return {**outputs.values, "confidence": outputs.confidence}


def _example(size: tuple[int, int], views: int, samples: int, device: torch.device) -> tuple[Tensor, ...]:
    K = torch.tensor([[size[1], 0, size[1] / 2], [0, size[1], size[0] / 2], [0, 0, 1]])
    batch = ViewBatch(
        images=torch.zeros(samples, views, 3, *size),
        K=K.expand(samples, views, 3, 3).contiguous(),
        T_world_cam=torch.eye(4, dtype=torch.float64).repeat(samples, views, 1, 1),
        view_mask=torch.ones(samples, views, dtype=torch.bool),
        near_m=torch.full((samples,), 0.5),
        far_m=torch.full((samples,), 10.0),
    )
    return tuple(getattr(batch, name).to(device) for name in INPUTS)
