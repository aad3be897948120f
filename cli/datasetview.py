"""How the command shows datasets, their versions, and what is being published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from publishing.job import Desk, Job
    from room.datasets.model import Dataset, Published


def published(known: Dataset, made: Published) -> str:
    from room.values import readable_size

    version = made.version
    what = f"{known.name}@{version.number}"
    files = "1 file" if version.files == 1 else f"{version.files:,} files"
    holds = f"{files}, {readable_size(version.size)}"
    if not known.classes:
        then = f"Nobody has it yet: room dataset share {known.name} CLASS"
    else:
        then = f"For {classes(known)}, at /datasets/{known.name} from the next start on."
    if not made.new:
        return f"These are the files of {what} already ({holds}). {then}"
    return f"{what} is published: {holds}. {then}"


def classes(known: Dataset) -> str:
    from room.datasets.model import EVERYONE

    return (
        ", ".join("everybody" if each == EVERYONE else each for each in known.classes) or "nobody"
    )


def under_way(desk: Desk, job: Job) -> str:
    from room.values import readable_size

    progress = desk.progress(job)
    of = f" of {readable_size(progress.total)}" if progress.total else ""
    far = f"{readable_size(progress.done)}{of}"
    if desk.running(job):
        left = f", {progress.left:.0f} s left" if progress.left is not None else ""
        state = f"{far}, {readable_size(int(progress.rate))}/s{left}"
    elif job.why:
        state = f"stopped at {far}: {job.why}"
    else:
        state = f"interrupted at {far}; run the same command again, and it goes on"
    return f"{job.id[:8]}  {job.name}, begun {ago(job)} by {job.actor}: {state}"


def ago(job: Job) -> str:
    import time

    minutes = max(0, int(time.time() - job.began)) // 60
    return f"{minutes // 60} h {minutes % 60} min ago" if minutes >= 60 else f"{minutes} min ago"


def print_all(found: Sequence[Dataset]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from room.values import readable_size

    table = Table("Dataset", "Newest", "Size", "Files", "For", "State", box=None, pad_edge=False)
    for each in found:
        newest = each.newest
        table.add_row(
            Text(each.name),
            f"@{newest.number}" if newest else "retired",
            readable_size(newest.size) if newest else "",
            f"{newest.files:,}" if newest else "",
            Text(classes(each)),
            "" if newest is None or not newest.damaged else f"{newest.damaged} files damaged",
        )
    Console().print(table)


def print_one(known: Dataset) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from room.values import readable_size

    for word, value in (
        ("Description", known.description),
        ("Licence", known.licence),
        ("Source", known.source),
        ("Owner", known.owner),
        ("For", classes(known)),
    ):
        if value:
            click.echo(f"{word}: {value}")
    table = Table(
        "Version", "Size", "Files", "Published", "By", "Digest", "State", box=None, pad_edge=False
    )
    for each in known.versions:
        if each.pruned_at is not None:
            state = f"removed {each.pruned_at:%Y-%m-%d}"
        elif each.retired_at is not None:
            state = f"retired {each.retired_at:%Y-%m-%d}"
        elif each.damaged:
            state = f"{each.damaged} files damaged"
        else:
            state = f"whole {each.verified_at:%Y-%m-%d}" if each.verified_at else "not looked at"
        table.add_row(
            f"@{each.number}",
            readable_size(each.size),
            f"{each.files:,}",
            f"{each.published_at:%Y-%m-%d}",
            Text(each.published_by),
            each.digest[:12],
            state,
        )
    Console().print(table)
