"""Decoding the files that data sets are made of. What cannot be decoded is a DataError that names the file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
from PIL import Image

from streammtl.errors import ConfigError, DataError, StreamMtlError

EXTRA = "pip install 'streammtl[data]'"
FAILURES = (OSError, ValueError, EOFError, KeyError, TypeError, BadZipFile, SyntaxError, csv.Error, cv2.error)


def reader(decode: Callable[..., Any]) -> Callable[..., Any]:
    """A decoder whose failures say which file is damaged or missing."""

    @wraps(decode)
    def read(path: Path, *arguments: Any) -> Any:
        if not path.is_file():
            raise DataError(f"{path} is missing; its data set is not complete. Fetch or unpack it again.")
        try:
            return decode(path, *arguments)
        except StreamMtlError:
            raise
        except FAILURES as error:
            raise DataError(f"{path} cannot be read ({error}); fetch or unpack it again.") from error

    return read


@reader
def read_colours(path: Path) -> np.ndarray:
    """u8 [H,W,3] of an image file."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


@reader
def read_size(path: Path) -> tuple[int, int]:
    """Height and width of an image file, from its header."""
    with Image.open(path) as picture:
        return picture.height, picture.width


@reader
def read_numbers(path: Path) -> np.ndarray:
    """[H,W] of a picture with one channel, 8 or 16 bit; of one with a palette, the indices."""
    with Image.open(path) as picture:
        values = np.asarray(picture)
    if values.ndim != 2:
        raise ValueError(f"it has {values.ndim} dimensions, expected one channel")
    return values


@reader
def read_channels16(path: Path) -> np.ndarray:
    """u16 [H,W,3] of a 16-bit colour PNG, red first: Pillow would cut it down to 8 bits."""
    values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 3:
        raise ValueError("it is no colour picture of 16 bits per channel")
    return values[..., 2::-1]


@reader
def read_array(path: Path) -> np.ndarray:
    """The array of an .npy file; never pickled objects."""
    return np.load(path, allow_pickle=False)


@reader
def read_pfm(path: Path) -> np.ndarray:
    """f32 [H,W] or [H,W,3] of a portable float map, the top row first."""
    values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.float32:
        raise ValueError("it is no portable float map")
    return values if values.ndim == 2 else values[..., 2::-1]


@reader
def read_flo(path: Path) -> np.ndarray:
    """f32 [H,W,2] of a Middlebury .flo file: motion in x and y, pixels."""
    values = cv2.readOpticalFlow(str(path))
    if values is None or values.size == 0:
        raise ValueError("it is no .flo file")
    return values


@reader
def read_mat(path: Path, name: str) -> np.ndarray:
    """One variable of a MATLAB file up to version 7.2."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        return loadmat(path)[name]
    except MatReadError as error:
        raise ValueError(error) from error


@reader
def read_hdf5(path: Path, name: str = "dataset") -> np.ndarray:
    """One array of an HDF5 file."""
    try:
        import h5py
    except ImportError as missing:
        raise ConfigError(f"{path} is HDF5, which needs h5py: {EXTRA}.") from missing
    with h5py.File(path, "r") as file:
        return np.asarray(file[name])


@reader
def read_exr(path: Path) -> np.ndarray:
    """f32 [H,W,3] linear red, green, blue of an OpenEXR image."""
    try:
        import OpenEXR
    except ImportError as missing:
        raise ConfigError(f"{path} is OpenEXR, which needs its library: {EXTRA}.") from missing
    try:
        with OpenEXR.File(str(path)) as file:
            channels = file.channels()
            found = channels["RGB"] if "RGB" in channels else channels["RGBA"]
            return found.pixels[..., :3].astype(np.float32)
    except RuntimeError as error:
        raise ValueError(error) from error


@reader
def read_table(path: Path) -> np.ndarray:
    """f64 [rows, columns] of numbers in a text file."""
    return np.loadtxt(path, ndmin=2)


@reader
def read_table_below(path: Path) -> np.ndarray:
    """f64 [rows, columns] of numbers in a text file whose first line names the columns."""
    return np.loadtxt(path, ndmin=2, skiprows=1)


@reader
def read_lines(path: Path) -> list[str]:
    """Lines of a text file, blank ones left out."""
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


@reader
def read_json(path: Path) -> Any:
    """Plain values."""
    return json.loads(path.read_text())


@reader
def read_rows(path: Path, columns: tuple[str, ...], delimiter: str = ",") -> list[tuple[str, ...]]:
    """Some columns of a table with a header, row by row."""
    with path.open(newline="") as file:
        return [tuple(row[name] for name in columns) for row in csv.DictReader(file, delimiter=delimiter)]
