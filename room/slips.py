"""Login slips: who of a class gets one, and what stands on each card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import segno

from room import access
from room.person import Person
from room.roles import openable
from room.said import said
from room.tokens import Token
from room.tokens import link as login_link


@dataclass(frozen=True, slots=True)
class Slip:
    """One card. ``code`` is the link's QR code as SVG, ``until`` when the link ends, if ever."""

    login: str
    name: str
    link: str
    code: str
    until: datetime | None


def members(people: Iterable[Person], class_name: str, now: datetime) -> tuple[Person, ...]:
    """Return who is in a class and may come in."""
    return tuple(
        person
        for person in people
        if class_name in access.roles(person, now)
        and not access.closed(person, now)
        and not person.guest
    )


def by_staff(people: Sequence[Person], class_name: str, now: datetime) -> tuple[Person, ...]:
    """Return for whom an instructor of a class may make links.

    Who has somebody's link can be that person. So nobody's is made who may do more than a student
    anywhere, as their servers are not opened.
    """
    may = frozenset(openable(people, class_name, now))
    return tuple(each for each in members(people, class_name, now) if each.login in may)


def by_admin(people: Iterable[Person], now: datetime) -> tuple[Person, ...]:
    """Return for whom an admin may make links on a page: for nobody who is an admin, too.

    Else one admin could act in another's name, and the audit would tell of the other.
    """
    return tuple(each for each in people if not each.admin and not access.closed(each, now))


def picked(people: Sequence[Person], logins: Iterable[str]) -> tuple[Person, ...]:
    """Return those of some people who were ticked. Raises ``ValueError`` in words."""
    known = {each.login: each for each in people}
    wanted = dict.fromkeys(logins)
    if not wanted:
        raise ValueError(said("nobody is ticked: tick who is to get a slip"))
    for login in wanted:
        if login not in known:
            # The same words for who is in another class, and for nobody.
            raise ValueError(
                said(
                    "there is no slip to make for %(login)s here: tick people of the table",
                    login=login[:64],
                )
            )
    return tuple(known[login] for login in wanted)


def card(
    person: Person, token: Token, address: str, now: datetime, until: datetime | None = None
) -> Slip:
    """Return somebody's card. ``until`` is the token's own end; the person's may come before."""
    link = login_link(address, token)
    # Level M still reads with a seventh of the code dirty or folded.
    code = segno.make(link, error="m", micro=False).svg_inline(omitsize=True, border=2)
    ends = [each for each in (until, access.end(person, now)) if each is not None]
    return Slip(person.login, person.name, link, code, min(ends, default=None))
