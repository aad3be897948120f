"""``room usage``: GPU-hours, CPU-hours and memory-hours of each person."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timezone, tzinfo
from typing import TYPE_CHECKING

import click

from cli import context
from cli.errors import Problem

if TYPE_CHECKING:
    from room.usage import Span

GIB = 1024.0**3
COLUMNS = ("GPU-hours", "CPU-hours reserved", "GiB-hours reserved")


@click.command()
@click.option("--class", "class_name", metavar="CLASS", help="Only what was used for a class.")
@click.option("--user", "user", metavar="LOGIN", help="Only one person.")
@click.option("--since", metavar="DAY", help="From this day on, like 2026-11-01.")
@click.option("--daily", is_flag=True, help="A line for each person, class and day.")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV, for a spreadsheet or a script.")
def usage(
    class_name: str | None, user: str | None, since: str | None, daily: bool, as_csv: bool
) -> None:
    """Show how much each person has used, until now.

    A GPU counts from when it is leased until it is free again, by gpus.rates of room.yaml. CPU
    and memory count as reserved, for as long as a server runs.
    """
    from zoneinfo import ZoneInfo

    from room import usage as ledger

    zone, now = ZoneInfo(context.settings().timezone), datetime.now(timezone.utc)
    begin = datetime.min.replace(tzinfo=timezone.utc) if since is None else _day(since, zone)
    store = context.store()
    try:
        with store.read() as connection:
            used = (
                ledger.gpu_spans(connection, begin, user),
                *ledger.server_spans(connection, begin),
            )
    finally:
        store.close()
    kept = [
        [
            span
            for span in spans
            if (class_name is None or span.group == class_name)
            and (user is None or span.user == user)
        ]
        for spans in used
    ]
    rows = _by_day(kept, begin, now, zone) if daily else _by_user(kept, begin, now)
    header = ["Day", "Class", "User"] if daily else ["User"]
    _print([*header, *COLUMNS], rows, as_csv)


def _by_user(
    used: Sequence[Iterable[Span]], begin: datetime, now: datetime
) -> list[tuple[str, ...]]:
    from room.usage import by_user

    sums = [by_user(spans, begin, now, now) for spans in used]
    people = sorted(set().union(*sums))
    return [(who, *_hours([each.get(who, 0.0) for each in sums])) for who in people]


def _by_day(
    used: Sequence[Iterable[Span]], begin: datetime, now: datetime, zone: tzinfo
) -> list[tuple[str, ...]]:
    from room.usage import by_day

    first = date.min if begin.year == 1 else begin.astimezone(zone).date()
    sums = [by_day(spans, now, zone) for spans in used]
    keys = sorted((day, group, who) for who, group, day in set().union(*sums) if day >= first)
    return [
        (str(day), group, who, *_hours([each.get((who, group, day), 0.0) for each in sums]))
        for day, group, who in keys
    ]


def _hours(sums: Sequence[float]) -> tuple[str, ...]:
    gpu, cpu, memory = sums
    return f"{gpu / 3600:.2f}", f"{cpu / 3600:.2f}", f"{memory / GIB / 3600:.2f}"


def _day(text: str, zone: tzinfo) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), zone).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise Problem(f"{text!r} is no day.", "Write it like 2026-11-01.") from None


def _print(header: Sequence[str], rows: Sequence[tuple[str, ...]], as_csv: bool) -> None:
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([header, *rows])
        return
    if not rows:
        click.echo("Nothing was used.")
        return
    table = [tuple(header), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    names = len(header) - len(COLUMNS)
    for row in table:
        cells = (
            cell.ljust(width) if column < names else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(cells).rstrip())
