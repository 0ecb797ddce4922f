"""Ways to run the command as a user would."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines import cli

REPOSITORY = Path(__file__).resolve().parents[2]
ROOM = REPOSITORY / "recordings" / "samples" / "room"


@dataclass
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def data(self):
        return json.loads(self.out)


@pytest.fixture
def streammtl(monkeypatch, capfd):
    """Runs the command in this process: quick, same code as the console script."""

    def run(*arguments) -> Answer:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["streammtl", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stopped:
            code = stopped.code or 0
        captured = capfd.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


def command(*arguments) -> list[str]:
    """The command line of a process of its own."""
    return [sys.executable, "-m", "pipelines.cli", *map(str, arguments)]


def run_process(*arguments, timeout=280) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments), cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout)
