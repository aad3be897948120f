"""What goes into the queue and comes out of it: tickets, grants, events and the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from room.gpus.requests import GPURequest
from room.models import GPUUnit, Owner

#: The end of what has none.
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the queue. Times are seconds since the epoch.

    ``seq`` orders tickets that arrived in the same instant. ``lease_seconds`` None: the lease
    has no end. ``cap``: units of the request's pool
    that the user may hold at once. ``avoid``: units on which this
    ticket's start failed.
    """

    id: str
    owner: Owner
    request: GPURequest
    arrived: float
    seq: int = 0
    group: str = ""
    lease_seconds: float | None = None
    cap: int | None = None
    avoid: frozenset[str] = frozenset()

    @property
    def user(self) -> str:
        return self.owner.user


@dataclass(frozen=True, slots=True)
class Grant:
    """Units given to a ticket; the lease has the ticket's id. ``ends`` is infinite without end."""

    ticket: Ticket
    units: tuple[str, ...]
    granted: float
    ends: float = NEVER

    @property
    def id(self) -> str:
        return self.ticket.id


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of the order. Seconds; a class without a weight has weight 1."""

    half_life: float | None = 24 * 3600.0
    max_wait: float = 4 * 3600.0
    weights: Mapping[str, float] = field(default_factory=dict)

    def weight(self, group: str) -> float:
        return self.weights.get(group, 1.0)


class Submitted(NamedTuple):
    at: float
    ticket: Ticket


class Left(NamedTuple):
    at: float
    ticket_id: str


class Released(NamedTuple):
    """A lease ended. ``again``: its start failed, and this ticket waits in its place."""

    at: float
    lease_id: str
    again: Ticket | None = None


class Prolonged(NamedTuple):
    at: float
    lease_id: str
    ends: float


class Surveyed(NamedTuple):
    """The inventory changed, or the health of a unit did."""

    at: float
    units: tuple[GPUUnit, ...]


class Adopted(NamedTuple):
    """A lease that exists already, as a container's labels show."""

    at: float
    grant: Grant


class Ticked(NamedTuple):
    at: float


Event: TypeAlias = Submitted | Left | Released | Prolonged | Surveyed | Adopted | Ticked
