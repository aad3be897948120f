"""``room user``: let people in, and make or revoke their login links."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import click

from cli import roster, slips
from cli.people import RoleName, Span, address_of, classes_of, moment, opened

if TYPE_CHECKING:
    from room.person import Person
    from room.roles import Role


@click.group()
def user() -> None:
    """Let people in, and make or revoke their login links.

    \b
    room user add alice --class ml101      let alice in and print the link to send
    room user role bob ml101 instructor    let bob help in ml101, and only there
    room user import roster.csv --links links.csv
    room user revoke alice                 keep alice out from now on
    """


@user.command()
@click.argument("login")
@click.option("--class", "classes", multiple=True, metavar="CLASS", help="Put into this class.")
@click.option("--role", type=RoleName(), help="In these classes: student, assistant, instructor.")
@click.option("--until", metavar="TIME", help="An end, or never; with --class, in these alone.")
@click.option("--admin/--no-admin", default=None, help="May do everything in the room, or not.")
@click.option("--name", default="", help="The name to show.")
@click.option("--no-link", is_flag=True, help="Make no login link, for who comes in by OAuth.")
def add(
    login: str,
    classes: Sequence[str],
    role: Role | None,
    until: str | None,
    admin: bool | None,
    name: str,
    no_link: bool,
) -> None:
    """Let LOGIN in, and print the login link to send.

    Somebody who is in already keeps link and classes; a revoked person is back.
    """
    if role and not classes:
        raise click.UsageError("--role needs the class it is for: add --class ml101.")
    with opened() as people:
        ends = moment(until)
        person = people.add(login, classes, admin=admin, name=name, role=role, until=ends)
        click.echo(_described(person), err=True)
        if not no_link and not person.links:
            click.echo(address_of(people.link(login)))
        elif person.links:
            click.echo(f"The link stays. For a new one: room user link {person.login}", err=True)


@user.command()
@click.argument("login")
@click.argument("class_name", metavar="CLASS")
@click.argument("role", type=RoleName())
def role(login: str, class_name: str, role: Role) -> None:
    """Make LOGIN a student, assistant or instructor of CLASS, from the next click on.

    An assistant sees the class, opens its students' servers and stops servers; an
    instructor starts them, too. Neither sees anything of other classes.
    """
    with opened() as people:
        click.echo(_described(people.set_role(login, class_name, role)))


@user.command()
@click.argument("login")
@click.option("--once", is_flag=True, help="Works for one login, within 24 hours.")
@click.option("--expires", type=Span(), help="Stop working after this time: 30m, 24h, 90d, 2w.")
@click.option("--keep", is_flag=True, help="Let the links made before go on working.")
def link(login: str, once: bool, expires: timedelta | None, keep: bool) -> None:
    """Print a new login link for LOGIN. The link made before stops working."""
    with opened() as people:
        click.echo(address_of(people.link(login, once=once, life=expires, keep=keep)))


@user.command()
@click.argument("login")
def revoke(login: str) -> None:
    """Keep LOGIN out from now on, whatever link, session or provider they have.

    Their home and a server that runs are left as they are.
    """
    with opened() as people:
        person = people.revoke(login)
    click.echo(f"{person.login} is out. To let them back in: room user add {person.login}")


@user.command()
@click.argument("login")
@click.option("--class", "classes", multiple=True, metavar="CLASS", help="Only from this class.")
@click.option("--account", is_flag=True, help="Only forget which OAuth account the login is.")
@click.confirmation_option("--yes", prompt="Remove? The home directory stays")
def remove(login: str, classes: Sequence[str], account: bool) -> None:
    """Remove LOGIN from the room, or only from a class. The home directory stays."""
    with opened() as people:
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
    with opened() as people:
        found = people.all(class_name.strip().lower())
    if as_csv:
        _print_csv(found)
    elif found:
        _print_table(found)
    else:
        where = f"in {class_name}" if class_name else "in this room"
        click.echo(f"There is nobody {where} yet. Let someone in: room user add alice")


def _described(person: Person) -> str:
    from room import access

    now = datetime.now(timezone.utc)
    names = classes_of(person, now)
    classes = f", in {', '.join(names)}" if names else ""
    if access.closed(person, now):
        return (
            f"{person.login} is known, but their time is over. To give them more: "
            f"room user add {person.login} --until never, with --class for a class."
        )
    until = f", until {person.until:%Y-%m-%d %H:%M} UTC" if person.until else ""
    return f"{person.login} is in the room{classes}{until}{' (admin)' if person.admin else ''}."


def _print_csv(found: Sequence[Person]) -> None:
    from room.sheet import harmless

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["login", "name", "class", "admin", "links", "last_login", "revoked"])
    now = datetime.now(timezone.utc)
    for person in found:
        dates = [person.last_login_at, person.revoked_at]
        writer.writerow(
            [
                *map(harmless, [person.login, person.name, " ".join(classes_of(person, now))]),
                "yes" if person.admin else "no",
                person.links,
                *(f"{when:%Y-%m-%dT%H:%M:%SZ}" if when else "" for when in dates),
            ]
        )
    click.echo(text.getvalue(), nl=False)


#: In the place of how many links work, when none does.
_STATES = {"": "", "revoked": "revoked", "expired": "over", "classes-over": "class over"}


def _print_table(found: Sequence[Person]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from room import access

    table = Table("Login", "Name", "Classes", "Link", "Last login", box=None, pad_edge=False)
    now = datetime.now(timezone.utc)
    for person in found:
        state = _STATES[access.closed(person, now)] or str(person.links or "none")
        table.add_row(
            Text(person.login + (" (admin)" if person.admin else "")),
            Text(person.name),
            Text(", ".join(classes_of(person, now))),
            Text(state, style="red" if access.closed(person, now) else ""),
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


user.add_command(roster.import_)
user.add_command(slips.slips)
