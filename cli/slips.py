"""``room user slips``: a class's login links on paper, a card each, with a code to scan."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from cli.errors import Problem
from cli.people import address_of, opened, private

if TYPE_CHECKING:
    from room.person import Person
    from room.roster import Entry
    from room.tokens import Token


@dataclass(frozen=True, slots=True)
class Slip:
    """One card; ``code`` is the link's QR code as SVG."""

    login: str
    name: str
    link: str
    code: str


@click.command()
@click.argument("class_name", metavar="CLASS")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Write the page here.")
@click.option("--all-links", is_flag=True, help="Slips for who has a link too; old ones go on.")
def slips(class_name: str, out: Path, all_links: bool) -> None:
    """Write a page to print: a card for each person of CLASS, with a new link and its QR code.

    Only who has no link yet gets one, and so a card: a link that exists is stored
    as a hash, and cannot be shown again.
    """
    from room import access
    from room.person import NoSuchClassError
    from room.roster import Entry

    class_name = class_name.strip().lower()
    with opened() as people:
        now = people.clock()
        members = {
            person.login: person
            for person in people.all(class_name)
            if class_name in access.roles(person, now) and not access.closed(person, now)
        }
        if not members:
            raise NoSuchClassError(class_name)
        with _new_file(out) as handle:
            done = people.import_roster(
                [Entry(login) for login in members],
                links="all" if all_links else "missing",
                deliver=lambda made: _write(handle, class_name, made, members),
            )
    click.echo(f"{len(done.links)} slips are in {out}.")
    rest = sorted(members.keys() - {entry.login for entry, _token in done.links})
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
    file: IO[str],
    class_name: str,
    made: Sequence[tuple[Entry, Token]],
    members: Mapping[str, Person],
) -> None:
    if not made:
        raise Problem(
            f"Everyone in {class_name} has a link already, so there is no slip to print.",
            "For new links beside the old ones add --all-links.",
        )
    slips = [_slip(members[entry.login], address_of(token)) for entry, token in made]
    file.write(page(class_name, slips))
    file.flush()


def _slip(person: Person, link: str) -> Slip:
    import segno

    # Level M still reads with a seventh of the code dirty or folded.
    code = segno.make(link, error="m", micro=False).svg_inline(omitsize=True, border=2)
    return Slip(person.login, person.name, link, code)


def page(class_name: str, slips: Sequence[Slip]) -> str:
    """Return the page of these slips as HTML that loads nothing from anywhere."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True
    )
    return environment.get_template("slips.html").render(class_name=class_name, slips=slips)
