"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import streammtl  # noqa: F401  first: it loads what must come before pycolmap

pytest_plugins = ("tests.rendered_pool",)

REPOSITORY = Path(__file__).resolve().parents[1]

if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: more threads would only wait for each other
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def recordings_data():
    """Gives the folder of a real recording by name, or skips the test, saying so, where the recordings are absent."""

    def find(name: str) -> Path:
        root = Path(os.environ.get("STREAMMTL_DATA", REPOSITORY.parent / "shared" / "data"))
        if not (root / name).exists():
            pytest.skip(f"recording {name} is absent; set STREAMMTL_DATA to the folder that holds it")
        return root / name

    return find
