"""The folder of a class and what is handed in there: who has which, and where. Pure.

A class's name and a login are names of directories as they stand: by their rules each begins with a
letter or a digit, has no slash, and two that differ are two directories.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from room import access
from room.models import Bind
from room.names import LOGIN
from room.person import Person
from room.roles import MAY
from room.roster import CLASS

#: Where the folders of somebody's classes are in their servers.
ROOT = "/class"
#: The directory of a class's folder where work is handed in, there and on the host.
HAND_IN = "hand-in"

#: own: the one directory of who asks. all: everybody's, each by its login.
HandIn = Literal["own", "all"]


@dataclass(frozen=True, slots=True)
class ClassDir:
    """One class's folder in one server, and what of its hand-ins is there."""

    class_name: str
    writable: bool
    hand_in: HandIn


def of(login: str, person: Person | None, now: datetime) -> tuple[ClassDir, ...]:
    """Return the folders that the next server of ``login`` has, by class.

    It is membership that counts: an admin in no class has none. A group of a provider whose name no
    roster could say has no folder, as it has nobody who could write in one. ``person`` is who was
    found by the login, which a look-up normalizes: what another hands in is nobody else's.
    """
    if person is None or person.login != login or access.closed(person, now):
        return ()
    return tuple(
        ClassDir(
            class_name,
            writable="publish" in MAY[role],
            hand_in="all" if "collect" in MAY[role] else "own",
        )
        for class_name, role in sorted(access.roles(person, now).items())
        if CLASS.fullmatch(class_name)
    )


def binds(found: ClassDir, folder: str, hand_in: str) -> tuple[Bind, Bind]:
    """Return what to mount: the two directories of the host, at their places in a server."""
    at = f"{ROOT}/{found.class_name}"
    return (
        Bind(folder, at, read_only=not found.writable),
        # Work that was handed in is its student's: who reads it changes nothing in it.
        Bind(hand_in, f"{at}/{HAND_IN}", read_only=found.hand_in == "all"),
    )


def directory(class_name: str) -> str:
    """Return the name of a class's directory on the host. Raises ``ValueError``."""
    if not CLASS.fullmatch(class_name):
        raise ValueError(f"{class_name[:40]!r} is no class name")
    return class_name


def hand_in_directory(login: str) -> str:
    """Return the name of what somebody hands in: staff find it by the login. Raises ValueError."""
    if not LOGIN.fullmatch(login):
        raise ValueError(f"{login[:40]!r} is no login")
    return login
