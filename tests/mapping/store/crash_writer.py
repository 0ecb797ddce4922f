"""Run as a process of its own: for every line on its input a child that commits tiny maps until it is killed.

    python -m tests.mapping.store.crash_writer MAP MARK

It prints the child's pid, and "gone" once the child is dead. Each child goes on where the map stands; MARK gets a
byte for every commit that returned, so that the test can tell how far the children surely came. Forking after the
imports saves their second at each of many kills.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mapping.store import MapWriter, StoreSettings, is_map
from tests.mapping.store.tiny_maps import commit_number, header


def write_without_end(path: Path) -> None:
    settings = StoreSettings(durable=False)
    writer = MapWriter.resume(path, settings) if is_map(path) else MapWriter.create(path, header(), settings)
    n = writer.progress.next_frame
    with path.with_suffix(".mark").open("ab", buffering=0) as marks:
        while True:
            n += 1
            writer.commit(**commit_number(n))
            marks.write(b".")


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                write_without_end(Path(line.strip()))
            finally:
                sys.stderr.flush()
                os._exit(1)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("gone", flush=True)


if __name__ == "__main__":
    main()
