"""Fetches and converts the furniture models: `python -m streammtl.data.rooms.furniture --out DIR`."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import zipfile
from pathlib import Path

from streammtl.data.rooms.furniture import package, table
from streammtl.data.rooms.furniture.convert import convert
from streammtl.errors import StreamMtlError

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 where the package could not be had."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    parser = argparse.ArgumentParser(prog="python -m streammtl.data.rooms.furniture", description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the converted models; a stopped run goes on"
    )
    parser.add_argument("--deb", type=Path, help="the package, if it is here already; otherwise it is downloaded")
    options = parser.parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="furniture") as scratch:
            deb = options.deb or package.download(Path(scratch))
            package.check(deb)
            convert_all(package.unpack(deb, Path(scratch)), options.out)
    except StreamMtlError as error:
        log.error("%s", error)
        return 2
    return 0


def convert_all(archives: dict[str, Path], out: Path) -> None:
    """Converts every model of the table that is not there yet; one that cannot be read is reported and left out."""
    open_archives = {stem: zipfile.ZipFile(path) for stem, path in archives.items()}
    done = 0
    for row in table.rows():
        file = out / row.file_name
        if file.exists():
            continue
        try:
            convert(open_archives[row.archive], row, file)
        except (StreamMtlError, KeyError, ValueError, IndexError) as error:
            log.warning("%s (%s) is left out: %s", row.uid, row.name, error)
            continue
        done += 1
        if done % 100 == 0:
            log.info("%d models converted", done)
    log.info("%d models converted into %s", done, out)


if __name__ == "__main__":
    sys.exit(main())
