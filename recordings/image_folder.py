"""Folders and glob patterns of images without anything else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recordings.image_sequence import FrameFiles, ImageSequence
from recordings.selection import Selection
from recordings.settings import RecordingSettings


def open_images(name: str, paths: Sequence[Path], selection: Selection, settings: RecordingSettings) -> ImageSequence:
    """Images in the order given, spaced by the nominal frame rate, since files carry no times one can trust."""
    files = [FrameFiles(path, index / settings.nominal_fps) for index, path in enumerate(paths)]
    return ImageSequence(name, "images", files, selection)
