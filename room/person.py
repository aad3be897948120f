"""A person, and the verdicts on their tokens: the values that ``room.people`` gives out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from room.guests import is_guest
from room.said import said
from room.tokens import Token

if TYPE_CHECKING:
    from room.changes import Change
    from room.roles import Role
    from room.roster import Entry


@dataclass(frozen=True, slots=True)
class Membership:
    """That somebody is, or was, in a class: by the admin's word, or by the provider's claim.

    ``until`` is the moment it ends (aware, UTC), ``archived_at`` when its class was archived.
    What that means now is in ``room.access``.
    """

    class_name: str
    role: Role = "student"
    source: Literal["roster", "provider"] = "roster"
    until: datetime | None = None
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who was let in, until ``until`` if that is set.

    ``links`` counts the tokens that can still be used.
    """

    login: str
    name: str = ""
    admin: bool = False
    memberships: tuple[Membership, ...] = ()
    added_at: datetime | None = None
    revoked_at: datetime | None = None
    until: datetime | None = None
    last_login_at: datetime | None = None
    oauth_subject: str | None = None
    links: int = 0

    @property
    def guest(self) -> bool:
        """Whether it is a rehearsal's throwaway student, whom no list of a class shows."""
        return is_guest(self.login)

    @property
    def enrolled(self) -> dict[str, Membership]:
        """The classes that the admin put them into, over or not."""
        return {each.class_name: each for each in self.memberships if each.source == "roster"}


@dataclass(frozen=True, slots=True)
class Everyone:
    """All people as of one revision: a number that every change of who is in raises."""

    revision: int
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A right token, whose it is, and whether using it uses it up."""

    login: str
    token_id: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A wrong token: ``reason`` for logs and tests, ``login`` when the id is somebody's.

    reason: unreadable | unknown | other-login | used | expired | revoked | over
    """

    reason: str
    login: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, a change for each entry, and the links it made.

    Revoked people stay out until they are added by name.
    """

    changes: tuple[Change, ...]
    still_revoked: tuple[str, ...]
    links: tuple[tuple[Entry, Token], ...] = ()

    def of(self, kind: str) -> tuple[str, ...]:
        """Return the logins that were ``added``, ``changed``, or left ``unchanged``."""
        return tuple(change.login for change in self.changes if change.kind == kind)


class NoSuchPersonError(LookupError):
    """Nobody has this login. The text says so, and what to do."""

    def __init__(self, login: str) -> None:
        super().__init__(said("Nobody in this room has the login %(login)s.", login=repr(login)))
        self.login = login


class RevokedError(PermissionError):
    """A revoked person was to get a new link."""

    def __init__(self, login: str, when: datetime) -> None:
        super().__init__(f"{login} was revoked on {when:%Y-%m-%d %H:%M} UTC.")
        self.login = login


class AccessOverError(PermissionError):
    """Somebody whose time, or whose every class, is over was to come in."""

    def __init__(self, login: str) -> None:
        super().__init__(f"The access of {login} is over.")
        self.login = login


class NotInClassError(LookupError):
    """Somebody was to get a role in a class that they are not in."""

    def __init__(self, login: str, class_name: str) -> None:
        super().__init__(
            said("%(login)s is not in the class %(name)s.", login=login, name=class_name)
        )
        self.login, self.class_name = login, class_name


class NoSuchClassError(LookupError):
    """Nobody is, or was, in a class of this name."""

    def __init__(self, class_name: str) -> None:
        super().__init__(said("There is no class %(name)s in this room.", name=repr(class_name)))


class ArchivedError(ValueError):
    """Somebody was to come into a class that is archived."""

    def __init__(self, class_name: str, when: datetime) -> None:
        super().__init__(
            said(
                "The class %(name)s was archived on %(when)s UTC.",
                name=class_name,
                when=f"{when:%Y-%m-%d %H:%M}",
            )
        )
        self.class_name = class_name


class ChangedMeanwhileError(RuntimeError):
    """A roster would do something else than what its preview showed."""


class SubjectTakenError(PermissionError):
    """The provider knows somebody else under this login than the one who came first."""
