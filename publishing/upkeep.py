"""What is done to versions afterwards: reading them through, removing them, clearing up."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from publishing import copying
from publishing.job import BusyJobError, Desk
from publishing.shelf import MANIFEST, Shelf, mode_bits
from room.datasets.catalog import Catalog
from room.datasets.manifest import DamagedManifestError, Directory, Entry, File, Link, summarize
from room.datasets.model import NoSuchDatasetError
from room.datasets.names import Reference

#: What is removed is moved aside under this name first, and deleted then.
TRASH = "trash-"
#: Seconds after which a directory without a job is nobody's who only just made it.
ORPHAN_AGE = 3600.0


def verify(
    shelf: Shelf, name: str, digest: str, tell: Callable[[int], None] = lambda _: None
) -> list[str]:
    """Read a version through and return the paths that are not as published; ``tell``: bytes read.

    The manifest itself is one of them when it is not the one that ``digest`` names.
    """
    try:
        entries = list(shelf.entries(name, digest))
    except (FileNotFoundError, DamagedManifestError):
        return [MANIFEST]
    if summarize(entries).digest != digest:
        return [MANIFEST]
    tree = shelf.tree(name, digest)
    look = partial(_damaged, os.fspath(tree), tell)
    with ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="verify") as pool:
        looked = pool.map(look, entries, chunksize=16)
        damaged = [entry.path for entry, wrong in zip(entries, looked, strict=True) if wrong]
    return damaged + strangers(os.fspath(tree), entries)


def _damaged(tree: str, tell: Callable[[int], None], entry: Entry) -> bool:
    path = f"{tree}/{entry.path}"
    try:
        match entry:
            case Link():
                return os.readlink(path) != entry.target
            case Directory():
                return not os.path.isdir(path) or os.path.islink(path)
            case File():
                handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    mode = os.fstat(handle).st_mode & 0o777
                    found = copying.digest(handle, tell)
                finally:
                    os.close(handle)
                return found != (entry.sha256, entry.size) or mode != mode_bits(entry.mode)
    except OSError:
        return True


def strangers(tree: str, entries: Collection[Entry]) -> list[str]:
    """Return the paths of files and links that are there and in no manifest."""
    return sorted(set(_found(tree)) - {entry.path for entry in entries})


def _found(tree: str) -> list[str]:
    """Return the paths of all files and links that are there."""
    return [
        os.path.relpath(os.path.join(path, each), tree)
        for path, directories, files in os.walk(tree)
        for each in (*files, *(d for d in directories if os.path.islink(os.path.join(path, d))))
    ]


@dataclass(frozen=True, slots=True)
class Pruned:
    """``freed``: bytes. ``kept``: what a running server has, or is being published."""

    versions: tuple[Reference, ...]
    kept: tuple[Reference, ...]
    freed: int


def prune(
    catalog: Catalog, desk: Desk, older_than: timedelta, mounted: Collection[tuple[str, str]]
) -> Pruned:
    """Remove the files of versions that were retired longer ago than that.

    ``mounted``: name and digest of what running servers have; it stays.
    """
    shelf = desk.shelf
    gone, kept, freed = [], [], 0
    for name, version in catalog.prunable(older_than):
        what = Reference(name, version.number)
        aside = shelf.staging / f"{TRASH}{uuid.uuid4()}"
        with shelf.locked():
            if (name, version.digest) in in_use(desk, mounted):
                kept.append(what)
                continue
            try:
                last = catalog.pruned(what)
            except NoSuchDatasetError:
                continue
            if last and shelf.version(name, version.digest).exists():
                shelf.set_aside(name, version.digest, aside)
        freed += shelf.clear(aside)
        gone.append(what)
    return Pruned(tuple(gone), tuple(kept), freed)


def in_use(desk: Desk, mounted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return name and digest of the files that stay: those of servers and of publications."""
    return {(job.name, job.digest) for job in desk.all() if job.state == "stored"} | set(mounted)


def remove(
    desk: Desk, name: str, digest: str, mounted: Collection[tuple[str, str]], looked_at: int
) -> int:
    """Remove the files of what the room's database has as removed; return the bytes freed.

    For who has no database. ``looked_at``: nanoseconds since 1970 at which these files were not in
    use. What a publication has found there since is another version's by now, and stays.
    """
    shelf = desk.shelf
    aside = shelf.staging / f"{TRASH}{uuid.uuid4()}"
    with shelf.locked():
        place = shelf.version(name, digest)
        claimed = (name, digest) in in_use(desk, mounted)
        if not place.exists() or claimed or place.stat().st_mtime_ns > looked_at:
            return 0
        shelf.set_aside(name, digest, aside)
    return shelf.clear(aside)


def tidy(desk: Desk) -> list[str]:
    """Remove what crashes left in the staging directory; return what it was.

    A publication that can go on is no such thing.
    """
    shelf, found = desk.shelf, []
    jobs = {job.id for job in desk.all()}
    for path in sorted(shelf.staging.iterdir()):
        old = time.time() - path.lstat().st_mtime > ORPHAN_AGE
        if path.name.startswith(TRASH):
            shelf.clear(path)
        elif path.name not in jobs and old:
            shutil.rmtree(path, ignore_errors=True)
        else:
            continue
        found.append(path.name)
    return found


def sweep(catalog: Catalog, desk: Desk) -> list[str]:
    """Remove what crashes left and nobody works on any more; return what it was."""
    shelf, found = desk.shelf, tidy(desk)
    with shelf.locked():
        for name, digest in _unknown(catalog, desk):
            aside = shelf.staging / f"{TRASH}{uuid.uuid4()}"
            shelf.set_aside(name, digest, aside)
            found.append(f"{name}/{digest[:12]}")
            shelf.clear(aside)
    return found


def _unknown(catalog: Catalog, desk: Desk) -> list[tuple[str, str]]:
    """Return the versions' files that the room's database has no version for."""
    known = {
        (each.name, version.digest)
        for each in catalog.all()
        for version in each.versions
        if version.pruned_at is None
    }
    known |= {(job.name, job.digest) for job in desk.all() if job.state == "stored"}
    there = [
        (directory.name, path.name)
        for directory in desk.shelf.versions.iterdir()
        for path in directory.iterdir()
    ]
    return [each for each in there if each not in known]


def cancel(desk: Desk, beginning: str) -> bool:
    """Stop a publication and remove what it made. False: it runs, and stops by itself soon."""
    job = desk.get(beginning)
    try:
        with desk.held(job):
            if job.state == "stored":
                raise LookupError(f"{job.name} is published already: retire that version instead")
            desk.end(job)
    except BusyJobError:
        desk.ask_to_stop(job)
        return False
    return True
