"""Publishing onto a disk that becomes full, and onto one whose files can share blocks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def test_what_does_not_fit_is_refused_before_a_byte_is_written(small: Path, source: Path) -> None:
    library = Library.at(small / "room")
    with pytest.raises(NoSpaceError, match=r"This takes 40 MiB and there is room for"):
        library.publish("big", source)
    (job,) = library.desk.all()
    assert not (library.desk.directory(job) / "version").exists()
