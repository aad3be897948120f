"""Who is signed in to the console.

Sessions are in memory: after a restart the hub signs everyone in again, without asking.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

#: Seconds: since a session was last used; for one sign-in.
SESSION_IDLE, SIGN_IN = 12 * 3600.0, 600.0
#: Beyond as many the oldest go: nobody fills the memory by asking.
MOST = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """``token`` is the hub's, for this person; ``csrf`` goes into each form."""

    token: str
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def allows(self, csrf: str) -> bool:
        """Say whether a form is one of this session's own pages."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in under way: the secret half of its code, and where it leads."""

    verifier: str
    then: str


class Shelf(Generic[T]):
    """Things under keys that nobody can guess, each for a time since it was last used."""

    def __init__(self, lifetime: float, clock: Callable[[], float] = monotonic) -> None:
        self._lifetime = lifetime
        self._clock = clock
        self._things: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def put(self, thing: T) -> str:
        """Keep a thing; return its key."""
        key = secrets.token_urlsafe(32)
        self._things[key] = (self._clock(), thing)
        while len(self._things) > MOST:
            self._things.popitem(last=False)
        return key

    def replace(self, key: str, thing: T) -> None:
        """Keep another thing under a key."""
        self._things[key] = (self._clock(), thing)

    def get(self, key: str) -> T | None:
        """Return what is under a key, and begin its time anew."""
        found = self._things.get(key)
        if found is None or self._clock() - found[0] > self._lifetime:
            self._things.pop(key, None)
            return None
        self._things[key] = (self._clock(), found[1])
        self._things.move_to_end(key)
        return found[1]

    def take(self, key: str) -> T | None:
        """Return what is under a key; it is there no more."""
        found = self.get(key)
        self._things.pop(key, None)
        return found
