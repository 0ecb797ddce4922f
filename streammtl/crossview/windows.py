"""Attention windows: cutting a map into a fixed number of windows, optionally shifted by half a window."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def split_windows(x: Tensor, splits: int, shifted: bool) -> Tensor:
    """Map [N,h,w,C] to tokens [N,splits²,h/splits·w/splits,C]; shifted windows wrap around the border."""
    count, height, width, channels = x.shape
    window_h, window_w = height // splits, width // splits
    if shifted:
        x = torch.roll(x, (-(window_h // 2), -(window_w // 2)), (1, 2))
    x = x.view(count, splits, window_h, splits, window_w, channels).transpose(2, 3)
    return x.reshape(count, splits * splits, window_h * window_w, channels)


def merge_windows(tokens: Tensor, splits: int, shifted: bool, height: int, width: int) -> Tensor:
    """The inverse of split_windows: [N,splits²,T,C] to [N,h,w,C]."""
    count, channels = tokens.shape[0], tokens.shape[-1]
    window_h, window_w = height // splits, width // splits
    x = tokens.view(count, splits, splits, window_h, window_w, channels).transpose(2, 3)
    x = x.reshape(count, height, width, channels)
    return torch.roll(x, (window_h // 2, window_w // 2), (1, 2)) if shifted else x


def shifted_mask(splits: int, height: int, width: int, device: torch.device) -> Tensor:
    """bool [splits²,T,T]: True where two tokens of a shifted window lie on the same side of the wrapped border."""
    rows = _side(height, height // splits, device)
    columns = _side(width, width // splits, device)
    region = (rows[:, None] * 2 + columns)[None, :, :, None]
    tokens = split_windows(region, splits, shifted=False)[0, :, :, 0]
    return tokens[:, :, None] == tokens[:, None, :]


def _side(size: int, window: int, device: torch.device) -> Tensor:
    return (torch.arange(size, device=device) >= size - window // 2).long()


def sine_positions(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Sine position encoding [h,w,channels]: half the channels for rows, half for columns, over one turn per window."""
    quarter = channels // 4
    frequency = 10000.0 ** (-torch.arange(quarter, device=device) / quarter)

    def encode(size: int) -> Tensor:
        turn = (torch.arange(size, device=device) + 0.5) * (2.0 * math.pi / size)
        angle = turn[:, None] * frequency
        return torch.cat((angle.sin(), angle.cos()), -1)

    rows, columns = encode(height), encode(width)
    return torch.cat(
        (rows[:, None].expand(height, width, -1), columns[None].expand(height, width, -1)),
        -1,
    )
