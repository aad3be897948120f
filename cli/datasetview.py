"""How the command shows datasets, their versions, and what is being published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from publishing.job import Desk, Job
    from room.datasets.model import Dataset, Published, Version
    from room.datasets.names import Reference


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


def count(number: int, what: str) -> str:
    """Return ``1 file is``, ``2 files are``."""
    return f"1 {what} is" if number == 1 else f"{number} {what}s are"


def damage(what: Reference, damaged: Sequence[str] | None) -> list[str]:
    """Return what was found of a version that was read through, None: nothing of it is there."""
    if damaged is None:
        return [f"{what}: its files are not on this host"]
    return [f"{what}: {path} is not as published" for path in damaged]


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
            "" if newest is None or newest.usable else _state(newest),
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
        table.add_row(
            f"@{each.number}",
            readable_size(each.size),
            f"{each.files:,}",
            f"{each.published_at:%Y-%m-%d}",
            Text(each.published_by),
            each.digest[:12],
            _state(each),
        )
    Console().print(table)


def _state(version: Version) -> str:
    looked = f", {version.verified_at:%Y-%m-%d}" if version.verified_at else ""
    if version.pruned_at is not None:
        return f"removed {version.pruned_at:%Y-%m-%d}"
    if version.retired_at is not None:
        return f"retired {version.retired_at:%Y-%m-%d}"
    if not version.here:
        return "not on this host"
    if version.damaged:
        return f"{count(version.damaged, 'file').rpartition(' ')[0]} damaged{looked}"
    return f"whole{looked.replace(',', '')}" if looked else "not looked at"
