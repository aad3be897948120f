"""Publishing data, and many servers reading it: beside copies, and beside what the host can do.

Ours is ``publishing``; the limit of a publication is ``cp -a`` to the same disk, a sync, and one
pass of ``sha256sum`` over it. The peer is what everybody does without it: a copy for each person.
Readers are containers of the room's image with the version mounted as a server has it, and for the
limit the same program on the host.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from bench import harness
from bench.harness import LIMIT, OURS, PEER, Result, summarize, turns
from publishing.folder import measure as size_of
from publishing.job import Desk
from publishing.publish import publish
from publishing.shelf import Shelf
from room.datasets.catalog import Catalog
from room.store import Store
from room.store.migrate import upgrade

NAME = "datasets"

#: What is published: many small files as pictures are, and few large ones as shards are.
SMALL, SMALL_BYTES = 8_000, 12_000
LARGE, LARGE_BYTES = 24, 16 * 1024**2
ROUNDS = 6
READERS, READS = 8, 30
#: Files of a second version that are others than those of the first.
CHANGED = 0.05
#: Of the limits' rates, and of one version's bytes.
PUBLISH, READ, TWO_VERSIONS = 0.8, 0.97, 1.06

#: Reads all files below a directory, several times, between two moments that all share.
READER = """
import json, os, sys, time
root, go, times = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
paths = [os.path.join(at, name) for at, _, names in os.walk(root) for name in names]
buffer = bytearray(1 << 20)
time.sleep(max(0, go - time.monotonic()))
began = time.monotonic()
for _ in range(times):
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
print(json.dumps([began, time.monotonic()]))
"""


def measure(image: str, say: Callable[[str], None]) -> list[Result]:
    """Run the benchmark and return its rows. Everything that it makes is removed again."""
    at = harness.machine("torchroom")
    found = []
    with _directory() as root:
        for name, count, size in (
            (f"{SMALL:,} files of {SMALL_BYTES // 1000} kB", SMALL, SMALL_BYTES),
            (f"{LARGE} files of {LARGE_BYTES // 1024**2} MiB", LARGE, LARGE_BYTES),
        ):
            source = root / f"source-{count}"
            _make(source, count, size)
            runs: dict[str, list[float]] = {OURS: [], LIMIT: []}
            for number, order in enumerate(turns(list(runs), ROUNDS)):
                for who in order:
                    seconds = (_publish if who == OURS else _copy)(source, root / f"{number}{who}")
                    runs[who].append(seconds)
                    say(f"{who}: {name} in {seconds:.2f} s")
            row = f"publishing {name}"
            found.append(summarize(row, "s", runs, at, times_limit=1 / PUBLISH))
        found.append(_two_versions(root, at))
        found += _reading(root, image, at, say)
    return found


@contextmanager
def _directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="bench-datasets-", dir="/var/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def _make(source: Path, count: int, size: int) -> None:
    """Write ``count`` files of about ``size`` bytes that nothing can make smaller, in classes."""
    for number in range(count):
        directory = source / "train" / f"class{number % 100:03}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{number:06}.bin").write_bytes(os.urandom(size + number % 1000))


class _Room:
    """A shelf with its catalog, in a directory of its own."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.shelf = Shelf(root / "datasets")
        self.shelf.prepare()
        self.desk = Desk(self.shelf)
        store = Store(f"sqlite:///{root}/room.sqlite")
        upgrade(store)
        self.catalog = Catalog(store, actor="bench")

    def publish(self, source: Path) -> Path:
        """Publish a folder as ``room dataset publish`` does, and return the version's tree."""
        job = self.desk.begin(
            "data",
            "bench",
            {"kind": "folder", "path": str(source)},
            expected=size_of(str(source)).size,
        )
        made = publish(self.catalog, self.desk, job, self.desk.note(job))
        return self.shelf.tree("data", made.version.digest)


def _publish(source: Path, target: Path) -> float:
    room = _Room(target)
    began = time.monotonic()
    room.publish(source)
    seconds = time.monotonic() - began
    shutil.rmtree(target)
    return seconds


