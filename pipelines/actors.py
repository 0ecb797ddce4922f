"""Stages as Ray actors: the same verbs as `LocalExecutor`, each stage in a process of its own.

Actors are never restarted by Ray: a restarted actor has lost its state, and replayed calls arrive out of order. A lost
actor raises StageLostError instead, and the run continues from the last commit of the map, as after a power cut.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from streammtl.errors import StageError, StageLostError

os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # a local session on loopback
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
import ray.exceptions

OBJECT_STORE_BYTES = 400_000_000  # frames in flight, many times over


class RayExecutor:
    """Runs each stage as a Ray actor with a bounded number of calls in flight."""

    name = "ray"

    def __init__(self) -> None:
        # Ray pins actors to one thread unless told otherwise. Inference and fusion take all cores but one, which
        # tracking keeps busy: a network whose threads wait for one that has no core is slower than with fewer of them.
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) - 1)))
        if not ray.is_initialized():
            ray.init(
                include_dashboard=False,
                log_to_driver=False,
                object_store_memory=OBJECT_STORE_BYTES,
                configure_logging=False,
            )
        self._names: dict[Any, str] = {}

    def start(self, stage: Callable[..., Any], *args: Any) -> Any:
        """Starts an actor of the class `stage` and waits until it stands."""
        actor = ray.remote(stage).options(num_cpus=0, max_restarts=0, max_task_retries=0).remote(*args)
        self._names[actor] = stage.__name__.lower()
        self._get(actor, actor.__ray_ready__.remote())
        return actor

    def call(self, handle: Any, verb: str, *args: Any) -> Any:
        """Calls one verb of a stage and waits for the answer. Raises: StageLostError."""
        return self._get(handle, getattr(handle, verb).remote(*args))

    def map(
        self,
        handle: Any,
        verb: str,
        items: Iterable[Any],
        *,
        in_flight: int,
        relieve: Callable[[Any], Any] | None = None,
    ) -> Iterator[tuple[Any, Any]]:
        """(item, answer) for every item, in order, with up to `in_flight` items on their way.

        Waits while that many are; with `relieve` it never waits: an item that finds the stage busy is relieved of its
        work instead and passes with the answer None.
        Raises: StageLostError.
        """
        method = getattr(handle, verb)
        waiting: deque[tuple[Any, Any]] = deque()  # (item, reference of the answer or None)
        for item in items:
            while waiting and self._is_ready(waiting[0][1]):
                yield self._answered(handle, waiting.popleft())
            busy = sum(reference is not None for _, reference in waiting) >= in_flight
            if busy and relieve is not None:
                waiting.append((relieve(item), None))
                continue
            if busy:
                yield self._answered(handle, waiting.popleft())
            waiting.append((item, method.remote(item)))
        while waiting:
            yield self._answered(handle, waiting.popleft())

    def stop(self) -> None:
        """Kills all actors at once; whatever was in flight is dropped."""
        for actor in self._names:
            ray.kill(actor)
        self._names.clear()

    def _is_ready(self, reference: Any) -> bool:
        return reference is None or bool(ray.wait([reference], timeout=0)[0])

    def _answered(self, handle: Any, entry: tuple[Any, Any]) -> tuple[Any, Any]:
        item, reference = entry
        return item, None if reference is None else self._get(handle, reference)

    def _get(self, handle: Any, reference: Any) -> Any:
        try:
            return ray.get(reference)
        except ray.exceptions.RayActorError as error:
            raise StageLostError(f"the {self._names[handle]} stage died: {error}") from error
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise StageError(f"the {self._names[handle]} stage cannot go on: {error}") from error
