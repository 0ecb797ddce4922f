"""The multi-stream network: a second U-Net that asks the first one's features of all other tasks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from streammtl.mixers.task_attention import OneToManyAttention
from streammtl.stablemtl.diffusion import transformer_blocks
from streammtl.stablemtl.regressor import FrameLatents, LatentRegressor
from streammtl.stablemtl.wanted import Wanted, every_task
from streammtl.views import ViewBatch


class MultiStreamRegressor(LatentRegressor):
    """StableMTL, its stage 2: `main` learns on from the single stream, whose frozen copy `auxiliary` says what it sees
    of all other tasks, in every transformer block right after spatial attention.

    It starts as the single stream: what the tasks say is multiplied by zero at first. All auxiliary tasks go through as
    one batch, where the paper takes them one after the other.
    Source: StableMTL (arXiv 2506.08013), 3.2.
    """

    def __init__(self, single: LatentRegressor, heads: int, masking: float) -> None:
        super().__init__(single.vae, single.main)
        self.auxiliary = copy.deepcopy(single.main).requires_grad_(False)
        widths = [block.attn1.out_dim for block in transformer_blocks(self.main.unet)]
        self.task_attention = nn.ModuleList(OneToManyAttention(self.tasks, width, heads, masking) for width in widths)

    def begin_as_single(self) -> None:
        """Copies the main stream, as loaded, to the frozen one."""
        self.auxiliary.load_state_dict(self.main.state_dict())

    def forward(self, batch: ViewBatch, wanted: Wanted) -> Tensor:
        frames = self.frames(batch)
        seen = self._seen(frames, self._asked(wanted))

        def told(block: int, output: Tensor) -> Tensor:
            message = self.task_attention[block](output, wanted.tasks, wanted.samples, seen[block])
            return output + message.to(output.dtype)

        with after_spatial_attention(self.main.unet, told):
            return self.main(frames, wanted)

    def _asked(self, wanted: Wanted) -> tuple[str, ...]:
        """All tasks but one that is alone wanted."""
        own = set(wanted.tasks)
        return tuple(task for task in self.tasks if len(own) > 1 or task not in own)

    @torch.no_grad()
    def _seen(self, frames: FrameLatents, tasks: tuple[str, ...]) -> list[dict[str, Tensor]]:
        """By block: {task: what the auxiliary stream's spatial attention gives [B,N,C], before it is added}."""
        samples = frames.first.shape[0]
        seen: list[dict[str, Tensor]] = [{} for _ in self.task_attention]
        if not tasks:
            return seen

        def noted(block: int, output: Tensor) -> None:
            seen[block] = dict(zip(tasks, output.split(samples), strict=True))

        with after_spatial_attention(self.auxiliary.unet, noted):
            self.auxiliary(frames, every_task(tasks, samples, frames.first.device))
        return seen


@contextmanager
def after_spatial_attention(unet: nn.Module, do: Callable[[int, Tensor], Tensor | None]) -> Iterator[None]:
    """do(number of the transformer block, output of its spatial attention [N,h·w,C]) whenever the U-Net runs in this
    context; what it returns, unless None, takes the place of the output."""
    hooks = [
        block.attn1.register_forward_hook(lambda _module, _given, output, number=number: do(number, output))
        for number, block in enumerate(transformer_blocks(unet))
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
