"""Both executors keep one contract."""

import os

import pytest

from pipelines.local import LocalExecutor
from streammtl.errors import RecordingError, StageLostError


class Doubler:
    def __init__(self, offset):
        self.offset, self.seen = offset, []

    def double(self, item):
        self.seen.append(item)
        return 2 * item + self.offset

    def fail(self, _item):
        raise RecordingError("no such tape; look elsewhere")

    def die(self, _item):
        os._exit(3)

    def slow(self, item):
        import time

        time.sleep(0.3)
        return item

    def history(self):
        return self.seen


@pytest.fixture(scope="module")
def ray_executor():
    from pipelines.actors import RayExecutor

    executor = RayExecutor()
    yield executor
    executor.stop()


@pytest.fixture(params=["local", "ray"])
def executor(request):
    return LocalExecutor() if request.param == "local" else request.getfixturevalue("ray_executor")


def test_items_are_answered_once_and_in_order(executor):
    handle = executor.start(Doubler, 1)
    pairs = list(executor.map(handle, "double", range(20), in_flight=4))
    assert pairs == [(i, 2 * i + 1) for i in range(20)]
    assert executor.call(handle, "history") == list(range(20))


def test_an_error_raised_on_purpose_keeps_its_type_and_words(executor):
    handle = executor.start(Doubler, 0)
    with pytest.raises(RecordingError, match="look elsewhere"):
        list(executor.map(handle, "fail", [1], in_flight=2))


def test_items_are_taken_only_as_far_as_may_be_in_flight(executor):
    handle = executor.start(Doubler, 0)
    taken = []
    answers = executor.map(handle, "double", (taken.append(i) or i for i in range(50)), in_flight=3)
    next(answers)
    assert len(taken) <= 4


def test_a_stage_that_dies_is_reported_as_lost(ray_executor):
    handle = ray_executor.start(Doubler, 0)
    with pytest.raises(StageLostError, match="doubler"):
        list(ray_executor.map(handle, "die", [1], in_flight=2))


def test_a_busy_stage_relieves_items_instead_of_waiting(ray_executor):
    handle = ray_executor.start(Doubler, 0)
    pairs = list(ray_executor.map(handle, "slow", range(10), in_flight=2, relieve=lambda item: -item))
    assert [abs(item) for item, _ in pairs] == list(range(10))
    assert pairs[:2] == [(0, 0), (1, 1)]
    assert all(answer is None and item <= 0 for item, answer in pairs[2:])
