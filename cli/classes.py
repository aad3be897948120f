"""``room class``: the classes of the room, and putting one away at the end of its term."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cli.people import opened

if TYPE_CHECKING:
    from room.classes import Class


@click.group("class")
def class_() -> None:
    """List the classes, and put one away at the end of its term.

    A class is there as soon as somebody is in it: room user add alice --class ml101

    \b
    room class list              every class, its staff, and how many students it has
    room class archive ml101     close its logins; homes stay
    room class restore ml101     bring it back with everyone who was in it
    """


@class_.command("list")
def list_() -> None:
    """List the classes, those that are archived too."""
    from room.classes import Classes

    with opened() as people:
        found = Classes(people).all()
    if found:
        _print(found)
    else:
        click.echo("There is no class yet. Make one: room user add alice --class ml101")


@class_.command()
@click.argument("name", metavar="CLASS")
def archive(name: str) -> None:
    """End CLASS: nobody is in it any more, and who was in no other is kept out.

    Their servers are stopped within seconds, gracefully. Homes stay, and who was
    in the class is remembered. Admins, and people without any class, stay in.
    """
    from room.classes import Classes

    with opened() as people:
        moved = Classes(people).archive(name)
    click.echo(
        f"{moved.name} is archived: {_count(moved.changed)} kept out from now on, "
        f"{_count(moved.unchanged)} not in it alone, or out before. Homes are kept. "
        f"To bring it back: room class restore {moved.name}"
    )


@class_.command()
@click.argument("name", metavar="CLASS")
def restore(name: str) -> None:
    """Bring CLASS back, with everyone who was in it, their roles and their links."""
    from room.classes import Classes

    with opened() as people:
        moved = Classes(people).restore(name)
    click.echo(
        f"{moved.name} goes on: {_count(moved.changed)} back in, "
        f"{_count(moved.unchanged)} as before."
    )


def _count(logins: Sequence[str]) -> str:
    return f"{len(logins)} {'person' if len(logins) == 1 else 'people'}"


def _print(found: Sequence[Class]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        "Class", "Instructors", "Assistants", "Students", "State", box=None, pad_edge=False
    )
    for each in found:
        table.add_row(
            Text(each.name),
            Text(", ".join(each.instructors)),
            Text(", ".join(each.assistants)),
            str(len(each.students)),
            f"archived {each.archived_at:%Y-%m-%d}" if each.archived_at else "goes on",
        )
    Console().print(table)
