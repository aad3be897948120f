"""Publishing onto a disk that becomes full, and onto one whose files can share blocks."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from publishing.archives import ArchiveRefusedError
from publishing.publish import NoSpaceError
from tests.utils.published import Library, contents

MIB = 1024**2


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    for number in range(40):
        (path / f"{number}.bin").write_bytes(os.urandom(MIB))
    return path


def test_a_disk_that_becomes_full_stops_a_publication_which_goes_on_when_there_is_room(
    small: Path, source: Path
) -> None:
    library = Library.at(small / "room")
    # It grows while it is published: what was expected would have fitted.
    job = library.desk.begin("big", "root", {"kind": "folder", "path": str(source)}, expected=MIB)
    with pytest.raises(NoSpaceError):
        library.run(job)
    assert library.catalog.all() == []
    stopped = library.desk.get(job.id)
    assert (stopped.state, bool(stopped.why)) == ("failed", True)
    assert len(list((library.desk.directory(job) / "version/tree").iterdir())) > 10
    subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
    version = library.run(stopped).version
    assert contents(library.shelf.tree("big", version.digest)) == contents(source)
    assert library.broken() == library.leaked() == []


@pytest.mark.parametrize("unpack", [False, True], ids=["folder", "archive"])
def test_a_disk_that_is_full_at_any_moment_breaks_nothing_and_is_gone_on_from(
    small: Path, source: Path, tmp_path: Path, unpack: bool
) -> None:
    """The room's database is on the same disk, as it is in a room."""
    for path in list(source.iterdir())[16:]:
        path.unlink()
    kind: dict[str, Any] = {"kind": "folder", "path": str(source)}
    if unpack:
        packed = shutil.make_archive(str(tmp_path / "packed"), "tar", source)
        kind = {"kind": "file", "path": packed, "unpack": True}
    seen = set()
    for number in range(12):
        library = Library.at(small / f"room{number}")
        job = library.desk.begin("big", "root", kind, expected=1)
        free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
        # The last ones leave room for all, or nearly all of it.
        left = random.Random(number).randrange(17 * MIB) if number < 8 else number * MIB * 8 // 5
        with (small / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, max(1, free - left))
        try:
            library.run(job)
        except (NoSpaceError, ArchiveRefusedError):
            seen.add("full")
            assert library.catalog.all() == []
            assert library.desk.get(job.id).why
        except OperationalError:
            seen.add("database")
            assert library.desk.get(job.id).state == "stored"
        else:
            seen.add("whole")
        assert library.broken() == []
        (small / "filler").unlink()
        for stopped in library.desk.all():
            library.run(stopped)
        version = library.catalog.get("big").version()
        assert contents(library.shelf.tree("big", version.digest)) == contents(source)
        assert library.broken() == library.leaked() == []
        library.catalog.store.close()
        shutil.rmtree(small / f"room{number}")
    assert seen >= {"full", "whole"}


def test_what_does_not_fit_is_refused_before_a_byte_is_written(small: Path, source: Path) -> None:
    library = Library.at(small / "room")
    with pytest.raises(NoSpaceError, match=r"This takes 40 MiB and there is room for"):
        library.publish("big", source)
    (job,) = library.desk.all()
    assert not (library.desk.directory(job) / "version").exists()
