"""A browser on this machine, and nobody else, sees a map grow."""

from __future__ import annotations

import gzip
import json
import re
import struct
import time
import urllib.request
from http.client import HTTPConnection

import pytest

from mapping.store import MapWriter, StoreSettings
from mapping.surface.growing import GrowingSurface
from pipelines.view_command import view, watched
from pipelines.view_server import ViewServer
from streammtl.errors import ConfigError, StoreError
from tests.mapping.store.tiny_maps import LABELS, header
from tests.mapping.surface.test_growing_surface import ball, submap

FAST = StoreSettings(durable=False)
FINE = {"voxel_size_m": 0.05, "truncation_m": 0.2}


@pytest.fixture
def writer(tmp_path):
    with MapWriter.create(tmp_path / "map.zarr", header(**FINE), FAST) as writer:
        yield writer


@pytest.fixture
def server(writer):
    with ViewServer(GrowingSurface(writer.path), 0) as server:
        server.start()
        yield server
        server.shutdown()


def ask(server: ViewServer, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_a_browser_gets_the_page_and_then_what_changed(writer, server):
    status, page = ask(server, "/")
    assert status == 200 and b"<canvas" in page and not re.search(rb"""(src|href)=|https?://|import\s""", page)
    first = json.loads(ask(server, "/changes?after=0")[1])
    assert first["version"] == 0 and first["submaps"] == []
    writer.commit(submaps=[submap(0, ball((0.1, 0, 0)))])
    server.surface.update()
    changes = json.loads(ask(server, f"/changes?after=0&session={first['session']}")[1])
    named = changes["submaps"][0]["pieces"]
    assert len(named) == 8 and changes["palette"] == [list(colour) for colour in LABELS.palette]
    for x, y, z, version, size in named:
        status, piece = ask(server, f"/piece/0/{x}/{y}/{z}?{version}")
        vertices, faces = struct.unpack_from("<II", gzip.decompress(piece))
        assert status == 200 and len(piece) == size and vertices > 3 and faces > 1
    later = f"/changes?after={changes['version']}&session="
    assert json.loads(ask(server, later + changes["session"])[1])["submaps"][0]["pieces"] == []
    assert len(json.loads(ask(server, later + "another")[1])["submaps"][0]["pieces"]) == 8


@pytest.mark.parametrize(
    "path", ["/zarr.json", "/../zarr.json", "/piece/0/0/0", "/piece/9/0/0/0", "/piece/0/0/0/../../x", "/view_page.html"]
)
def test_nothing_else_is_served(server, path):
    assert ask(server, path)[0] == 404


def test_only_this_machine_is_answered(server):
    assert server.server_address[0] == "127.0.0.1"
    assert ask(server, "/changes", Host="rebound.example:80")[0] == 403
    assert ask(server, "/changes", Host=f"localhost:{server.server_port}")[0] == 200
    assert ask(server, "/changes", method="POST")[0] == 501
    with pytest.raises(ConfigError, match="cannot be had"):
        ViewServer(server.surface, server.server_port)


def test_a_process_of_its_own_follows_a_run_and_ends_with_it(tmp_path, capsys):
    path, seen, session = tmp_path / "map.zarr", [0], ""
    with watched(path):
        url = re.search(r"http://127\.0\.0\.1:\d+/", capsys.readouterr().err)[0]
        with MapWriter.create(path, header(**FINE), FAST) as writer:
            for number in range(2):
                writer.commit(submaps=[submap(number, ball((0.1, 0, 0)))])
                deadline = time.monotonic() + 60
                pieces = []
                while not pieces and time.monotonic() < deadline:
                    changes = json.load(urllib.request.urlopen(f"{url}changes?after={seen[-1]}&session={session}"))
                    pieces = [piece for given in changes["submaps"][number:] for piece in given["pieces"]]
                    time.sleep(0.05)
                seen.append(changes["version"])
                session = changes["session"]
                assert len(pieces) == 8
    assert seen == sorted(set(seen))
    with pytest.raises(OSError):
        urllib.request.urlopen(url)


def test_there_must_be_a_map_to_look_at(tmp_path):
    with pytest.raises(StoreError, match="there is no map at"):
        view(tmp_path / "none.zarr", 0)