def _copy(source: Path, target: Path) -> float:
    began = time.monotonic()
    subprocess.run(["cp", "-a", "--reflink=never", source, target], check=True)
    subprocess.run(["sync", "--file-system", target], check=True)
    command = f"find {target} -type f -print0 | xargs -0 sha256sum > /dev/null"
    subprocess.run(["sh", "-c", command], check=True)
    seconds = time.monotonic() - began
    shutil.rmtree(target)
    return seconds


def _two_versions(root: Path, at: dict[str, object]) -> Result:
    """Return how much more of the disk a second version takes, most of whose files are the same."""
    source, room = root / f"source-{SMALL}", _Room(root / "versions")
    room.publish(source)
    one = _used(room.shelf.root)
    for number in range(int(SMALL * CHANGED)):
        path = source / "train" / f"class{number % 100:03}" / f"{number:06}.bin"
        path.write_bytes(os.urandom(path.stat().st_size))
    room.publish(source)
    both = _used(room.shelf.root)
    return summarize(
        f"two versions with {1 - CHANGED:.0%} of their files in common, on the disk, times one",
        "x",
        {OURS: [both / one], PEER: [2.0]},
        at,
        target=TWO_VERSIONS,
    )


def _used(path: Path) -> int:
    """Return the bytes that a directory takes of the disk, each file once."""
    done = subprocess.run(
        ["du", "--summarize", "--block-size=1", path], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[0])


def _reading(
    root: Path, image: str, at: dict[str, object], say: Callable[[str], None]
) -> list[Result]:
    """Return how long many readers take for all of a version, that each has to itself or shares."""
    source, room = root / f"source-{LARGE}", _Room(root / "read")
    tree = room.publish(source)
    copies = [root / f"home{number}" for number in range(READERS)]
    for copy in copies:
        subprocess.run(["cp", "-a", "--reflink=never", source, copy], check=True)
    runs: dict[str, list[float]] = {OURS: [], PEER: [], LIMIT: []}
    for order in turns(list(runs), ROUNDS):
        for who in order:
            if who == LIMIT:
                seconds = _on_the_host(tree)
            else:
                seconds = _in_containers(image, [tree] * READERS if who == OURS else copies)
            runs[who].append(seconds)
            say(f"{who}: {READERS} readers in {seconds:.2f} s")
    one, all_copies = _used(room.shelf.root), sum(map(_used, copies))
    return [
        summarize(
            f"{READERS} containers read {READS} times {LARGE * LARGE_BYTES // 1024**2} MiB",
            "s",
            runs,
            at,
            times_limit=1 / READ,
        ),
        summarize(
            f"on the disk for {READERS} people, times the data",
            "x",
            {
                OURS: [one / (LARGE * LARGE_BYTES)],
                PEER: [all_copies / (LARGE * LARGE_BYTES)],
            },
            at,
        ),
    ]


def _on_the_host(tree: Path) -> float:
    go = str(time.monotonic() + 1)
    command = [sys.executable, "-c", READER, str(tree), go, str(READS)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(READERS)]
    return _span([reader.communicate()[0] for reader in readers])


def _in_containers(image: str, trees: list[Path]) -> float:
    client = docker.from_env(timeout=300)
    made = [
        client.containers.create(
            image,
            ["sleep", "infinity"],
            network_mode="none",
            volumes={str(tree): {"bind": "/datasets/data", "mode": "ro"}},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            user="1000:100",
        )
        for tree in trees
    ]
    try:
        for each in made:
            each.start()
        go = str(time.monotonic() + 2)
        command = ["python3", "-c", READER, "/datasets/data", go, str(READS)]
        readers = [
            subprocess.Popen(
                ["docker", "exec", each.id, *command], stdout=subprocess.PIPE, text=True
            )
            for each in made
        ]
        return _span([reader.communicate()[0] for reader in readers])
    finally:
        for each in made:
            each.remove(force=True, v=True)
        client.close()


def _span(said: list[str]) -> float:
    """Return the seconds from the first reader's begin to the last one's end."""
    spans = [json.loads(each) for each in said]
    return float(max(end for _, end in spans) - min(begin for begin, _ in spans))
