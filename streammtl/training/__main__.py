"""python -m streammtl.training CONFIG.json: trains where only torch, timm, numpy, pydantic and safetensors are."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from streammtl.errors import StreamMtlError
from streammtl.training.config import read_json, training_settings
from streammtl.training.trainer import Trainer


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when all steps are done, 3 when the time was up first, 1 after an error."""
    parser = argparse.ArgumentParser(
        prog="python -m streammtl.training",
        description="Train a network on a pool of rendered clips.",
        epilog="Example: python -m streammtl.training train.json --out runs/lite --minutes 60 --resume",
    )
    parser.add_argument("config", type=Path, nargs="?", help="JSON file with settings; without it, the defaults")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c", dest="overrides", help="one setting")
    parser.add_argument("--out", type=Path, default=Path("runs/train"), help="folder of the run")
    parser.add_argument("--minutes", type=float, help="stop after this long, with a checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint, if there is one")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        values = {} if given.config is None else read_json(given.config)
        settings = training_settings(values, given.overrides)
        outcome = Trainer(settings, given.out, given.resume).run(given.minutes)
    except StreamMtlError as error:
        print(f"streammtl.training: {error}", file=sys.stderr)
        return 1
    return 0 if outcome.finished else 3


if __name__ == "__main__":
    sys.exit(main())
