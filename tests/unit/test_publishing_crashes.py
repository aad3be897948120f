"""A publication is killed at every step: no half version is visible, and it goes on from there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from publishing import upkeep
from publishing.publish import announce, gather
from tests.utils.published import Library, contents

#: Kills of a publication from each kind of source, 200 together. Of three, one also kills who goes
#: on.
KILLS = {"folder": 80, "home": 40, "home-zip": 40, "tar.gz": 40}
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
    source = base / "home/cats"
    for kind in ("a", "b"):
        (source / kind).mkdir(parents=True)
        for number in range(6):
            (source / kind / str(number)).write_bytes(f"{kind}{number}".encode() * 300)
    (source / "link").symlink_to("a/0")
    room = base / "room"
    library = Library.at(room)
    library.publish("set", source, classes=["ml101"])
    library.catalog.store.close()
    (source / "a/0").write_bytes(b"changed")
    (source / "b/5").unlink()
    (source / "c").mkdir()
    (source / "c/new").write_bytes(b"new" * 1000)
    (source / "c/same").write_bytes(b"new" * 1000)
    return room, source


def of_kind(kind: str, folder: Path) -> dict[str, Any]:
    """Return a source of that kind with what is in the folder."""
    home = {"kind": "home", "user": "tina", "path": str(folder.parent), "unpack": False}
    match kind:
        case "folder":
            return {"kind": "folder", "path": str(folder)}
        case "home":
            return home | {"below": folder.name}
        case "home-zip":
            _zip(folder, folder.parent / "cats.zip")
            return home | {"below": "cats.zip", "unpack": True}
    packed = folder.parent / "cats.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(folder, arcname=".")
    return {"kind": "file", "path": str(packed), "unpack": True}


def _zip(folder: Path, packed: Path) -> None:
    """Pack a folder with its links, which Python's own program would follow."""
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_symlink():
                link = zipfile.ZipInfo(name)
                link.create_system, link.external_attr = 3, 0o120777 << 16
                archive.writestr(link, str(path.readlink()))
            elif path.is_file():
                archive.write(path, name)


def go_on(room: Path, source: dict[str, Any]) -> None:
    """Do what the room does after a crash: finish what was begun, or publish.

    Two who know nothing of each other do it for a home: the agent, and the console afterwards.
    """
    library = Library.at(room)
    desk = library.desk
    for job in desk.all() or [desk.begin("set", "root", source)]:
        with desk.held(job):
            stored = gather(desk, job, desk.note(job))
            if source["kind"] != "home":
                announce(library.catalog, desk, stored)
                continue
        if library.catalog.made_by(job.id) is None:
            announce(library.catalog, desk, desk.get(job.id))
        desk.end(job)


def check_readers(library: Library, folder: Path) -> int:
    """Return which version a server would start with, after a look at every file of all."""
    assert library.broken() == []
    (found,) = library.catalog.of(["ml101"])
    assert found.usable is not None
    if found.usable.number == 2:
        assert contents(library.shelf.tree("set", found.usable.digest)) == contents(folder)
    return found.usable.number


@pytest.mark.parametrize("kind", KILLS)
def test_a_publication_that_is_killed_anywhere_is_whole_or_not_there_and_goes_on(
    rooms: tuple[Path, Path], base: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(upkeep, "ORPHAN_AGE", -1.0)
    template, folder = rooms
    source = of_kind(kind, folder)
    seen: set[int] = set()
    copy = base / "copy"
    subprocess.run(["cp", "-a", template, copy], check=True)
    steps = in_a_process(lambda: go_on(copy, source))
    assert steps > 100
    chosen = random.Random(2026).choices(range(steps), k=KILLS[kind])
    for number, die_at in enumerate(chosen):
        room = base / f"room{number}"
        subprocess.run(["cp", "-a", template, room], check=True)
        assert in_a_process(lambda room=room: go_on(room, source), die_at) == -1
        library = Library.at(room)
        seen.add(check_readers(library, folder))
        if number % 3 == 0:
            again = random.Random(number).randrange(steps)
            in_a_process(lambda room=room: go_on(room, source), again)
            check_readers(library, folder)
        go_on(room, source)
        assert check_readers(library, folder) == 2, die_at
        upkeep.sweep(library.catalog, library.desk)
        assert library.leaked() == [], die_at
        library.catalog.store.close()
        subprocess.run(["rm", "-rf", room], check=True)
    assert seen == {1, 2}
