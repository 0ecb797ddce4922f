"""Freed memory goes back to the system."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.heap import give_back, share_arenas


def resident_mb():
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc keeps arenas that can be trimmed")
def test_freed_small_arrays_no_longer_count_as_resident():
    share_arenas()
    kept, freed = [], []
    for _ in range(4000):  # 64 MB in pieces of 16 kB, with small ones between them that pin the heap
        freed.append(np.ones(2048))
        kept.append(np.ones(8))
    before = resident_mb()
    del freed
    give_back()
    assert resident_mb() < before - 48
    assert len(kept) == 4000


def test_giving_back_twice_is_harmless():
    give_back()
    give_back()
