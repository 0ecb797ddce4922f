"""Time stamps that always increase, whatever the source says."""

from __future__ import annotations


class StrictTimestamps:
    """Moves time stamps that stand still or go backward just behind their predecessor, and counts them.

    A jump back by more than a second is a clock that was reset: everything after it is shifted to go on.
    """

    RESET_S = 1.0

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self.repaired = 0
        self._last: float | None = None
        self._shift_s = 0.0

    def next(self, timestamp_s: float) -> float:
        """The time stamp to use, in seconds, greater than the one before."""
        shifted = timestamp_s + self._shift_s
        if self._last is not None and shifted <= self._last:
            self.repaired += 1
            if self._last - shifted > self.RESET_S:
                self._shift_s += self._last - shifted + self.interval_s
                shifted = timestamp_s + self._shift_s
            else:
                shifted = self._last + 0.1 * self.interval_s
        self._last = shifted
        return shifted
