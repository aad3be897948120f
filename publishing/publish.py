"""A publication from its source to a version that is visible: each step can be cut short."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace

from publishing import archives, sources
from publishing.job import CancelledJobError, Desk, Job, Meter, NoSpaceError, boot, failed
from publishing.mending import mend
from publishing.shelf import Shelf
from publishing.stage import PARTS, Stage
from room.datasets import readme
from room.datasets.catalog import Catalog
from room.datasets.manifest import Entry, Summary
from room.datasets.model import About, Published
from room.datasets.readme import FILES, Shape
from room.datasets.space import refusal


def gather(desk: Desk, job: Job, meter: Meter) -> Job:
    """Bring a publication's files to where versions are; return it with what they are.

    Whoever calls it holds the job. Again after a crash it goes on where it was. Raises what its
    source raises, ``NoSpaceError`` and ``CancelledJobError``; the job then says why.
    """
    shelf = desk.shelf
    if job.state == "stored":
        _appear(shelf, desk, job)
        desk.forget_secret(job)
        return job
    # What was not synced before the machine went down may be anything by now.
    resume = job.boot == boot()
    try:
        desk.set_aside(job)
        before = shelf.newest(job.name)
        job = desk.write(_measured(replace(job, state="gathering", why="", boot=boot()), before))
        meter.expect(job.expected)
        summary, shape = _collect(desk, job, meter, before, resume)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            desk.write(failed(job, error.strerror or str(error)))
            raise
        desk.spend_aside(job)
        full = refusal(desk.left(job), shelf.disk(), desk.promised(job)) or "The disk is full."
        desk.write(failed(job, full))
        raise NoSpaceError(full) from error
    except CancelledJobError:
        desk.end(job)
        raise
    except Exception as error:
        if isinstance(error, archives.ArchiveRefusedError):
            # Refused whole: what came out of it before is of no use.
            shelf.clear(desk.directory(job) / "version")
        desk.write(failed(job, str(error)))
        raise
    with shelf.locked():
        place = shelf.version(job.name, summary.digest)
        if place.exists():
            mend(desk.directory(job) / "version", place)
        job = desk.write(
            replace(
                job,
                state="stored",
                digest=summary.digest,
                size=summary.size,
                files=summary.files,
                shape=shape.kind,
                example=shape.example,
            )
        )
        _appear(shelf, desk, job)
    desk.forget_secret(job)
    return job


def _measured(job: Job, before: Mapping[str, int]) -> Job:
    """Return a publication with what it will take, where nobody has looked before."""
    if job.expected:
        return job
    found = sources.measure(job.source, before)
    return replace(job, expected=found.size, same=found.same)


def _collect(
    desk: Desk, job: Job, meter: Meter, before: Mapping[str, int], resume: bool
) -> tuple[Summary, Shape]:
    """Stage all of a publication's files; return what they are, and what they look like."""
    why = refusal(desk.left(job), desk.shelf.disk(), desk.promised(job))
    if why is not None:
        raise NoSpaceError(why)
    if not resume:
        shutil.rmtree(desk.directory(job) / PARTS, ignore_errors=True)
    tell = meter.tell
    if sources.unpacked(job.source):
        # It is read from its beginning, whatever came out of it before; and how far it is, is told
        # by what was read of it: how much comes out nobody knows.
        resume, tell = False, meter.look
    stage = Stage(desk.shelf, desk.directory(job), tell, resume=resume, before=before)
    sources.read(desk.revealed(job), stage, meter)
    shape = FILES

    def page(entries: list[Entry], files: Summary) -> str:
        nonlocal shape
        shape = readme.shape(entries)
        return readme.page(job.name, job.about, shape, files)

    return stage.finish(page), shape


def _appear(shelf: Shelf, desk: Desk, job: Job) -> None:
    """Put the version in its place, unless these very files are there."""
    made, place = desk.directory(job) / "version", shelf.version(job.name, job.digest)
    if not place.exists():
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        made.replace(place)
        for path in (place.parent, shelf.versions):
            _sync(path)
    # From now on they are this version's, too: see ``upkeep.remove``.
    now = time.time_ns()
    os.utime(place, ns=(now, now))


def announce(catalog: Catalog, desk: Desk, job: Job) -> Published:
    """Make a stored version visible, and forget the publication."""
    published = catalog.publish(
        job.name,
        Summary(job.digest, job.size, job.files),
        About(**{key: value for key, value in job.about.items() if value}),
        job.classes,
        job=job.id,
        shape=Shape(job.shape, job.example),
    )
    desk.end(job)
    return published


def publish(catalog: Catalog, desk: Desk, job: Job, meter: Meter) -> Published:
    """Do all of it."""
    with desk.held(job):
        return announce(catalog, desk, gather(desk, job, meter))


def _sync(directory: os.PathLike[str]) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
