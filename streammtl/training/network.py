"""The network that a training starts from."""

from __future__ import annotations

import torch

from streammtl.encoders.registry import build_encoder
from streammtl.errors import CheckpointError, ConfigError
from streammtl.models.cross_view_mtl import CrossViewMtl
from streammtl.models.cvm import CrossViewPredictor
from streammtl.models.matching_start import start_matching_from
from streammtl.models.network_settings import NetworkSettings
from streammtl.models.registry import model_class
from streammtl.models.settings import ModelSettings
from streammtl.models.weights import load_weights


def network_settings(settings: ModelSettings) -> NetworkSettings:
    """What the network of a model is made of. Raises: ConfigError for a model that has none."""
    model = model_class(settings.name)
    if not issubclass(model, CrossViewPredictor):
        raise ConfigError(f"model {settings.name} has nothing to train; use cvm-lite, cvm or m2h.")
    return model.network_settings.changed_by(settings)


def build_trainee(settings: ModelSettings, tasks: tuple[str, ...]) -> CrossViewMtl:
    """The network for these tasks: published weights in the encoder, settings.matching_weights in the cross-view module
    and seeded ones in the rest, or settings.weights in all of it.

    Raises: ConfigError; CheckpointError for weights that do not fit.
    """
    chosen = network_settings(settings)
    pretrained = settings.pretrained_encoder and settings.weights is None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = CrossViewMtl(build_encoder(chosen.encoder, pretrained, chosen.encoder_levels), tasks, chosen)
    if settings.matching_weights is not None and settings.weights is None:
        start_matching_from(network, settings.matching_weights)
    if settings.weights is not None:
        try:
            network.load_state_dict(load_weights(settings.weights, settings.weights_sha256))
        except RuntimeError as error:
            raise CheckpointError(f"{settings.weights} does not fit the network to train: {error}") from error
    return network
