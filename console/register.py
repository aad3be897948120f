"""Who is in the room, for its admins: everybody, what a roster would change, and the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from console.desk import PAGE, Desk
from console.guard import Visit, require
from room import access, audit
from room.changes import NEVER, Change, digest
from room.classes import Class, Classes, Moved
from room.people import People
from room.person import Imported, Person
from room.plans import until
from room.roles import Role, normalize_role
from room.roster import Roster, normalize_class, read
from room.said import said
from room.sheet import LineProblem, SheetError
from room.values import readable_size

#: Bytes of a roster.
MOST_ROSTER = 1024**2


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody as the table shows them; ``classes`` are those they are in, with their role."""

    person: Person
    classes: tuple[tuple[str, Role], ...]
    closed: access.Closed


@dataclass(frozen=True, slots=True)
class Sheet:
    """A roster as a form or a program sends it; all but ``text`` is for the lines that say none."""

    text: str
    class_name: str = ""
    role: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a roster would change. ``code`` names exactly that; empty when nothing can be done."""

    changes: tuple[Change, ...] = ()
    problems: tuple[LineProblem, ...] = ()
    code: str = ""

    def count(self, kind: str) -> int:
        return sum(each.kind == kind for each in self.changes)


class Register:
    """What an admin sees and changes of people. Raises ``ValueError`` and ``LookupError`` in words.

    ``visit``: who asks, for the audit; anybody but an admin is refused.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # -- looking -----------------------------------------------------------------------------

    async def people(self, query: str, page: int) -> tuple[list[PersonRow], int]:
        """Return one page of everybody, also who is out, and how many there are.

        ``query``: a part of a login, a name, or a class.
        """
        return await self._desk.run(self._people, query.strip().casefold(), page)  # type: ignore[no-any-return]

    def _people(self, word: str, page: int) -> tuple[list[PersonRow], int]:
        found = [
            row
            for row in map(self._row, self._desk.people.all())
            if word in _searched(row.person).casefold()
        ]
        return found[page * PAGE : (page + 1) * PAGE], len(found)

    async def person(self, login: str) -> PersonRow:
        return self._row(await self._desk.run(self._desk.people.get, login))

    def _row(self, person: Person) -> PersonRow:
        now = self._desk.plans.clock()
        roles = tuple(sorted(access.roles(person, now).items()))
        return PersonRow(person, roles, access.closed(person, now))

    async def classes(self) -> list[Class]:
        return await self._desk.run(self._desk.classes.all)  # type: ignore[no-any-return]

    async def audit(
        self, word: str, page: int, size: int | None = PAGE
    ) -> tuple[list[audit.Entry], int]:
        """Return one page of what was done, newest first, and how many there are."""

        def ask() -> tuple[list[audit.Entry], int]:
            with self._desk.store.read() as connection:
                return audit.read(connection, word, page=page, size=size)

        return await self._desk.run(ask)  # type: ignore[no-any-return]

    # -- a roster ----------------------------------------------------------------------------

    async def preview(self, visit: Visit, sheet: Sheet) -> Preview:
        """Return what a roster would do now; nothing is changed."""
        roster = self._read(sheet)
        changes = await self._desk.run(self._as(visit).preview, roster.entries)
        done = any(each.kind != "unchanged" for each in changes)
        code = digest(changes) if done and not roster.problems else ""
        return Preview(changes, roster.problems, code)

    async def take_over(self, visit: Visit, sheet: Sheet, code: str) -> Imported:
        """Do what was shown under ``code``. Raises ``ChangedMeanwhileError``."""
        roster = self._read(sheet)
        if roster.problems or not code:
            raise ValueError(said("look at what would change first"))
        people = self._as(visit)
        return await self._desk.run(people.import_roster, roster.entries, as_shown=code)  # type: ignore[no-any-return]

    def _read(self, sheet: Sheet) -> Roster:
        text = sheet.text.encode()
        if len(text) > MOST_ROSTER:
            raise ValueError(
                said(
                    "a roster has at most %(most)s, and this one is %(more)s longer: import it in "
                    "parts",
                    most=readable_size(MOST_ROSTER),
                    more=readable_size(len(text) - MOST_ROSTER),
                )
            )
        try:
            return read(
                text,
                default_class=sheet.class_name.strip(),
                default_role=normalize_role(sheet.role) if sheet.role.strip() else None,
                until=self._moment(sheet.until),
            )
        except SheetError as error:
            return Roster((), error.problems)

    # -- one person, one class ---------------------------------------------------------------

    async def end(self, visit: Visit, login: str, text: str) -> None:
        """Let somebody's access end at a time, or never; nothing said: never."""
        self._not_oneself(visit, login)
        moment = self._moment(text) or NEVER
        person = await self._desk.run(self._desk.people.get, login)
        await self._desk.run(self._as(visit).add, person.login, until=moment)

    async def keep_out(self, visit: Visit, login: str) -> None:
        self._not_oneself(visit, login)
        await self._desk.run(self._as(visit).revoke, login)

    async def let_in(self, visit: Visit, login: str) -> None:
        """Let somebody back in, without a link until one is made."""
        person = await self._desk.run(self._desk.people.get, login)
        await self._desk.run(self._as(visit).add, person.login)

    async def enrol(self, visit: Visit, login: str, class_name: str, role: str, ends: str) -> None:
        """Put somebody into a class, or change what they are there."""
        person = await self._desk.run(self._desk.people.get, login)
        kind, moment = normalize_role(role or "student"), self._moment(ends)
        people = self._as(visit)
        await self._desk.run(people.add, person.login, [class_name], role=kind, until=moment)

    async def withdraw(self, visit: Visit, login: str, class_name: str) -> None:
        await self._desk.run(self._as(visit).leave, login, [normalize_class(class_name)])

    async def move(self, visit: Visit, name: str, act: Literal["archive", "restore"]) -> Moved:
        """Put a class away, or bring it back."""
        classes = Classes(self._as(visit))
        return await self._desk.run(classes.archive if act == "archive" else classes.restore, name)  # type: ignore[no-any-return]

    def _as(self, visit: Visit) -> People:
        require(visit.viewer.admin)
        desk = self._desk
        return People(desk.store, desk.people.clock, visit.viewer.login, visit.origin)

    def _not_oneself(self, visit: Visit, login: str) -> None:
        if login == visit.viewer.login:
            raise ValueError(said("that would lock yourself out: let another admin do it"))

    def _moment(self, text: str) -> datetime | None:
        """Return the end that is said, ``NEVER``, or None where nothing is."""
        text = text.strip()
        if not text or text.lower() == "never":
            return NEVER if text else None
        return until.parse(text, self._desk.plans.clock(), self._desk.plans.zone)


def _searched(person: Person) -> str:
    classes: Sequence[str] = [each.class_name for each in person.memberships]
    return " ".join([person.login, person.name, *classes])
