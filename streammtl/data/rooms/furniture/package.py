"""Gets the furniture package from Debian's archive and takes the model archives out of it."""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from streammtl.errors import DataError

log = logging.getLogger(__name__)

NAME = "sweethome3d-furniture"
SHA256 = "3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668"
AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60


def download(folder: Path) -> Path:
    """Runs `apt-get download` in a folder and returns the package file.

    Raises: DataError where apt-get is missing or finds no such package.
    """
    if shutil.which("apt-get") is None:
        raise DataError(f"apt-get is not here; get the package {NAME} elsewhere and name it with --deb.")
    done = subprocess.run(["apt-get", "download", NAME], cwd=folder, capture_output=True, text=True, check=False)
    found = sorted(folder.glob(f"{NAME}_*.deb"))
    if done.returncode != 0 or not found:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise DataError(f"apt-get download {NAME} failed ({' '.join(said)}); run apt-get update, or use --deb.")
    return found[-1]


def check(package: Path) -> None:
    """Raises DataError unless the file is the package that the table of models was made from."""
    with package.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != SHA256:
        raise DataError(f"{package} has sha256 {found}, not {SHA256}; get version 1.8-1 of {NAME}.")


def unpack(package: Path, folder: Path) -> dict[str, Path]:
    """Extracts the .sh3f archives, and nothing else, into a folder; returns them by their stem.

    Raises: DataError for a file that is no Debian package.
    """
    found = {}
    with package.open("rb") as stream:
        for name, start, _size in _members(stream, package):
            if not name.startswith("data.tar"):
                continue
            stream.seek(start)
            with tarfile.open(fileobj=stream, mode="r|" + name.removeprefix("data.tar").lstrip(".")) as archive:
                for member in archive:
                    path = PurePosixPath(member.name)
                    source = archive.extractfile(member) if member.isfile() and path.suffix == ".sh3f" else None
                    if source is not None:
                        target = folder / path.name
                        with target.open("wb") as out:
                            shutil.copyfileobj(source, out)
                        found[path.stem] = target
            break
    if not found:
        raise DataError(f"{package} holds no furniture archives; it is not the package {NAME}.")
    log.info("unpacked %s", ", ".join(sorted(found)))
    return found


def _members(stream, package: Path) -> Iterator[tuple[str, int, int]]:
    """Name, start and size of the members of an ar archive."""
    if stream.read(len(AR_MAGIC)) != AR_MAGIC:
        raise DataError(f"{package} is not a Debian package; give the .deb file itself.")
    while len(header := stream.read(AR_HEADER)) == AR_HEADER:
        name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), int(header[48:58])
        start = stream.tell()
        yield name, start, size
        stream.seek(start + size + size % 2)
