"""What a role in a class allows, and to whom. A table and two rules, pure.

JupyterHub carries them out: ``spawner.class_roles`` says each act in its scopes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, get_args

from room import access
from room.person import Person
from room.said import said

Role = Literal["student", "assistant", "instructor"]
#: From the least to the most.
ROLES: tuple[Role, ...] = get_args(Role)

#: ``see``: who is in the class, and what of it runs. ``open``: work in a student's server, to
#: help. ``stop``, ``start``: a server of somebody in the class. ``give``: divide what the class has
#: among its people. ``collect``: read what everybody has handed in. ``publish``: write in the
#: class's folder. ``link``: make new login links for its students. These four are no scopes of
#: JupyterHub's: the console gives and makes links, and the other two are what a server of theirs
#: has mounted (``room.classdirs``).
Act = Literal["see", "open", "stop", "start", "give", "collect", "publish", "link"]

#: What each role may do in its own class. An admin's rights are JupyterHub's own, in every class.
MAY: Mapping[Role, frozenset[Act]] = {
    "student": frozenset(),
    "assistant": frozenset({"see", "open", "stop", "collect"}),
    "instructor": frozenset({"see", "open", "stop", "start", "give", "collect", "publish", "link"}),
}
STAFF: tuple[Role, ...] = tuple(role for role in ROLES if MAY[role])

ROLE_RULE = said("a role is %(others)s or %(last)s", others=", ".join(ROLES[:-1]), last=ROLES[-1])


def normalize_role(text: str) -> Role:
    """Return the role that a text names. Raises ``ValueError`` with the rule."""
    word = text.strip().lower()
    found = next((role for role in ROLES if role == word), None)
    if found is None:
        raise ValueError(
            said("%(text)s is no role: %(rule)s", text=repr(text[:40]), rule=ROLE_RULE)
        )
    return found


def staff(person: Person, now: datetime) -> dict[str, Role]:
    """Return the classes in which somebody has a role beyond a student's, and which."""
    if access.closed(person, now):
        return {}
    return {name: role for name, role in access.roles(person, now).items() if role in STAFF}


def openable(people: Iterable[Person], class_name: str, now: datetime) -> tuple[str, ...]:
    """Return whose servers the staff of a class may open.

    Who works in somebody's server works as that person. So whoever may do more than a student
    anywhere, an admin above all, is left out: else their rights could be had through their server.
    """
    return tuple(
        person.login
        for person in people
        if access.roles(person, now).get(class_name) == "student"
        and not person.admin
        and not person.guest
        and not staff(person, now)
    )
