"""``room user``: let people in, and make or revoke their login links."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from cli import context
from cli.errors import Problem, from_os_error

if TYPE_CHECKING:
    from room.people import People
    from room.person import Imported, Person
    from room.roster import Entry
    from room.tokens import Token

#: A cell that begins with one of these is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Span(click.ParamType):
    """A length of time: 30m, 24h, 90d, 2w."""

    name = "time"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,4})([mhdw])", value.strip().lower())
        if not match or not int(match.group(1)):
            self.fail(f"{value!r} is no length of time: write 30m, 24h, 90d or 2w.", param, ctx)
        return timedelta(**{_SPANS[match.group(2)]: int(match.group(1))})


@click.group()
def user() -> None:
    """Let people in, and make or revoke their login links.

    \b
    room user add alice --class ml101      let alice in and print the link to send
    room user import roster.csv --links links.csv
    room user revoke alice                 keep alice out from now on
    """


@user.command()
@click.argument("login")
@click.option("--class", "classes", multiple=True, metavar="CLASS", help="Put into this class.")
@click.option("--admin/--no-admin", default=None, help="May do everything in the room, or not.")
@click.option("--name", default="", help="The name to show.")
@click.option("--no-link", is_flag=True, help="Make no login link, for who comes in by OAuth.")
def add(login: str, classes: Sequence[str], admin: bool | None, name: str, no_link: bool) -> None:
    """Let LOGIN in, and print the login link to send.

    Somebody who is in already keeps link and classes; a revoked person is back.
    """
    with _people() as people:
        person = people.add(login, classes, admin=admin, name=name)
        click.echo(_described(person), err=True)
        if not no_link and not person.links:
            _print_link(people.link(login))
        elif person.links:
            click.echo(f"The link stays. For a new one: room user link {person.login}", err=True)


@user.command("import")
@click.argument("roster", type=click.File("rb"))
@click.option("--class", "class_name", default="", metavar="CLASS", help="Put everyone into it.")
@click.option("--links", "out", type=click.Path(path_type=Path), help="Write login links here.")
@click.option("--all-links", is_flag=True, help="New links for who has one too; old ones go on.")
@click.option("--encoding", default="", help="How the file is encoded, if it is not UTF-8.")
def import_(
    roster: IO[bytes], class_name: str, out: Path | None, all_links: bool, encoding: str
) -> None:
    """Let everyone in the CSV file ROSTER in, or, if a line is wrong, nobody.

    Columns: login, class, name, under a header in any order, or in this order.
    Several classes go into one cell, with blanks between them. Importing a file
    again changes nothing; people who are no longer in it stay.
    """
    from room.roster import parse
    from room.sheet import SheetError

    if all_links and out is None:
        raise Problem("--all-links needs a file for the links.", "Add --links links.csv.")
    try:
        entries = parse(roster.read(), encoding=encoding, default_class=class_name)
    except SheetError as error:
        raise Problem(
            "The roster was not imported; nothing was changed:\n"
            + "\n".join(f"  {problem}" for problem in error.problems),
            "Correct the lines and import the file again.",
        ) from error
    except ValueError as error:
        raise Problem(f"{error}.") from error
    with _people() as people, _links_file(out) as deliver:
        wanted = "none" if out is None else "all" if all_links else "missing"
        done = people.import_roster(entries, links=wanted, deliver=deliver)
    _report(done, out)


@user.command()
@click.argument("login")
@click.option("--once", is_flag=True, help="Works for one login, within 24 hours.")
@click.option("--expires", type=Span(), help="Stop working after this time: 30m, 24h, 90d, 2w.")
@click.option("--keep", is_flag=True, help="Let the links made before go on working.")
def link(login: str, once: bool, expires: timedelta | None, keep: bool) -> None:
    """Print a new login link for LOGIN. The link made before stops working."""
    with _people() as people:
        _print_link(people.link(login, once=once, life=expires, keep=keep))


@user.command()
@click.argument("login")
def revoke(login: str) -> None:
    """Keep LOGIN out from now on, whatever link, session or provider they have.

    Their home and a server that runs are left as they are.
    """
    with _people() as people:
        person = people.revoke(login)
    click.echo(f"{person.login} is out. To let them back in: room user add {person.login}")


@user.command()
@click.argument("login")
@click.option("--class", "classes", multiple=True, metavar="CLASS", help="Only from this class.")
@click.option("--account", is_flag=True, help="Only forget which OAuth account the login is.")
@click.confirmation_option("--yes", prompt="Remove? The home directory stays")
def remove(login: str, classes: Sequence[str], account: bool) -> None:
    """Remove LOGIN from the room, or only from a class. The home directory stays."""
    with _people() as people:
        if account:
            people.forget_account(login)
        if classes:
            person = people.leave(login, classes)
            click.echo(_described(person))
        elif not account:
            people.remove(login)
            click.echo(f"{login} is removed. A person who gets this login gets its home too.")


@user.command("list")
@click.option("--class", "class_name", default="", metavar="CLASS", help="Only this class.")
@click.option("--csv", "as_csv", is_flag=True, help="As CSV, for a spreadsheet or a script.")
def list_(class_name: str, as_csv: bool) -> None:
    """List the people of the room."""
    with _people() as people:
        found = people.all(class_name.strip().lower())
    if as_csv:
        _print_csv(found)
    elif found:
        _print_table(found)
    else:
        where = f"in {class_name}" if class_name else "in this room"
        click.echo(f"There is nobody {where} yet. Let someone in: room user add alice")


@contextmanager
def _people() -> Iterator[People]:
    """Give the room's people, and say what goes wrong with them in words."""
    from room.people import People
    from room.person import NoSuchPersonError, RevokedError

    store = context.store()
    try:
        yield People(store)
    except NoSuchPersonError as error:
        raise Problem(str(error), f"Let them in: room user add {error.login}") from error
    except RevokedError as error:
        raise Problem(str(error), f"Let them back in: room user add {error.login}") from error
    except OSError as error:
        raise from_os_error(error) from error
    except ValueError as error:
        raise Problem(f"{error}.") from error
    finally:
        store.close()


