"""The classes of a room: who is in each, and putting one away at the end of its term."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from room import access, people_rows
from room.audit import note
from room.people import People
from room.person import NoSuchClassError, Person
from room.roster import normalize_class
from room.store.people_tables import archived_classes


@dataclass(frozen=True, slots=True)
class Class:
    """A class and its people by role; an archived one has those that it had."""

    name: str
    instructors: tuple[str, ...] = ()
    assistants: tuple[str, ...] = ()
    students: tuple[str, ...] = ()
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """What archiving or restoring a class did: to whose access, and whose went on as it was."""

    name: str
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]


def grouped(people: Iterable[Person], now: datetime) -> list[Class]:
    """Return the classes of these people, by name; an archived one as it was then. Pure."""
    found: dict[str, dict[str, str]] = {}
    archived: dict[str, datetime] = {}
    for person in people:
        for each in () if person.guest else person.memberships:
            members = found.setdefault(each.class_name, {})
            if each.archived_at is not None:
                archived[each.class_name] = each.archived_at
            if each.until is not None and each.until <= (each.archived_at or now):
                continue
            if each.role != "student" or person.login not in members:
                members[person.login] = each.role

    def having(name: str, role: str) -> tuple[str, ...]:
        return tuple(login for login, has in sorted(found[name].items()) if has == role)

    return [
        Class(
            name,
            instructors=having(name, "instructor"),
            assistants=having(name, "assistant"),
            students=having(name, "student"),
            archived_at=archived.get(name),
        )
        for name in sorted(found)
    ]


class Classes:
    """The classes of one room. Writes as ``people`` does, and in its actor's name."""

    def __init__(self, people: People) -> None:
        self.people = people

    def all(self) -> list[Class]:
        return grouped(self.people.all(), self.people.clock())

    def archive(self, name: str) -> Moved:
        """End a class: nobody is in it any more, and who was in no other is kept out.

        Homes and memberships stay. ``changed`` are those who are kept out from now on. Raises
        ``NoSuchClassError``. Archiving twice changes nothing.
        """
        return self._move(name, archive=True)

    def restore(self, name: str) -> Moved:
        """Bring a class back with everyone who was in it. Raises ``NoSuchClassError``."""
        return self._move(name, archive=False)

    def _move(self, name: str, *, archive: bool) -> Moved:
        people, now = self.people, self.people.clock()
        with people.store.decide() as connection:
            everybody = people_rows.read(connection, now)
            # A provider's group is a class too, and may have a name that no roster could say.
            name = name if _members(everybody, name) else normalize_class(name)
            before = _members(everybody, name)
            if not before:
                raise NoSuchClassError(name)
            mine = archived_classes.c.class_name == name
            is_archived = connection.execute(select(archived_classes).where(mine)).one_or_none()
            if archive and is_archived is None:
                connection.execute(
                    insert(archived_classes).values(class_name=name, archived_at=now)
                )
            elif not archive:
                connection.execute(delete(archived_classes).where(mine))
            if archive == (is_archived is None):
                action = "class-archive" if archive else "class-restore"
                note(connection, people.actor, action, name, "", now, people.origin)
                people_rows.raise_revision(connection)
            after = _members(people_rows.read(connection, now), name)
        changed = {
            login
            for login, person in after.items()
            if access.closed(person, now) != access.closed(before[login], now)
        }
        return Moved(name, tuple(sorted(changed)), tuple(sorted(after.keys() - changed)))


def _members(people: Iterable[Person], name: str) -> dict[str, Person]:
    return {
        person.login: person
        for person in people
        if any(each.class_name == name for each in person.memberships)
    }
