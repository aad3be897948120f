"""Classes and roles → JupyterHub's groups, roles and scopes. Pure.

A class is a group. Who is an assistant or an instructor of it has a role of the hub whose scopes
are filtered to that class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from room import access
from room.person import Person
from room.roles import MAY, STAFF, Act, Role, openable, staff
from room.roster import CLASS

#: What each act needs, without its filter. ``open`` is filtered to users, the rest to the class.
SCOPES: Mapping[Act, tuple[str, ...]] = {
    "see": (
        "list:users",
        "read:users:name",
        "read:users:activity",
        "read:servers",
        "list:groups",
        "read:groups",
    ),
    "open": ("access:servers",),
    "stop": ("delete:servers",),
    "start": ("start:servers",),
    "give": (),
    "collect": (),
    "publish": (),
    "link": (),
}
#: What no filter can be put on: JupyterHub's page of people, which shows what the others let it.
PAGE = "admin-ui"

#: All roles of the room's own begin with it.
PREFIX = "class-"


@dataclass(frozen=True, slots=True)
class ClassRole:
    """A role of the hub: its scopes, and who has it."""

    description: str
    scopes: tuple[str, ...]
    users: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the hub has to know: the groups of each login, and the room's roles by name."""

    groups: Mapping[str, frozenset[str]]
    roles: Mapping[str, ClassRole]

    def groups_of(self, login: str) -> frozenset[str]:
        return self.groups.get(login, frozenset())


def role_name(class_name: str, role: Role) -> str:
    """Return what the hub calls the role. Its own last word keeps two classes' names apart."""
    return f"{PREFIX}{class_name}-{role}"


def wanted(people: Iterable[Person], now: datetime) -> Wanted:
    """Return the groups and the roles that follow from who is in which class."""
    people = tuple(people)
    holders: dict[tuple[str, Role], set[str]] = {}
    for person in people:
        for class_name, role in staff(person, now).items():
            # What a provider calls its groups is not ours to check, and never becomes a filter.
            if CLASS.fullmatch(class_name):
                holders.setdefault((class_name, role), set()).add(person.login)
    return Wanted(
        groups={person.login: frozenset(access.groups(person, now)) for person in people},
        roles={
            role_name(class_name, role): ClassRole(
                f"{role} of {class_name}",
                scopes(class_name, role, openable(people, class_name, now)),
                frozenset(logins),
            )
            for (class_name, role), logins in holders.items()
        },
    )


def scopes(class_name: str, role: Role, students: Iterable[str]) -> tuple[str, ...]:
    """Return what a role may do in a class, in the hub's words; ``students`` may be opened."""
    if role not in STAFF:
        return ()
    found = [PAGE]
    for act in sorted(MAY[role]):
        for scope in SCOPES[act]:
            if act == "open":
                found += [f"{scope}!user={login}" for login in sorted(students)]
            else:
                found.append(f"{scope}!group={class_name}")
    return tuple(found)
