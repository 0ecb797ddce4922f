"""`streammtl view` and `streammtl live --view`: a browser watches a map, finished or growing."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numba

from mapping.store.reader import is_map
from mapping.surface.growing import GrowingSurface
from pipelines.view_server import ViewServer
from streammtl.errors import PipelineError, StoreError, StreamMtlError

LOOK_EVERY_S = 1.0
REST = 3  # times as long as it worked: at most a quarter of one core
START_S = 60.0
END_S = 5.0  # after that a view that is busy is ended all the same

logger = logging.getLogger(__name__)


def view(path: Path, port: int) -> None:
    """Shows a map until Ctrl-C. Raises: StoreError where there is no map; ConfigError for a port that is taken."""
    if not is_map(path):
        raise StoreError(f"there is no map at {path} to look at. Give a map, or watch one grow: streammtl live --view.")
    surface = GrowingSurface(path)
    with ViewServer(surface, port) as server:
        server.start()
        print(f"watch {path} at {server.url} (Ctrl-C ends this)", file=sys.stderr, flush=True)
        try:
            while True:
                time.sleep(_looked(surface))
        except KeyboardInterrupt:
            return


@contextmanager
def watched(path: Path) -> Iterator[None]:
    """Shows a map that comes to be in the body, from a process of its own that takes no time from the stages.

    Raises: PipelineError where that process does not start.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_watch, args=(path, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        try:
            url = ours.recv() if ours.poll(START_S) else None
        except EOFError:
            url = None
        if url is None:
            raise PipelineError(
                "the view's process did not start. Run `streammtl view MAP.zarr` beside the run instead."
            )
        print(f"watch {path} at {url}", file=sys.stderr, flush=True)
        yield
    finally:
        ours.close()
        process.join(END_S)
        process.terminate()
        process.join()


def _watch(path: Path, told: Connection) -> None:
    """The process of `watched`: ends with the one that started it, however that ends."""
    os.nice(5)
    numba.set_num_threads(1)
    surface = GrowingSurface(path)
    with ViewServer(surface, 0) as server:
        server.start()
        told.send(server.url)
        while not told.poll(_looked(surface)):  # readable once the other end is closed
            pass


def _looked(surface: GrowingSurface) -> float:
    """Takes over what is new; gives the seconds to rest before the next look."""
    start = time.monotonic()
    try:
        surface.update()
    except StreamMtlError as error:
        logger.warning("%s The view stays as it is.", error)
    return max(LOOK_EVERY_S, REST * (time.monotonic() - start))
