"""Whether products of a network are taken in bfloat16."""

from __future__ import annotations

import torch


def reads_bf16(precision: str, device: torch.device) -> bool:
    """For a precision setting auto, fp32 or bf16. auto: where the device multiplies bfloat16 natively, which halves
    the time of a network; elsewhere it is emulated and slower than float32."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # PyTorch has no public question for this
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return device.type == "cpu" and supported is not None and bool(supported())
