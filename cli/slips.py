"""``room user slips``: a class's login links on paper, a card each, with a code to scan."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from cli import context
from cli.errors import Problem
from cli.people import opened, private

if TYPE_CHECKING:
    from room.person import Person
    from room.slips import Slip
    from room.tokens import Token


@click.command()
@click.argument("class_name", metavar="CLASS")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Write the page here.")
@click.option("--all-links", is_flag=True, help="Slips for who has a link too; old ones go on.")
def slips(class_name: str, out: Path, all_links: bool) -> None:
    """Write a page to print: a card for each person of CLASS, with a new link and its QR code.

    Only who has no link yet gets one, and so a card: a link that exists is stored
    as a hash, and cannot be shown again.
    """
    from room.person import NoSuchClassError
    from room.slips import members

    class_name = class_name.strip().lower()
    rest: list[str] = []
    with opened() as people, _new_file(out) as handle:
        now = people.clock()

        def choose(everybody: Sequence[Person]) -> list[Person]:
            found = members(everybody, class_name, now)
            if not found:
                raise NoSuchClassError(class_name)
            chosen = [person for person in found if all_links or not person.links]
            rest.extend(person.login for person in found if person not in chosen)
            return chosen

        made = people.give_links(choose, deliver=lambda made: _write(handle, class_name, made, now))
    click.echo(f"1 slip is in {out}." if len(made) == 1 else f"{len(made)} slips are in {out}.")
    if rest:
        click.echo(f"Have a link already, and so no slip: {', '.join(rest)}.")
    click.echo("Print it, give each slip to its person alone, then delete the file.")


@contextmanager
def _new_file(out: Path) -> Iterator[IO[str]]:
    """Give a new private file, which goes again when its links do not come about."""
    with os.fdopen(private(out, "no link was made"), "w", encoding="utf-8") as file:
        try:
            yield file
        except BaseException:
            out.unlink(missing_ok=True)
            raise


def _write(
    file: IO[str], class_name: str, made: Sequence[tuple[Person, Token]], now: datetime
) -> None:
    from room.slips import card

    if not made:
        raise Problem(
            f"Everyone in {class_name} has a link already, so there is no slip to print.",
            "For new links beside the old ones add --all-links.",
        )
    settings = context.settings()
    cards = [card(person, token, settings.address, now) for person, token in made]
    file.write(page(class_name, cards, ZoneInfo(settings.timezone)))
    file.flush()


def page(class_name: str, slips: Sequence[Slip], zone: ZoneInfo) -> str:
    """Return the page of these slips as HTML that loads nothing from anywhere."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True
    )
    environment.filters["when"] = lambda moment: f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
    return environment.get_template("slips.html").render(class_name=class_name, slips=slips)
