"""Batches prepared ahead by background threads, in order, a bounded number at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Request = TypeVar("Request")
Batch = TypeVar("Batch")


def prefetched(
    requests: Iterable[Request], prepare: Callable[[Request], Batch], threads: int, ahead: int
) -> Iterator[Batch]:
    """prepare(request) for all requests, in their order; at most `ahead` are prepared or under way beyond what was
    taken. With 0 threads each is prepared when it is asked for. Errors of `prepare` are raised where its result is due.
    """
    if threads == 0:
        yield from map(prepare, requests)
        return
    pending: deque[Future[Batch]] = deque()
    source = iter(requests)
    with ThreadPoolExecutor(threads, thread_name_prefix="batches") as pool:
        try:
            for request in source:
                pending.append(pool.submit(prepare, request))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
