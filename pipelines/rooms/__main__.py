"""Renders generated rooms to clips: `python -m pipelines.rooms --out DIR --clips N --split train`."""

from __future__ import annotations

import argparse
import functools
import logging
import sys
from pathlib import Path

from pydantic import ValidationError

from pipelines.rooms.render_picture import write_sheet
from pipelines.rooms.render_pool import SPLIT_STARTS, PoolSettings, write_pool
from pipelines.rooms.render_recording import write_test_rooms
from streammtl.data.rooms.build import build_room
from streammtl.data.rooms.furniture.library import FurnitureLibrary
from streammtl.errors import ConfigError, StreamMtlError

EXTRAS = ("instances", "flow", "scene_flow", "albedo", "shading")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 for a setting that is wrong."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    options = _parser().parse_args(arguments)
    try:
        furniture = FurnitureLibrary(options.furniture, options.only_cc0) if options.furniture else None
        build = functools.partial(build_room, furniture=furniture, kind=options.kind)
        if options.split == "test3d":
            write_test_rooms(options.out, options.clips, options.frames or 300, options.size or (240, 320), build)
            return 0
        write_pool(options.out, _settings(options), build, options.workers)
        if options.picture:
            write_sheet(options.out, options.picture, options.picture_frames)
    except StreamMtlError as error:
        logging.getLogger(__name__).error("%s", error)
        return 2
    return 0


def _settings(options: argparse.Namespace) -> PoolSettings:
    height, width = options.size or (192, 256)
    try:
        return PoolSettings(
            split=options.split,
            seed=options.seed,
            clips=options.clips,
            frames=options.frames or 10,
            height=height,
            width=width,
            clips_per_room=options.clips_per_room,
            furniture=str(options.furniture) if options.furniture else None,
            only_cc0=options.only_cc0,
            render={name: name in options.keep for name in EXTRAS},
        )
    except ValidationError as error:
        raise ConfigError(f"these options do not go together: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.rooms", description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder for the clips; a run that stopped goes on there")
    add("--clips", type=int, default=100, help="clips in the pool, or rooms of test3d (default: %(default)s)")
    add(
        "--split",
        choices=tuple(SPLIT_STARTS),
        default="train",
        help="splits share no room; test3d: recordings with a true mesh",
    )
    add("--seed", type=int, default=0, help="which pool of the split, 0 to 99; pools share no room")
    add("--size", type=_size, default=None, help="height x width (default: 192x256; test3d: 240x320)")
    add("--frames", type=int, default=None, help="frames of a clip (default: 10; test3d: 300)")
    add("--clips-per-room", type=int, default=1, help="clips filmed in one room (default: %(default)s)")
    add("--kind", default=None, help="only rooms of this kind, such as kitchen")
    add("--furniture", type=Path, default=None, help="folder of furniture models; none: drawn shapes only")
    add("--only-cc0", action="store_true", help="use only models that ask for no credit")
    add("--workers", type=int, default=1, help="processes (default: %(default)s)")
    add("--keep", nargs="*", choices=EXTRAS, default=[], help="more truth to keep in every clip")
    add("--picture", type=Path, default=None, help="also write a sheet of random frames with their truth")
    add("--picture-frames", type=int, default=10, help="rows of the sheet (default: %(default)s)")
    return parser


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write height x width, such as 192x256") from None
    return height, width


if __name__ == "__main__":
    sys.exit(main())
