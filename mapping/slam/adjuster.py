"""The process that adjusts: `python -m mapping.slam.adjuster`, started by adjuster_process.py.

pycolmap keeps Python's lock while it solves, so a thread would hold up tracking. Problems come on stdin as arrays,
solutions leave on stdout. The end of stdin ends the process.
"""

from __future__ import annotations

import os
import sys

from mapping.slam.adjustment import Problem, solve
from mapping.slam.array_messages import receive, send


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a native library prints must not end up among the solutions
    try:
        while True:
            send(answers, solve(Problem.from_arrays(receive(sys.stdin.buffer))).to_arrays())
    except (EOFError, BrokenPipeError):  # the tracker is gone
        os._exit(0)


if __name__ == "__main__":
    main()
