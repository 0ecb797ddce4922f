"""Windowed self- and cross-attention between the views of a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.crossview.tracing import all_are_there
from streammtl.crossview.windows import merge_windows, shifted_mask, sine_positions, split_windows
from streammtl.errors import ShapeError

SPLITS = 2  # windows per side
SCORES_BYTES = 2_500_000  # of attention in bfloat16 at a time on a CPU; more would leave its cache
FORBIDDEN = -1e4  # added to scores; softmax makes 0 of it


class MultiViewTransformer(nn.Module):
    """Features of all views, each informed by its neighbours.

    `layers` (the paper: six) of self- then cross-attention in 2x2 windows, odd ones shifted by half a window; all views
    are updated at once. Instead of a last normalisation, a gated adapter that starts as the identity.

    Shapes: features [B,V,C,h,w] with even h, w; neighbours i64 [B,V,k] and their validity bool [B,V,k] -> [B,V,C,h,w].
    Views without a valid neighbour get no cross message. Invalid neighbours' features have no influence.
    Source: cross-view MTL (arXiv 2511.20646), section 3.2; block layout of UniMatch (arXiv 2211.05783).
    """

    def __init__(self, channels: int, layers: int = 6) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(TransformerBlock(channels, shifted=bool(i % 2)) for i in range(layers))
        self.adapter = GatedAdapter(channels)
        for parameter in self.blocks.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: Tensor, neighbours: Tensor, neighbour_valid: Tensor) -> Tensor:
        channels, height, width = features.shape[2:]
        if height % SPLITS or width % SPLITS:
            raise ShapeError(f"feature maps are {height}x{width}; attention windows need even sides.")
        window = sine_positions(height // SPLITS, width // SPLITS, channels, features.device)
        x = features.permute(0, 1, 3, 4, 2) + window.repeat(SPLITS, SPLITS, 1)
        same_side = shifted_mask(SPLITS, height, width, features.device)
        # masks that forbid nothing cost a CPU a tenth of the network, and asking it for them costs nothing
        some_missing = not all_are_there(neighbour_valid)
        for block in self.blocks:
            x = block(x, neighbours, neighbour_valid if some_missing else None, same_side)
        return self.adapter(x).permute(0, 1, 4, 2, 3)


class TransformerBlock(nn.Module):
    """Self-attention within a view, then cross-attention to its neighbours with a feed-forward net on both."""

    def __init__(self, channels: int, shifted: bool) -> None:
        super().__init__()
        self.shifted = shifted
        self.self_attention = WindowAttention(channels)
        self.cross_attention = WindowAttention(channels)
        self.feed_forward = nn.Sequential(
            nn.Linear(2 * channels, 8 * channels, bias=False), nn.GELU(), nn.Linear(8 * channels, channels, bias=False)
        )
        self.norm_self, self.norm_message, self.norm_out = (nn.LayerNorm(channels) for _ in range(3))

    def forward(self, x: Tensor, neighbours: Tensor, neighbour_valid: Tensor | None, same_side: Tensor) -> Tensor:
        """neighbour_valid None: all of them are there."""
        batch, views, height, width, channels = x.shape
        count = neighbours.shape[-1]
        tokens = split_windows(x.flatten(0, 1), SPLITS, self.shifted)  # [N,W,T,C]
        windows, length = tokens.shape[1:3]
        mask = same_side[None] if self.shifted else None
        # paper: normalisation on the message, before it is added
        tokens = tokens + self.norm_self(self.self_attention(tokens, tokens, mask))

        by_view = tokens.view(batch, views, windows, length, channels)
        rows = torch.arange(batch, device=x.device)[:, None, None]
        keys = by_view[rows, neighbours]  # [B,V,k,W,T,C]
        mask = same_side.repeat(1, 1, count)[None] if self.shifted else None
        if neighbour_valid is not None:
            keys = torch.where(neighbour_valid[..., None, None, None], keys, 0.0)
            mask = _allowed(neighbour_valid, length) if mask is None else mask & _allowed(neighbour_valid, length)
        keys = keys.permute(0, 1, 3, 2, 4, 5).reshape(batch * views, windows, count * length, channels)
        message = self.norm_message(self.cross_attention(tokens, keys, mask))
        message = self.norm_out(self.feed_forward(torch.cat((tokens, message), -1)))
        if neighbour_valid is not None:
            message = torch.where(neighbour_valid.any(-1).flatten()[:, None, None, None], message, 0.0)
        return merge_windows(tokens + message, SPLITS, self.shifted, height, width).view(x.shape)


def _allowed(neighbour_valid: Tensor, length: int) -> Tensor:
    """Keys bool [N,1,1,k·T] that may be attended to, for neighbours [B,V,k] of T tokens in each window.

    A view without neighbours attends to zeros, and its message is dropped: softmax over nothing is NaN.
    """
    allowed = (neighbour_valid | ~neighbour_valid.any(-1, keepdim=True)).flatten(0, 1)  # [N,k]
    return allowed.repeat_interleave(length, -1)[:, None, None, :]


class WindowAttention(nn.Module):
    """Single-head attention inside windows. queries [N,W,T,C], keys [N,W,S,C], mask broadcastable to [N,W,T,S]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.merge = (nn.Linear(channels, channels, bias=False) for _ in range(4))

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        # windows take the place of heads: 4-D inputs are what the fast kernels accept
        return self.merge(attend(self.query(queries), self.key(keys), self.value(keys), mask))


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled dot-product attention of [N,...,T,d]; every query must be allowed some key.

    In bfloat16 a CPU takes up to twice as long over the fused kernel as over plain products of this size, as long as
    their scores stay in its cache: so many of the N at a time.
    """
    if queries.device.type != "cpu" or queries.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    step = max(1, SCORES_BYTES // (2 * queries.shape[1:-1].numel() * keys.shape[-2]))
    if len(queries) <= step:
        return _attended(queries, keys, values, mask)
    masks = [mask] * -(-len(queries) // step) if mask is None or len(mask) == 1 else mask.split(step)
    parts = (of.split(step) for of in (queries, keys, values))
    return torch.cat([_attended(*some) for some in zip(*parts, masks, strict=True)])


def _attended(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """A mask of keys is carried by one more channel, 1 in all queries: added to the scores it would take as long as
    they do."""
    queries = queries * queries.shape[-1] ** -0.5
    if mask is not None and mask.shape[-2] == 1:
        forbidden = torch.where(mask, 0.0, FORBIDDEN).to(keys.dtype).transpose(-1, -2)
        keys = torch.cat((keys, forbidden.expand(*keys.shape[:-1], 1)), -1)
        queries = torch.cat((queries, torch.ones_like(queries[..., :1])), -1)
    scores = queries @ keys.transpose(-1, -2)
    if mask is not None and mask.shape[-2] != 1:
        scores = scores + torch.where(mask, 0.0, FORBIDDEN).to(scores.dtype)
    return torch.softmax(scores, -1) @ values


class GatedAdapter(nn.Module):
    """SwiGLU with a residual; the last matrix starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Linear(channels, 2 * channels)
        self.value = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(2 * channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(F.silu(self.gate(x)) * self.value(x))
