"""``room usage``: GPU-hours, CPU-hours and memory-hours of each person."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from datetime import date, datetime, timezone

import click

from cli import context
from cli.errors import Problem


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
    and memory are told as used, until a minute ago, and as reserved for as long as a server ran.
    Hours unseen: a server ran, and nobody saw how much memory it used.
    """
    from zoneinfo import ZoneInfo

    from room import used_table

    zone, now = ZoneInfo(context.settings().timezone), datetime.now(timezone.utc)
    first = None if since is None else _day(since)
    store = context.store()
    try:
        with store.read() as connection:
            days = used_table.by_day(
                connection, now, zone, since=first, user=user, group=class_name
            )
    finally:
        store.close()
    digits = used_table.CSV_DIGITS if as_csv else 2
    rows: list[tuple[str, ...]]
    if daily:
        found = sorted((day, group, who, hours) for (who, group, day), hours in days.items())
        rows = [(str(day), group, who, *hours.cells(digits)) for day, group, who, hours in found]
    else:
        users = used_table.by_user(days)
        rows = [(who, *users[who].cells(digits)) for who in sorted(users)]
    names = ["Day", "Class", "User"] if daily else ["User"]
    _print(names, used_table.COLUMNS, rows, as_csv)


def _day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
        # Days at either end of the calendar have no midnight in every zone.
        return found.replace(year=min(max(found.year, 1970), 9000))
    except ValueError:
        raise Problem(f"{text!r} is no day.", "Write it like 2026-11-01.") from None


def _print(
    names: Sequence[str], columns: Sequence[str], rows: Sequence[tuple[str, ...]], as_csv: bool
) -> None:
    header = (*names, *columns)
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([header, *rows])
        return
    if not rows:
        click.echo("Nothing was used.")
        return
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        cells = (
            cell.ljust(width) if column < len(names) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join(cells).rstrip())
