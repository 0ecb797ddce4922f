"""Networks of the settings, and weights of one stage for the next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from streammtl.errors import CheckpointError
from streammtl.models.settings import ModelSettings
from streammtl.models.weights import load_weights
from streammtl.stablemtl.diffusion import build_unet, build_vae, prompt_tokens, widened
from streammtl.stablemtl.multi_stream import MultiStreamRegressor
from streammtl.stablemtl.regressor import LatentRegressor, Stream, seeded_tokens

HEADS, MASKING = 4, 0.4  # of attention between tasks, the paper's best
TOKENS = 4  # per task: as many as CLIP's of two words
TOKEN_PREFIX = "main.tokens."


def build_regressor(settings: ModelSettings, tasks: Sequence[str], multi_stream: bool) -> LatentRegressor:
    """The network for these tasks, with what settings.weights holds: the autoencoder alone, stage 1 or stage 2.

    The rest has published weights where settings.diffusion_folder is given, and seeded ones otherwise; a multi-stream
    network given stage 1 begins as it.
    Raises: ConfigError; CheckpointError for weights that do not fit.
    """
    folder = settings.diffusion_folder
    tensors = None if settings.weights is None else load_weights(settings.weights, settings.weights_sha256)
    has_streams = tensors is not None and any(name.startswith("main.") for name in tensors)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        vae = build_vae(folder, pretrained=tensors is None)
        unet = widened(build_unet(folder, pretrained=not has_streams), _inputs(settings))
        tokens = seeded_tokens(tasks, TOKENS, unet.config.cross_attention_dim)
        if settings.task_prompts and not has_streams:
            prompts = [task.replace("_", " ") for task in tasks]
            tokens = dict(zip(tasks, prompt_tokens(folder, prompts), strict=True))
        if has_streams:
            tokens |= {task: tensors[TOKEN_PREFIX + task].float() for task in tasks if TOKEN_PREFIX + task in tensors}
        network = LatentRegressor(vae, Stream(unet, tokens))
        if multi_stream:
            masking = MASKING if settings.mixer_masking is None else settings.mixer_masking
            network = MultiStreamRegressor(network, settings.mixer_heads or HEADS, masking)
    if tensors is not None:
        load_stage(network, tensors, settings.weights)
    return network


def tasks_of(path: Path, sha256: str | None = None) -> tuple[str, ...]:
    """The tasks that a weights file was trained for, sorted; none for an autoencoder's. Raises: CheckpointError."""
    names = sorted(load_weights(path, sha256))  # a file's own order changes from one reading to the next
    return tuple(name.removeprefix(TOKEN_PREFIX) for name in names if name.startswith(TOKEN_PREFIX))


def load_stage(network: LatentRegressor, tensors: dict[str, Tensor], path: Path) -> None:
    """Puts each part that the file has into the network. Raises: CheckpointError where a part does not fit whole."""
    parts = {name.partition(".")[0] for name in tensors}
    own = network.state_dict()
    wanted = {name: tensor.shape for name, tensor in own.items() if name.partition(".")[0] in parts}
    given = {name: tensor.shape for name, tensor in tensors.items()}
    unfit = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
    if unfit:
        raise CheckpointError(
            f"{path} does not fit this StableMTL network: {len(unfit)} tensors are missing, left over or of another "
            f"shape, e.g. {unfit[0]}. Use the model, tasks, diffusion_folder and unet_inputs that it was trained with."
        )
    network.load_state_dict({**own, **tensors})
    if isinstance(network, MultiStreamRegressor) and "auxiliary" not in parts:
        network.begin_as_single()


def _inputs(settings: ModelSettings) -> int:
    """Input channels of the U-Net: the paper's where its weights are, and no useless ones where training is anew."""
    return settings.unet_inputs or (8 if settings.diffusion_folder is None else 12)
