"""Two kinds of network cameras, served from numbered frames on this machine: RTSP over TCP and MJPEG over HTTP."""

from __future__ import annotations

import http.server
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import cv2
import numpy as np

SESSION = "12345678"
SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=camera
c=IN IP4 127.0.0.1
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:track
"""


class Packets:
    """Takes the RTP and RTCP packets of FFmpeg's packetiser, one a write."""

    def __init__(self) -> None:
        self.all: list[bytes] = []

    def write(self, packet: bytes) -> int:
        self.all.append(bytes(packet))
        return len(packet)


def rtp_packets(images: list[np.ndarray]) -> list[bytes]:
    """H.264 of the images, 25 a second, as RTP (RFC 6184)."""
    packets = Packets()
    with av.open(packets, "w", format="rtp", options={"packetsize": "1200"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "10", "bf": "0", "tune": "zerolatency"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for k, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return packets.all


class RtspCamera(socketserver.StreamRequestHandler):
    """Answers one client and plays everything to it. Source: RFC 2326, §10 and §10.12 (interleaved)."""

    def handle(self) -> None:
        while request := self._request():
            method, url, sequence = request
            headers = {
                "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
                "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Base: {url}/\r\nContent-Length: {len(SDP)}\r\n",
                "SETUP": f"Session: {SESSION}\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
                "PLAY": f"Session: {SESSION}\r\nRange: npt=0.000-\r\n",
            }.get(method, f"Session: {SESSION}\r\n")
            body = SDP if method == "DESCRIBE" else ""
            self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n{headers}\r\n{body}".encode())
            self.server.asked.append(method)
            if method == "PLAY":
                for packet in self.server.packets:
                    channel = 1 if 200 <= packet[1] <= 204 else 0  # RTCP beside RTP
                    self.wfile.write(struct.pack(">cBH", b"$", channel, len(packet)) + packet)
            if method in ("PLAY", "TEARDOWN"):
                return

    def _request(self) -> tuple[str, str, str] | None:
        first, sequence = self.rfile.readline().decode().split(), "0"
        while line := self.rfile.readline().strip():
            if line.lower().startswith(b"cseq:"):
                sequence = line.split(b":")[1].strip().decode()
        return (first[0], first[1].rstrip("/"), sequence) if first else None


class MjpegCamera(http.server.BaseHTTPRequestHandler):
    """Plays JPEG images as one multipart answer, as network cameras do for browsers."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for packet in self.server.packets:
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(packet)}\r\n\r\n"
            self.wfile.write(head.encode() + packet + b"\r\n")
        self.server.asked.append("GET")

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


def jpegs(images: list[np.ndarray]) -> list[bytes]:
    return [cv2.imencode(".jpg", image[..., ::-1])[1].tobytes() for image in images]


@contextmanager
def camera(scheme: str, images: list[np.ndarray]) -> Iterator[tuple[str, list[str]]]:
    """The URL of a camera that plays the images to everyone, and what it was asked for."""
    handler, packets = {
        "rtsp": (RtspCamera, rtp_packets),
        "http": (MjpegCamera, jpegs),
    }[scheme]
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.packets, server.asked = packets(images), []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}/camera", server.asked
        server.shutdown()
