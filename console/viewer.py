"""Who looks at a page, and what they may see and do there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from room import access
from room.datasets.rights import Who
from room.person import Person
from room.plans.authority import Actor
from room.roles import MAY, Act, Role, staff
from room.roster import CLASS


@dataclass(frozen=True, slots=True)
class Viewer:
    """``staff``: the classes in which they have a role beyond a student's, and which."""

    login: str
    name: str = ""
    admin: bool = False
    classes: tuple[str, ...] = ()
    staff: Mapping[str, Role] = field(default_factory=dict)

    def may(self, act: Act, class_name: str) -> bool:
        """Say whether they may do something in a class."""
        role = self.staff.get(class_name)
        return self.admin or (role is not None and act in MAY[role])

    def actor(self, origin: str, behalf: str = "") -> Actor:
        """Return them as who changes a plan; an admin acts in nobody's name."""
        return Actor(self.login, origin, "" if self.admin else behalf)


def of(login: str, person: Person | None, now: datetime) -> Viewer | None:
    """Return who somebody is here; None: they may not come in any more.

    Whom the hub knows and the room does not is in no class.
    """
    if person is None:
        return Viewer(login)
    if access.closed(person, now):
        return None
    classes = access.groups(person, now)
    return Viewer(login, person.name, person.admin, classes, staff(person, now))


def who_of(viewer: Viewer) -> Who:
    """Return somebody as the rules of datasets know them.

    A group of a provider whose name no roster could say is no class to publish for.
    """
    teaches = {
        name
        for name, role in viewer.staff.items()
        if "publish" in MAY[role] and CLASS.fullmatch(name)
    }
    return Who(viewer.login, viewer.admin, frozenset(viewer.classes), frozenset(teaches))
