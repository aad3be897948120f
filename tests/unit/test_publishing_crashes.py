"""A publication is killed at every step: no half version is visible, and it goes on from there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from publishing import upkeep
from tests.utils.published import Library, contents

#: Kills; the last ones also kill who goes on.
KILLS, TWICE = 200, 60
#: What a step is: Python tells of each before it is done.
STEPS = ("open", "os.", "shutil.", "fcntl.")


def in_a_process(work: Callable[[], object], die_at: int | None = None) -> int:
    """Run ``work`` in a child that is killed before its step ``die_at``; return its steps."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        steps = 0

        def hook(event: str, _arguments: object) -> None:
            nonlocal steps
            if event.startswith(STEPS) and event != "os.kill":
                if steps == die_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                steps += 1

        code = 1
        try:
            sys.addaudithook(hook)
            work()
            code = 0
        finally:
            os.write(write, str(steps).encode())
            os._exit(code)
    os.close(write)
    _, status = os.waitpid(child, 0)
    told = os.read(read, 32)
    os.close(read)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return -1
    assert os.WEXITSTATUS(status) == 0
    return int(told)


@pytest.fixture
def base() -> Iterator[Path]:
    """A directory in memory: what is synced hundreds of times is not waited for."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
        yield Path(path)


@pytest.fixture
def rooms(base: Path) -> tuple[Path, Path]:
    """A room with one version, and the folder that is to be its second."""
    source = base / "source"
    for kind in ("a", "b"):
        (source / kind).mkdir(parents=True)
        for number in range(6):
            (source / kind / str(number)).write_bytes(f"{kind}{number}".encode() * 300)
    (source / "link").symlink_to("a/0")
    room = base / "room"
    Library.at(room).publish("set", source, classes=["ml101"])
    (source / "a/0").write_bytes(b"changed")
    (source / "b/5").unlink()
    (source / "c").mkdir()
    (source / "c/new").write_bytes(b"new" * 1000)
    (source / "c/same").write_bytes(b"new" * 1000)
    return room, source


def go_on(room: Path, source: Path) -> None:
    """Do what the room does after a crash: finish what was begun, or publish."""
    library = Library.at(room)
    jobs = library.desk.all()
    for job in jobs:
        library.run(job)
    if not jobs:
        library.publish("set", source)


def check_readers(library: Library, source: Path) -> int:
    """Return which version a server would start with, after a look at every file of all."""
    assert library.broken() == []
    (found,) = library.catalog.of(["ml101"])
    assert found.newest is not None
    if found.newest.number == 2:
        assert contents(library.shelf.tree("set", found.newest.digest)) == contents(source)
    return found.newest.number


def test_a_publication_that_is_killed_anywhere_is_whole_or_not_there_and_goes_on(
    rooms: tuple[Path, Path], base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "ORPHAN_AGE", -1.0)
    template, source = rooms
    seen: set[int] = set()
    copy = base / "copy"
    subprocess.run(["cp", "-a", template, copy], check=True)
    steps = in_a_process(lambda: go_on(copy, source))
    assert steps > 100
    chosen = random.Random(2026).choices(range(steps), k=KILLS)
    for number, die_at in enumerate(chosen):
        room = base / f"room{number}"
        subprocess.run(["cp", "-a", template, room], check=True)
        assert in_a_process(lambda room=room: go_on(room, source), die_at) == -1
        seen.add(check_readers(Library.at(room), source))
        if number >= KILLS - TWICE:
            again = random.Random(number).randrange(steps)
            in_a_process(lambda room=room: go_on(room, source), again)
            check_readers(Library.at(room), source)
        library = Library.at(room)
        go_on(room, source)
        assert check_readers(library, source) == 2, die_at
        upkeep.sweep(library.catalog, library.desk)
        assert library.leaked() == [], die_at
        library.catalog.store.close()
        subprocess.run(["rm", "-rf", room], check=True)
    assert seen == {1, 2}
