"""Run as a process of its own: commits tiny maps without end, going on where the map stands.

    python -m tests.mapping.store.crash_writer MAP MARK

MARK gets a byte for every commit that returned, so that the test can tell how far the process surely came.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mapping.store import MapWriter, StoreSettings
from tests.mapping.store.tiny_maps import commit_number, header


def main(path: Path, mark: Path) -> None:
    settings = StoreSettings(durable=False)
    writer = (
        MapWriter.resume(path, settings)
        if (path / "zarr.json").exists()
        else MapWriter.create(path, header(), settings)
    )
    n = writer.progress.next_frame
    with mark.open("ab", buffering=0) as marks:
        while True:
            n += 1
            writer.commit(**commit_number(n))
            marks.write(b".")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
