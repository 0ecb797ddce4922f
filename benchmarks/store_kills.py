"""kill -9 at random moments in the writer alone, with tiny maps: does every map open, verify and go on?

It stops at the first map that does not, and says why.

python benchmarks/store_kills.py [--kills 200] [--kills-per-map 10] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from mapping.store import MapWriter, StoreSettings, is_map, open_map  # noqa: E402
from mapping.store.verify import verify_map  # noqa: E402
from tests.mapping.store.test_kill_nine import assert_is_commit, finished, run_and_kill  # noqa: E402
from tests.mapping.store.tiny_maps import commit_number  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--kills-per-map", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, count = random.Random(options.seed), {"kills": 0, "before_the_first_commit": 0, "commits": 0, "leftovers": 0}
    start = time.monotonic()
    command, pipe = [sys.executable, "-m", "tests.mapping.store.crash_writer"], subprocess.PIPE
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with (
        tempfile.TemporaryDirectory(prefix="store_kills_") as folder,
        subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdin=pipe, stdout=pipe, text=True) as nursery,
    ):
        while count["kills"] < options.kills:
            path = Path(folder) / f"{count['kills']}.zarr"
            for _ in range(min(options.kills_per_map, options.kills - count["kills"])):
                kill_and_look(nursery, path, rng, count)
            go_on(path)
        nursery.stdin.close()
    json.dump({**count, "elapsed_s": round(time.monotonic() - start)}, sys.stdout, indent=2)
    print()


def kill_and_look(nursery: subprocess.Popen[str], path: Path, rng: random.Random, count: dict[str, int]) -> None:
    """One kill. Raises AssertionError unless what is left is one whole commit, of those that returned or the next."""
    run_and_kill(nursery, path, rng.choice([0, 0, 1, 2]), rng.uniform(0, 0.15))
    count["kills"] += 1
    if not is_map(path):
        assert finished(path) == 0, "a commit returned, and there is no map"
        count["before_the_first_commit"] += 1
        return
    found, reader = verify_map(path), open_map(path)
    assert found.sound, found.problems
    assert_is_commit(reader, reader.header.progress.next_frame)
    assert reader.header.progress.next_frame >= finished(path), "a commit that returned is gone"
    count["leftovers"] += bool(found.leftovers)
    count["commits"] = max(count["commits"], reader.header.progress.next_frame)


def go_on(path: Path) -> None:
    """The next writer takes over, removes what is left over, and commits."""
    if not is_map(path):
        return
    with MapWriter.resume(path, StoreSettings(durable=False)) as writer:
        writer.commit(**commit_number(writer.progress.next_frame + 1))
    found = verify_map(path)
    assert found.sound and not found.leftovers, found


if __name__ == "__main__":
    main()