def _print_link(token: Token) -> None:
    from room.tokens import link as login_link

    click.echo(login_link(context.settings().address, token))


def _described(person: Person) -> str:
    classes = f", in {', '.join(person.classes)}" if person.classes else ""
    return f"{person.login} is in the room{classes}{' (admin)' if person.admin else ''}."


@contextmanager
def _links_file(out: Path | None) -> Iterator[Callable[[Sequence[tuple[Entry, Token]]], None]]:
    """Give what writes the links; the file goes again when the import does not come about."""
    written: list[Path] = []

    def deliver(made: Sequence[tuple[Entry, Token]]) -> None:
        if out is not None:
            handle = _create(out)
            written.append(out)
            _write_links(handle, made)

    try:
        yield deliver
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _create(out: Path) -> int:
    """Open a new file that only its owner can read; an existing one is left alone."""
    try:
        return os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Problem(
            f"The file {out} exists; nothing was imported.", "Name another file for the links."
        ) from error


def _write_links(handle: int, made: Sequence[tuple[Entry, Token]]) -> None:
    from room.tokens import link as login_link

    address = context.settings().address
    # With a byte order mark spreadsheets read names in any script as what they are.
    with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["login", "name", "class", "link"])
        for entry, token in made:
            cells = [entry.login, entry.name, " ".join(entry.classes)]
            writer.writerow([*map(_harmless, cells), login_link(address, token)])


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _report(done: Imported, out: Path | None) -> None:
    click.echo(
        f"{len(done.added)} added, {len(done.updated)} changed, {len(done.unchanged)} as they were."
    )
    if done.still_revoked:
        click.echo(
            f"Revoked before, and still out: {', '.join(done.still_revoked)}. "
            "To let one back in: room user add LOGIN"
        )
    if out is not None:
        click.echo(f"{len(done.links)} login links are in {out}. Send each to its person alone.")


def _print_csv(found: Sequence[Person]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["login", "name", "class", "admin", "links", "last_login", "revoked"])
    for person in found:
        dates = [person.last_login_at, person.revoked_at]
        writer.writerow(
            [
                *map(_harmless, [person.login, person.name, " ".join(person.groups)]),
                "yes" if person.admin else "no",
                person.links,
                *(f"{when:%Y-%m-%dT%H:%M:%SZ}" if when else "" for when in dates),
            ]
        )
    click.echo(text.getvalue(), nl=False)


def _print_table(found: Sequence[Person]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("Login", "Name", "Classes", "Link", "Last login", box=None, pad_edge=False)
    now = datetime.now(timezone.utc)
    for person in found:
        state = "revoked" if person.revoked_at else f"{person.links}" if person.links else "none"
        table.add_row(
            Text(person.login + (" (admin)" if person.admin else "")),
            Text(person.name),
            Text(", ".join(person.groups)),
            Text(state, style="red" if person.revoked_at else ""),
            Text(_ago(person.last_login_at, now)),
        )
    Console().print(table)


def _ago(when: datetime | None, now: datetime) -> str:
    if when is None:
        return "never"
    minutes = int((now - when).total_seconds() // 60)
    if minutes < 60:
        return f"{max(minutes, 0)} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{when:%Y-%m-%d}"
