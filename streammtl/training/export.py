"""python -m streammtl.training.export RUN --out FILE.safetensors: a run's weights as a model loads them."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from streammtl.errors import CheckpointError, StreamMtlError
from streammtl.training.checkpoints import checkpoint_paths, load_checkpoint

AVERAGE = "average."


def export_weights(run: Path, out: Path, newest: bool = False) -> str:
    """Writes the averaged weights of a run as fp16 (statistics of normalisation stay fp32) and gives the sha256.

    The best ones by validation; with `newest`, or where nothing was validated, those of the newest checkpoint. What is
    known of their training goes into the file's metadata, and beside it into FILE.json with the checksum.
    Raises: CheckpointError where the run has no checkpoint.
    """
    tensors, state = _weights(run, newest)
    half = {name: _halved(name, tensor) for name, tensor in tensors.items()}
    if bad := [name for name, tensor in half.items() if tensor.is_floating_point() and not tensor.isfinite().all()]:
        raise CheckpointError(f"{', '.join(bad[:3])} of {run} do not fit into fp16; train with a lower learning rate.")
    known = {"step": state["step"], "figures": state.get("figures", {}), "settings": _settings(run)}
    content = save(half, {"streammtl": json.dumps(known, sort_keys=True)})
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(out)
    checksum = hashlib.sha256(content).hexdigest()
    out.with_suffix(".json").write_text(
        json.dumps({"sha256": checksum, "bytes": len(content)} | known, indent=1) + "\n"
    )
    return checksum


def _weights(run: Path, newest: bool) -> tuple[dict[str, Tensor], dict]:
    best, checkpoints = checkpoint_paths(run / "best"), checkpoint_paths(run / "checkpoints")
    if best and not newest:
        found = load_checkpoint(best[-1])
        return found.tensors, found.state
    if not checkpoints:
        raise CheckpointError(f"{run} holds no checkpoint; give the folder of a run, the --out of its training.")
    found = load_checkpoint(checkpoints[-1])
    average = {name.removeprefix(AVERAGE): t for name, t in found.tensors.items() if name.startswith(AVERAGE)}
    return average, found.state


def _halved(name: str, tensor: Tensor) -> Tensor:
    keeps = not tensor.is_floating_point() or "running_" in name
    return (tensor if keeps else tensor.to(torch.float16)).contiguous()


def _settings(run: Path) -> dict:
    """The settings of the run without the paths of the machine it ran on."""
    settings = json.loads((run / "settings.json").read_text())
    for name in ("pool", "validation"):
        settings["data"].pop(name, None)
    settings["model"].pop("weights", None)
    return settings


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m streammtl.training.export", description=export_weights.__doc__)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--newest", action="store_true", help="the newest weights instead of the best")
    given = parser.parse_args(arguments)
    try:
        checksum = export_weights(given.run, given.out, given.newest)
    except StreamMtlError as error:
        print(f"streammtl.training.export: {error}", file=sys.stderr)
        return 1
    print(f"{checksum}  {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
