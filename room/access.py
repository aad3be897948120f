"""Whether somebody may come in now, and in which classes they are. Pure.

A membership is over when its last moment has passed, or while its class is archived. It stays
written down all the same: restoring a class brings everyone back as they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from room.person import Membership, Person

if TYPE_CHECKING:
    from room.roles import Role

#: Why somebody is kept out: by the admin, because their own time is over, or because every class
#: that they were in is over.
Closed = Literal["", "revoked", "expired", "classes-over"]


def lives(membership: Membership, now: datetime) -> bool:
    """Say whether a membership holds."""
    over = membership.until is not None and membership.until <= now
    return not over and membership.archived_at is None


def roles(person: Person, now: datetime) -> dict[str, Role]:
    """Return the classes that somebody is in, each with their role there.

    The provider names a class and no role: then the admin's word about it counts, or student.
    """
    found: dict[str, Role] = {}
    for membership in person.memberships:
        if lives(membership, now):
            known = found.get(membership.class_name, "student")
            found[membership.class_name] = known if known != "student" else membership.role
    return found


def groups(person: Person, now: datetime) -> tuple[str, ...]:
    """Return the groups that the hub gives somebody: the classes they are in, by name."""
    return tuple(sorted(roles(person, now)))


def closed(person: Person, now: datetime) -> Closed:
    """Say why somebody is kept out; empty: they may come in.

    Who is in no class at all was let in by name. Who was in classes, and in none that still
    goes on, is out with them, unless they are an admin.
    """
    if person.revoked_at is not None:
        return "revoked"
    if person.until is not None and person.until <= now:
        return "expired"
    if person.admin or not person.memberships:
        return ""
    return "" if any(lives(each, now) for each in person.memberships) else "classes-over"


def end(person: Person, now: datetime) -> datetime | None:
    """Return the moment from which time alone keeps somebody out who may come in now, or None."""
    classes = [each.until for each in person.memberships if lives(each, now)]
    # One class without an end is enough to stay; an admin, and who is in none, needs none.
    stays = person.admin or not classes or None in classes
    ends = (person.until, None if stays else max(until for until in classes if until is not None))
    return min((until for until in ends if until is not None), default=None)


def next_change(people: Iterable[Person], now: datetime) -> datetime | None:
    """Return the next moment at which time alone changes who is in, or None."""
    ends = (
        until
        for person in people
        for until in (person.until, *(each.until for each in person.memberships))
        if until is not None and until > now
    )
    return min(ends, default=None)
