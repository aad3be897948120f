"""The values that the rules on plans take and return. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from room.names import normalize_login
from room.plans.keys import Key
from room.roster import normalize_class
from room.said import said

Kind = Literal["room", "class", "user"]


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """Whom a limit is for: everyone in the room, a class, or a user."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind


ROOM = Subject("room")


def subject(text: str) -> Subject:
    """Return whom ``room``, ``class/ml101``, ``user/alice`` or ``alice`` means.

    Raises ``ValueError`` for what is none of these.
    """
    kind, slash, name = text.strip().partition("/")
    if not slash:
        return ROOM if kind == "room" else Subject("user", normalize_login(kind))
    if kind == "class":
        return Subject("class", normalize_class(name))
    if kind == "user":
        return Subject("user", normalize_login(name))
    raise ValueError(
        said(
            "%(text)s is nobody: write class/NAME for a class, user/LOGIN for a person, or room "
            "for everyone",
            text=repr(text),
        )
    )


@dataclass(frozen=True, slots=True)
class Limit:
    """A value that somebody set. It holds from ``since`` until ``until``, where these are given.

    ``written``: the admin set it in room.yaml, and not in the running room. ``behalf``: the class
    in whose name an instructor set it; empty when an admin did.
    """

    subject: Subject
    key: Key
    value: Any
    written: bool = False
    since: datetime | None = None
    until: datetime | None = None
    by: str = ""
    behalf: str = ""

    def holds(self, now: datetime) -> bool:
        return (self.since is None or self.since <= now) and (
            self.until is None or now < self.until
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """A value for a limit, as people write it; None takes away what was set."""

    subject: Subject
    key: Key
    text: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """An amount on top of what a user or a class has, until it ends."""

    id: int
    subject: Subject
    key: Key
    amount: Any
    until: datetime
    by: str = ""
    behalf: str = ""

    def holds(self, now: datetime) -> bool:
        return now < self.until


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from. Without a subject it is the room's default."""

    limits: tuple[Limit, ...] = ()
    grants: tuple[Grant, ...] = ()
    #: The class whose own value an instructor's was cut to.
    cut_to: str = ""


@dataclass(frozen=True, slots=True)
class Effective:
    """What holds for one user, and why."""

    key: Key
    value: Any
    origin: Origin = Origin()

    @property
    def text(self) -> str:
        return self.key.text(self.value)


@dataclass(frozen=True, slots=True)
class EffectivePlan:
    """Every limit of one user."""

    user: str
    classes: tuple[str, ...]
    limits: Mapping[str, Effective]

    def __getitem__(self, name: str) -> Any:
        """Return a limit's value."""
        return self.limits[name].value
