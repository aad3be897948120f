"""``room user import``: a roster from a spreadsheet, looked at before it is taken over."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from cli.errors import Problem
from cli.people import RoleName, address_of, moment, opened, private

if TYPE_CHECKING:
    from room.changes import Change
    from room.person import Imported
    from room.roles import Role
    from room.roster import Entry, Roster
    from room.tokens import Token

_KINDS = ("added", "changed", "unchanged")


@click.command("import")
@click.argument("roster", type=click.File("rb"))
@click.option("--class", "class_name", default="", metavar="CLASS", help="Put everyone into it.")
@click.option("--role", type=RoleName(), help="For everyone whose line says no role.")
@click.option("--until", metavar="TIME", help="An end in these classes: 2027-02-15, 3d, never.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--as-shown", default="", metavar="CODE", help="Only if it is what --dry-run showed.")
@click.option("--links", "out", type=click.Path(path_type=Path), help="Write login links here.")
@click.option("--all-links", is_flag=True, help="New links for who has one too; old ones go on.")
@click.option("--encoding", default="", help="How the file is encoded, if it is not UTF-8.")
def import_(
    roster: IO[bytes],
    class_name: str,
    role: Role | None,
    until: str | None,
    dry_run: bool,
    as_shown: str,
    out: Path | None,
    all_links: bool,
    encoding: str,
) -> None:
    """Let everyone in the CSV file ROSTER in, or, if a line is wrong, nobody.

    Columns: login, class, name, role, under a header in any order, or in this
    order. Several classes go into one cell, with blanks between them, each with
    its own role if need be: ml101:instructor. Importing a file again changes
    nothing; people who are no longer in it stay.
    """
    if all_links and out is None:
        raise Problem("--all-links needs a file for the links.", "Add --links links.csv.")
    found = _read(roster.read(), class_name, role, moment(until), encoding)
    if dry_run:
        _show(found)
        return
    if found.problems:
        raise _refused(found)
    with opened() as people, _links_file(out) as deliver:
        from room.person import ChangedMeanwhileError

        wanted = "none" if out is None else "all" if all_links else "missing"
        try:
            done = people.import_roster(
                found.entries, links=wanted, deliver=deliver, as_shown=as_shown
            )
        except ChangedMeanwhileError as error:
            raise Problem(
                "The roster would do something else by now than what was shown; "
                "nothing was changed.",
                f"Look again: room user import {roster.name} --dry-run",
            ) from error
    _report(done, out)


def _read(
    data: bytes, class_name: str, role: Role | None, until: datetime | None, encoding: str
) -> Roster:
    from room.roster import Roster, read
    from room.sheet import SheetError

    try:
        return read(
            data, encoding=encoding, default_class=class_name, default_role=role, until=until
        )
    except SheetError as error:
        return Roster((), error.problems)
    except ValueError as error:
        raise Problem(f"{error}.") from error


def _refused(found: Roster) -> Problem:
    lines = "\n".join(f"  {problem}" for problem in found.problems)
    return Problem(
        f"The roster was not imported; nothing was changed:\n{lines}",
        "Correct the lines and import the file again.",
    )


def _show(found: Roster) -> None:
    """Print what would become of everyone, and how to do exactly that."""
    from room.changes import digest

    with opened() as people:
        changes = people.preview(found.entries)
    width = max((len(change.login) for change in changes), default=0)
    for change in changes:
        click.echo(f"{change.login:{width}}  {change.kind:9}  {_fields(change)}".rstrip())
    counts = [sum(change.kind == kind for change in changes) for kind in _KINDS]
    added, changed, unchanged = counts
    click.echo(f"{added} added, {changed} changed, {unchanged} as they were. Nothing is done yet.")
    if found.problems:
        raise _refused(found)
    click.echo(f"To do exactly this, put --as-shown {digest(changes)} in the place of --dry-run.")


def _fields(change: Change) -> str:
    return "; ".join(map(str, change.fields))


@contextmanager
def _links_file(out: Path | None) -> Iterator[Callable[[Sequence[tuple[Entry, Token]]], None]]:
    """Give what writes the links; the file goes again when the import does not come about."""
    written: list[Path] = []

    def deliver(made: Sequence[tuple[Entry, Token]]) -> None:
        if out is not None:
            handle = private(out, "nothing was imported")
            written.append(out)
            _write_links(handle, made)

    try:
        yield deliver
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _write_links(handle: int, made: Sequence[tuple[Entry, Token]]) -> None:
    from room.sheet import harmless

    # With a byte order mark spreadsheets read names in any script as what they are.
    with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["login", "name", "class", "link"])
        for entry, token in made:
            cells = [entry.login, entry.name, " ".join(entry.classes)]
            writer.writerow([*map(harmless, cells), address_of(token)])


def _report(done: Imported, out: Path | None) -> None:
    added, changed, unchanged = (len(done.of(kind)) for kind in _KINDS)
    click.echo(f"{added} added, {changed} changed, {unchanged} as they were.")
    if done.still_revoked:
        click.echo(
            f"Revoked before, and still out: {', '.join(done.still_revoked)}. "
            "To let one back in: room user add LOGIN"
        )
    if out is not None:
        click.echo(f"{len(done.links)} login links are in {out}. Send each to its person alone.")
