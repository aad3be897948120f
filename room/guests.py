"""Throwaway students of a rehearsal: their names, which no person can be mistaken for. Pure."""

from __future__ import annotations

import re
import secrets

PREFIX = "room-rehearse-"
_GUEST = re.compile(rf"{PREFIX}[0-9a-f]{{6}}-[0-9]{{1,3}}")
#: So many students has a rehearsal at most: their numbers have three digits.
MOST = 999


def is_guest(login: str) -> bool:
    """Say whether a login is a rehearsal's: no list of people shows whose it is."""
    return _GUEST.fullmatch(login) is not None


def logins(count: int) -> tuple[str, ...]:
    """Return the logins of a new rehearsal, which no earlier one has had."""
    run = secrets.token_hex(3)
    return tuple(f"{PREFIX}{run}-{number}" for number in range(1, count + 1))
