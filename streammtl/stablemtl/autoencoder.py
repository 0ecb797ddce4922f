"""The tiny autoencoder learns: pictures of views and of labels, before anything is predicted in its latents."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PictureAutoencoder(nn.Module):
    """An AutoencoderKL that learns, under the name that networks have it by."""

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures [N,3,H,W] in [-1,1] as they come back, from latents drawn in training and means otherwise; and the
        mean divergence of a latent from a unit normal one, in nats."""
        found = self.vae.encode(pictures).latent_dist
        latents = found.mean
        if self.training:
            latents = latents + found.std * torch.randn_like(latents)
        divergence = 0.5 * (found.mean.float().square() + found.var.float() - 1 - found.logvar.float()).mean()
        return self.vae.decode(latents).sample, divergence
