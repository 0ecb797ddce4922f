"""The tracker's side of the adjusting process: one for all trackers of this process, started when first needed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

from mapping.slam.adjustment import Problem, Solution, solve
from mapping.slam.array_messages import receive, send

logger = logging.getLogger(__name__)


class Job:
    """A problem on its way. Its solution is the same whether the process gives it or this one has to."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.solution: Solution | None = None


class AdjusterProcess:
    """Solves one problem at a time, elsewhere."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._running: Job | None = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Process id, once started."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Has the process get ready; harmless when it is."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            root = str(Path(__file__).resolve().parents[2])
            search = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mapping.slam.adjuster"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for the run, which ends in good order
            )  # fmt: skip

    def submit(self, problem: Problem) -> Job:
        """Starts on a problem. What another tracker left running is waited for: the pipes hold no two."""
        self.start()
        with self._lock:
            self._collect()
            job = self._running = Job(problem)
            try:
                send(self._process.stdin, problem.to_arrays())
            except OSError:
                self._solve_here()
        return job

    def result(self, job: Job) -> Solution:
        """Waits for the solution of a job."""
        with self._lock:
            if job.solution is None:
                self._collect()
        return job.solution

    def _collect(self) -> None:
        if self._running is None:
            return
        try:
            self._running.solution = Solution.from_arrays(receive(self._process.stdout))
            self._running = None
        except (EOFError, OSError):
            self._solve_here()

    def _solve_here(self) -> None:
        logger.warning("the adjusting process ended (exit code %s); adjusted here instead", self._process.poll())
        self._process.kill()
        self._process.wait()
        job, self._running = self._running, None
        job.solution = solve(job.problem)


adjuster = AdjusterProcess()
