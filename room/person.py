"""A person, and the verdicts on their tokens: the values that ``room.people`` gives out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from room.roster import Entry
from room.tokens import Token


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who was let in. ``links`` counts the tokens that can still be used.

    ``classes`` are the admin's word, ``claimed`` the provider's at the last login by OAuth.
    """

    login: str
    name: str = ""
    admin: bool = False
    classes: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()
    added_at: datetime | None = None
    revoked_at: datetime | None = None
    last_login_at: datetime | None = None
    oauth_subject: str | None = None
    links: int = 0

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that the hub gives them: both words together."""
        return tuple(sorted({*self.classes, *self.claimed}))


@dataclass(frozen=True, slots=True)
class Accepted:
    """A right token, whose it is, and whether using it uses it up."""

    login: str
    token_id: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A wrong token: ``reason`` for logs and tests, ``login`` when the id is somebody's.

    reason: unreadable | unknown | other-login | used | expired | revoked
    """

    reason: str
    login: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. Revoked people stay out until they are added by name."""

    added: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    still_revoked: tuple[str, ...]
    links: tuple[tuple[Entry, Token], ...] = ()


class NoSuchPersonError(LookupError):
    """Nobody has this login. The text says so, and what to do."""

    def __init__(self, login: str) -> None:
        super().__init__(f"Nobody in this room has the login {login!r}.")
        self.login = login


class RevokedError(PermissionError):
    """A revoked person was to get a new link."""

    def __init__(self, login: str, when: datetime) -> None:
        super().__init__(f"{login} was revoked on {when:%Y-%m-%d %H:%M} UTC.")
        self.login = login


class SubjectTakenError(PermissionError):
    """The provider knows somebody else under this login than the one who came first."""
