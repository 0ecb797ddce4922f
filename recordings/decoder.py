"""The decoding process: `python -m recordings.decoder`, started by decoder_process.py.

A damaged file can crash a decoder, and a stream can hang it: neither may take the consumer along. The request comes as
one JSON line on stdin; decoder_outlet.py says what goes out. The end of stdin ends the process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from recordings.decoder_messages import DecodeRequest
from recordings.decoder_outlet import Outlet


def main() -> None:
    request = DecodeRequest(**json.loads(_first_line()))
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    if request.capture:
        from recordings.camera_capture import decode_capture as decode  # OpenCV only where a device is read
    else:
        from recordings.video_source import decode_video as decode
    try:
        decode(request, Outlet(request))
    except BrokenPipeError:  # the consumer closed the recording
        os._exit(0)


def _end_with_parent(parent: int) -> None:
    """Ends this process when the consumer was killed while a decoder hangs, where no pipe would tell."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)  # not through a buffer: the bytes after the line mean free slots
        if not byte:
            sys.exit(0)
        line += byte
    return line


if __name__ == "__main__":
    main()
