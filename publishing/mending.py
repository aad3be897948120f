"""What is done about files that are not as published any more: the disk lost them, or root did.

Reading a version through finds them and takes their objects away, so that nothing else is made of
them. Publishing the same files again puts good ones in their places, where servers that run find
them, too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from publishing import copying
from publishing.shelf import MANIFEST, README, TREE, Shelf, mode_bits
from publishing.upkeep import strangers, verify
from room.datasets.manifest import DamagedManifestError, Directory, File, Link, read


def look_through(
    shelf: Shelf, name: str, digest: str, tell: Callable[[int], None] = lambda _: None
) -> list[str] | None:
    """Read a version through; return the paths that are not as published. None: it is not there.

    What is damaged is in no later version: its object goes.
    """
    if not shelf.version(name, digest).exists():
        return None
    damaged = verify(shelf, name, digest, tell)
    if damaged:
        _distrust(shelf, name, digest, set(damaged))
    return damaged


def _distrust(shelf: Shelf, name: str, digest: str, damaged: Collection[str]) -> None:
    with suppress(FileNotFoundError, DamagedManifestError):
        for entry in shelf.entries(name, digest):
            if isinstance(entry, File) and entry.path in damaged:
                there = shelf.object(entry.sha256, entry.size, entry.mode)
                if not _is(there, entry):
                    there.unlink(missing_ok=True)


def _is(path: Path, entry: File) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        mode = os.fstat(handle).st_mode & 0o777
        found = copying.digest(handle, lambda _: None)
        return found == (entry.sha256, entry.size) and mode == mode_bits(entry.mode)
    finally:
        os.close(handle)


def mend(made: Path, place: Path) -> None:
    """Let the version at ``place`` have the files of ``made``, which are its very own.

    Files that are one on the disk stay. Cut short, it can be done again with what is made anew.
    """
    with (made / MANIFEST).open("rb") as lines:
        entries = list(read(lines))
    for entry in entries:
        theirs, ours = place / TREE / entry.path, made / TREE / entry.path
        if not _same(theirs, ours, entry):
            _make_way(theirs, place / TREE)
            if isinstance(entry, Directory):
                theirs.mkdir()
            else:
                ours.replace(theirs)
    for path in strangers(os.fspath(place / TREE), entries):
        (place / TREE / path).unlink()
    for name in (MANIFEST, README):
        there = place / name
        if not there.exists() or there.read_bytes() != (made / name).read_bytes():
            (made / name).replace(there)


def _same(theirs: Path, ours: Path, entry: File | Link | Directory) -> bool:
    try:
        if isinstance(entry, Link):
            return os.readlink(theirs) == entry.target
        if isinstance(entry, Directory):
            return theirs.is_dir() and not theirs.is_symlink()
        return os.path.samestat(theirs.lstat(), ours.lstat())
    except OSError:
        return False


def _make_way(path: Path, tree: Path) -> None:
    """Let there be nothing, or a file, at a path, and directories above it."""
    for above in [*reversed(path.relative_to(tree).parents)][1:]:
        directory = tree / above
        if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
            directory.unlink()
        directory.mkdir(mode=0o755, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
