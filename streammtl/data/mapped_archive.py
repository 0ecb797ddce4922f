"""Arrays of an uncompressed `.npz`, read where they are needed instead of whole."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from streammtl.errors import DataError

LOCAL_HEADER_BYTES = 30  # of a zip entry, before its name and extra field
LENGTHS_AT = 26  # where that header says how long those two are


def map_archive(path: Path) -> dict[str, np.ndarray]:
    """Arrays by name, backed by the file: only what is indexed is read. Compressed entries are left out.

    Raises: DataError for a file that is missing, damaged or no archive of arrays.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            for entry in archive.infolist():
                if entry.compress_type == zipfile.ZIP_STORED and entry.filename.endswith(".npy"):
                    arrays[entry.filename[:-4]] = _mapped(path, file, entry)
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path} is not a readable archive of arrays ({error}); generate it again.") from error
    return arrays


def _mapped(path: Path, file, entry: zipfile.ZipInfo) -> np.ndarray:
    file.seek(entry.header_offset)
    header = file.read(LOCAL_HEADER_BYTES)
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (LENGTHS_AT, LENGTHS_AT + 2))
    file.seek(entry.header_offset + LOCAL_HEADER_BYTES + name + extra)
    read_header = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError(f"{entry.filename} holds Python objects")
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", file.tell(), shape, order="F" if fortran else "C")
