"""What a roster's entry changes about somebody: for the preview, and for doing it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from room.person import Person
from room.roles import Role
from room.roster import Entry
from room.said import said

#: As an entry's ``until``: take an end away that was set before.
NEVER = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that becomes another: ``name``, or ``role in ml101``; empty where there is none.

    Words of ours remember that they are (``room.said``); a name is somebody's own.
    """

    what: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.what}: {self.old or 'none'} → {self.new or 'none'}"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A membership as it is to be written; ``new`` when there is none yet."""

    class_name: str
    role: Role
    until: datetime | None
    new: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one person. ``fields`` is for reading, the rest is what is written.

    ``values`` are new values of the person's own row.
    """

    login: str
    kind: Literal["added", "changed", "unchanged"]
    fields: tuple[Field, ...] = ()
    values: tuple[tuple[str, Any], ...] = ()
    enrolments: tuple[Enrolment, ...] = ()


def change(before: Person | None, entry: Entry) -> Change:
    """Return what an entry makes of somebody; ``before`` is None for who is not in yet."""
    fields: list[Field] = []
    values: list[tuple[str, Any]] = []
    old_name = before.name if before else ""
    if entry.name not in ("", old_name):
        fields.append(Field(said("name"), old_name, entry.name))
        values.append(("name", entry.name))
    enrolments = _enrolments(before, entry, fields)
    # Who is put into classes gets an end of these; who is not, of everything.
    old_until = before.until if before else None
    until = _end(None if entry.classes else entry.until, old_until)
    if until != old_until:
        fields.append(Field(said("until"), moment(old_until), moment(until)))
        values.append(("until", until))
    kind: Literal["added", "changed", "unchanged"]
    kind = "added" if before is None else "changed" if fields else "unchanged"
    return Change(entry.login, kind, tuple(fields), tuple(values), enrolments)


def _enrolments(before: Person | None, entry: Entry, fields: list[Field]) -> tuple[Enrolment, ...]:
    has = before.enrolled if before else {}
    roles = dict(entry.roles)
    found = []
    for class_name in entry.classes:
        old = has.get(class_name)
        old_role, old_until = (old.role, old.until) if old else ("", None)
        role = roles.get(class_name) or (old.role if old else "student")
        until = _end(entry.until, old_until)
        if old_role != role:
            what = said("role in %(name)s", name=class_name)
            fields.append(Field(what, said(old_role) if old_role else "", said(role)))
        if old_until != until:
            what = said("in %(name)s until", name=class_name)
            fields.append(Field(what, moment(old_until), moment(until)))
        if (old_role, old_until) != (role, until):
            found.append(Enrolment(class_name, role, until, new=old is None))
    return tuple(found)


def _end(said: datetime | None, old: datetime | None) -> datetime | None:
    """Return the end that holds from now on: what is said, where something is."""
    return old if said is None else None if said == NEVER else said


def digest(changes: Iterable[Change]) -> str:
    """Return a short name of exactly these changes, the same for the same ones in any order."""
    said = sorted(f"{each.login}|{each.kind}|{'|'.join(map(str, each.fields))}" for each in changes)
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]


def moment(when: datetime | None) -> str:
    """Return a moment as the audit has it; empty for none."""
    return "" if when is None else f"{when:%Y-%m-%d %H:%M} UTC"
