"""Arrays through a pipe: the same on the other side, never objects, and an end that is told from a message."""

import io
import os

import numpy as np
import pytest

from mapping.slam.array_messages import receive, send

ARRAYS = {
    "poses": np.arange(32.0).reshape(2, 4, 4),
    "none": np.zeros((0, 3)),
    "mask": np.array([True, False]),
    "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "model": np.array("PINHOLE"),
    "count": np.array(7),
}


def sent(*messages):
    stream = io.BytesIO()
    for message in messages:
        send(stream, message)
    return stream.getvalue()


def test_arrays_come_out_as_they_went_in_message_by_message():
    stream = io.BytesIO(sent(ARRAYS, {"second": np.array([1])}))
    found = receive(stream)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array)
    assert receive(stream)["second"] == 1


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9, 0.999])
def test_a_stream_that_ends_is_told_wherever_it_ends(share):
    data = sent(ARRAYS)
    with pytest.raises(EOFError):
        receive(io.BytesIO(data[: int(share * len(data))]))


def test_objects_are_neither_sent_nor_taken():
    with pytest.raises(ValueError, match="allow_pickle"):
        sent({"objects": np.array([{}])})
    stream = io.BytesIO()
    np.save(stream, np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        receive(io.BytesIO(f'[{stream.tell()}, "objects"]\n'.encode() + stream.getvalue()))


def test_they_go_through_a_real_pipe():
    reading, writing = os.pipe()
    with open(writing, "wb") as there:
        send(there, ARRAYS)
    with open(reading, "rb") as here:
        assert np.array_equal(receive(here)["poses"], ARRAYS["poses"])
        with pytest.raises(EOFError):
            receive(here)
