"""A publication that a command works on: what it is made from, begun or gone on with, and shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import context, datasetview
from cli.datasetlibrary import sentence
from cli.errors import Problem

if TYPE_CHECKING:
    from cli.datasetlibrary import Library
    from publishing.job import Job
    from room.datasets.model import Published


def of_host(path: Path, unpack: bool) -> dict[str, Any]:
    """Return what the host has at ``path``."""
    whole = path.resolve()
    if not whole.exists():
        raise Problem(f"There is nothing at {path}.", "Nothing was published.")
    if unpack and whole.is_dir():
        raise Problem(f"{path} is a folder, and --unpack is for archives.", "Leave --unpack out.")
    if whole.is_dir():
        return {"kind": "folder", "path": str(whole)}
    return {"kind": "file", "path": str(whole), "unpack": unpack}


def of_home(login: str, path: str, unpack: bool) -> dict[str, Any]:
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
    return {"kind": "home", "path": str(home), "below": found, "unpack": unpack, "by": COMMAND}


def begin(
    library: Library,
    name: str,
    source: dict[str, Any],
    classes: Sequence[str],
    about: dict[str, str],
) -> Job:
    """Return a publication to work on: the one that was interrupted, if it was of the same."""
    from dataclasses import replace

    from publishing import sources

    for job in library.desk.all():
        if job.name == name and job.source == source and not library.desk.running(job):
            click.echo(f"Going on with what was begun {datasetview.ago(job)}.", err=True)
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
    )


def run(library: Library, job: Job) -> Published:
    from publishing.publish import publish

    with shown(f"Publishing {job.name}", job.expected) as tell:
        return publish(library.catalog, library.desk, job, library.desk.note(job, tell))


@contextmanager
def shown(title: str, total: int) -> Iterator[Any]:
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
        yield lambda count: progress.advance(task, count)
