"""Throwaway people: made for a check, with a token that ends by itself, and forgotten after."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from cli.errors import Problem

if TYPE_CHECKING:
    from room.store import Store

NAME = "room-smoke"

#: Only these may be made and forgotten by a check: they are no one's.
ALLOWED = re.compile(rf"{NAME}(-[a-z0-9]+)*")

#: Should the cleaning up be killed too, the token is dead after this.
LIFE = timedelta(hours=2)


def check_name(name: str) -> str:
    """Return ``name``, or raise ``Problem`` when it may belong to a person."""
    if not ALLOWED.fullmatch(name):
        raise Problem(
            f"{name} may be a person: a check stops servers and writes into the home.",
            f"Choose a name that begins with {NAME}, like {NAME}-2.",
        )
    return name


def invite(store: Store, name: str) -> str:
    """Let the guest in and return a fresh token; earlier ones stop working."""
    from room.people import People

    people = People(store)
    people.add(check_name(name), name="room smoke")
    return str(people.link(name, life=LIFE))


def forget(store: Store, name: str) -> None:
    """Forget the guest and every token. The home stays: only an admin's command deletes one."""
    from room.people import People
    from room.person import NoSuchPersonError

    try:
        People(store).remove(check_name(name))
    except NoSuchPersonError:
        return
