"""What a run may take of the machine's memory."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pipelines.heap import give_back

RESERVED_BYTES = 900_000_000  # libraries, a network, images and keyframes on their way: what a run takes in any case
BLOCK_BYTES = 42 << 10  # a block in its grid, its copy in f32 for a commit, and that in the types of the store
MESHED_BLOCK_BYTES = 96 << 10  # a block as read, merged, sorted and meshed
GROWING = 2  # submaps with voxels in memory: the open one and the one before it
WORTH_CLOSING = 512  # blocks in memory: closing fewer gains nothing

logger = logging.getLogger(__name__)


class MemoryBudget:
    """Keeps the process that holds the map below so many bytes.

    Voxels have what is left beside `RESERVED_BYTES`. That is counted in blocks, so that a resumed run decides as the
    undisturbed one. Where larger images or networks take more than was reserved, the process's resident memory shows
    it, and submaps are closed at once.
    """

    def __init__(self, most_bytes: float) -> None:
        self._most = most_bytes
        self._voxels = most_bytes - RESERVED_BYTES
        self._told = False

    @property
    def blocks_per_submap(self) -> int:
        """Blocks after which a submap is closed."""
        return int(self._voxels / (GROWING * BLOCK_BYTES))

    @property
    def blocks_meshed_at_once(self) -> int:
        """Blocks that may be in memory when the surface is written and no submap is open."""
        return int(self._voxels / MESHED_BLOCK_BYTES)

    def asks_to_close(self, blocks: int) -> bool:
        """Whether this process is larger than it may be and closing submaps with so many blocks would help."""
        if resident_bytes() <= self._most:
            return False
        give_back()
        resident = resident_bytes()
        if resident > self._most and blocks < WORTH_CLOSING and not self._told:
            self._told = True
            logger.warning(
                "The run takes %.1f GB, more than run.memory_gb = %.1f, and hardly any of it is voxels: its images or "
                "its network are too large for that. It goes on.",
                resident / 1e9,
                self._most / 1e9,
            )
        return resident > self._most and blocks >= WORTH_CLOSING


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
