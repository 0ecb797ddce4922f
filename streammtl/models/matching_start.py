"""A cross-view module that starts from one that was trained before, on whatever task."""

from __future__ import annotations

import logging
from pathlib import Path

from streammtl.errors import CheckpointError
from streammtl.models.cross_view_mtl import CrossViewMtl
from streammtl.models.weights import load_weights

logger = logging.getLogger(__name__)

PART = "cross_view"  # of a network: what matches views, and the group with a learning rate of its own
NEEDED = ("encoder.", "transformer.")  # without these it would start from noise after all


def start_matching_from(network: CrossViewMtl, path: Path, sha256: str | None = None) -> None:
    """Fills the network's cross-view module from a safetensors file: of a whole network, or of such a module alone.

    Encoder and transformer must all be there and fit; what depends on the number of planes is taken where it fits and
    stays as it was elsewhere. Other parts of the network are left alone.
    Source: MVSplat and DepthSplat, ancestors of cross-view MTL, start from a matching network in the same way.
    Raises: CheckpointError where the file cannot be read or its module is another, or the network has none.
    """
    if network.cross_view is None:
        raise CheckpointError(f"{path} cannot be loaded: this network has no cross-view module; turn it on.")
    given = load_weights(path, sha256)
    inside = {k.removeprefix(f"{PART}."): v for k, v in given.items() if k.startswith(f"{PART}.")} or given
    wanted = network.cross_view.state_dict()
    fitting = {name: inside[name] for name in wanted if name in inside and inside[name].shape == wanted[name].shape}
    rest = sorted(wanted.keys() - fitting.keys())
    if unfit := [name for name in rest if name.startswith(NEEDED)]:
        raise CheckpointError(
            f"{path} lacks {len(unfit)} tensors of this cross-view module, or has them in another shape, e.g. "
            f"{unfit[0]}; use the settings it was trained with: cross_view_channels, cross_view_layers, match_features."
        )
    network.cross_view.load_state_dict(fitting, strict=False)
    logger.info("cross-view module: %d tensors from %s, untouched: %s", len(fitting), path, ", ".join(rest) or "none")
