"""A publication that a command works on: what it is made from, begun or gone on with, and shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import click

from cli import context, datasetview
from cli.datasetlibrary import sentence
from cli.errors import Problem

if TYPE_CHECKING:
    from cli.datasetlibrary import Library
    from publishing.job import Job
    from room.datasets.model import Published


class Wanted(NamedTuple):
    """A source, and what nobody else may read of it. ``anew``: it replaces what is kept."""

    source: dict[str, Any]
    secret: dict[str, Any] | None = None
    anew: bool = False


def of_host(path: Path, unpack: bool) -> Wanted:
    """Return what the host has at ``path``."""
    whole = path.resolve()
    if not whole.exists():
        raise Problem(f"There is nothing at {path}.", "Nothing was published.")
    if unpack and whole.is_dir():
        raise Problem(f"{path} is a folder, and --unpack is for archives.", "Leave --unpack out.")
    if whole.is_dir():
        return Wanted({"kind": "folder", "path": str(whole)})
    return Wanted({"kind": "file", "path": str(whole), "unpack": unpack})


def of_addresses(texts: Sequence[str], credentials: IO[str] | None, unpack: bool) -> Wanted:
    """Return what is at addresses, with nothing secret in what is written down of it."""
    from publishing.sources import COMMAND
    from room.datasets import addresses

    given = {} if credentials is None else _credentials(credentials)
    wanted = addresses.Wanted(tuple(texts), addresses.Access(**given))
    try:
        addresses.check(wanted, None)
    except ValueError as error:
        raise Problem(sentence(error), "Nothing was published.") from error
    source = {"kind": "url", "addresses": wanted.shown, "unpack": unpack, "by": COMMAND}
    # Told anew it replaces what is kept; an address alone lets nobody in.
    secret = wanted.access.as_dict() or list(wanted.addresses) != wanted.shown
    return Wanted(source, wanted.as_dict(), bool(secret))


def _credentials(file: IO[str]) -> dict[str, str]:
    from room.datasets.addresses import ACCESS

    known = ", ".join(ACCESS)
    try:
        given = json.load(file)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
        raise Problem("The credentials are no JSON object of texts.", f"Write some of: {known}")
    if unknown := given.keys() - set(ACCESS):
        raise Problem(f"Nothing is called {sorted(unknown)[0]!r}.", f"Write some of: {known}")
    return given


def of_home(login: str, path: str, unpack: bool) -> Wanted:
    """Return what somebody has at ``path`` of their home, which the console's reader reads."""
    from publishing.sources import COMMAND
    from room import names
    from room.datasets.homes import below
    from room.datasets.paths import PathRefusedError

    home = context.settings().data_root / "homes" / names.home_directory(login)
    if not home.is_dir():
        raise Problem(f"There is no home of {login} in this room.", "See who is: room user list")
    try:
        found = below(path)
    except PathRefusedError:
        raise
    except ValueError as error:
        raise Problem(sentence(error), "Nothing was published.") from error
    source = {"kind": "home", "path": str(home), "below": found, "unpack": unpack, "by": COMMAND}
    return Wanted(source)


def begin(
    library: Library,
    name: str,
    wanted: Wanted,
    classes: Sequence[str],
    about: dict[str, str],
) -> Job:
    """Return a publication to work on: the one that was interrupted, if it was of the same."""
    from dataclasses import replace

    from publishing import sources

    source = wanted.source
    for job in library.desk.all():
        if job.name == name and job.source == source and not library.desk.running(job):
            click.echo(f"Going on with what was begun {datasetview.ago(job)}.", err=True)
            if wanted.secret is not None and wanted.anew:
                library.desk.hide(job, wanted.secret)
            merged = dict(job.about) | about
            return library.desk.write(
                replace(job, classes=tuple(classes) or job.classes, about=merged)
            )
    found = sources.measure(source, library.desk.shelf.newest(name))
    return library.desk.begin(
        name,
        library.catalog.actor,
        source,
        about=about,
        classes=classes,
        expected=found.size,
        same=found.same,
        secret=wanted.secret,
    )


def run(library: Library, job: Job) -> Published:
    from publishing.publish import publish

    with shown(f"Publishing {job.name}", job.expected) as bar:
        meter = library.desk.note(job, bar.tell, bar.grows)
        return publish(library.catalog, library.desk, job, meter)


class Bar(NamedTuple):
    """Hears of bytes that are done, and of how many there are once somebody knows."""

    tell: Callable[[int], object]
    grows: Callable[[int], object]


@contextmanager
def shown(title: str, total: int) -> Iterator[Bar]:
    """Show how much of ``total`` bytes is done, at which rate, and what time is left."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=False) as progress:
        task = progress.add_task(title, total=total)
        yield Bar(
            lambda count: progress.advance(task, count),
            lambda count: progress.update(task, total=count or None),
        )
