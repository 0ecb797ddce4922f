"""The single-stream network: one U-Net, told by tokens which task, predicts that task's latents in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streammtl.errors import ConfigError
from streammtl.stablemtl.wanted import Wanted
from streammtl.tasks.registry import task_spec
from streammtl.views import ViewBatch

TIMESTEP = 999  # of the noisiest image, which the zeros stand for


@dataclass(frozen=True)
class FrameLatents:
    """Latents [B,c,h,w] of the reference views and of the frames after them (the same again where there is none)."""

    first: Tensor
    second: Tensor

    def of(self, wanted: Wanted, channels: int) -> Tensor:
        """[P,channels,h,w]: first and second frame for tasks about two, the first twice for the others, then zeros."""
        two = torch.tensor([task_spec(task).frames > 1 for task in wanted.tasks], device=self.first.device)
        first = self.first[wanted.samples]
        second = torch.where(two[:, None, None, None], self.second[wanted.samples], first)
        nothing = first.new_zeros(len(two), channels - 2 * first.shape[1], *first.shape[2:])
        return torch.cat((first, second, nothing), 1)


class Stream(nn.Module):
    """A U-Net with the tokens [n,d] of every task. `channels`: of its input, two or three times those of latents."""

    def __init__(self, unet: nn.Module, tokens: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.unet = unet
        self.channels = unet.config.in_channels
        if self.channels not in (2 * unet.config.out_channels, 3 * unet.config.out_channels):
            raise ConfigError(f"a U-Net of {self.channels} input channels takes no two frames; widen it to 8 or 12.")
        self.tokens = nn.ParameterDict({task: nn.Parameter(token.clone()) for task, token in tokens.items()})

    def forward(self, frames: FrameLatents, wanted: Wanted) -> Tensor:
        """Predicted latents [P,c,h,w]."""
        tokens = torch.stack([self.tokens[task] for task in wanted.tasks])
        return self.unet(frames.of(wanted, self.channels), TIMESTEP, encoder_hidden_states=tokens).sample


class LatentRegressor(nn.Module):
    """Tasks of the reference views as latents of a frozen autoencoder: StableMTL-S, its stage 1.

    Latents are means, times the autoencoder's scale. Departure: with 12 channels the last four are zeros, where noise
    used to be, as in the released code; 8 leave them out.
    Source: StableMTL (arXiv 2506.08013), 3.1.
    """

    def __init__(self, vae: nn.Module, main: Stream) -> None:
        super().__init__()
        self.vae = vae.requires_grad_(False)
        self.main = main

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self.main.tokens)

    @property
    def stride(self) -> int:
        """Pixels of the image by one latent."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    def forward(self, batch: ViewBatch, wanted: Wanted) -> Tensor:
        """Latents [P,c,h,w] of the wanted tasks."""
        return self.main(self.frames(batch), wanted)

    @torch.no_grad()
    def frames(self, batch: ViewBatch) -> FrameLatents:
        first = self.encoded(2 * batch.images[:, 0] - 1)
        return FrameLatents(
            first, first if batch.next_images is None else self.encoded(2 * batch.next_images[:, 0] - 1)
        )

    @torch.no_grad()
    def encoded(self, pictures: Tensor) -> Tensor:
        """Latents [N,c,H/s,W/s] of pictures [N,3,H,W] in [-1,1]."""
        return self.vae.encode(pictures).latent_dist.mode() * self.vae.config.scaling_factor

    def decoded(self, latents: Tensor) -> Tensor:
        """Pictures [N,3,H,W] of latents, clipped to [-1,1]."""
        return self.vae.decode(latents / self.vae.config.scaling_factor).sample.clamp(-1, 1)


def seeded_tokens(tasks: Sequence[str], count: int, width: int) -> dict[str, Tensor]:
    """Random tokens [count,width] by task, of the size that CLIP's have. They learn along: equivalent to prompts."""
    return {task: torch.randn(count, width) for task in tasks}
