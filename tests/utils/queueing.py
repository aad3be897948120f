"""What tests of the queue say: units, tickets and events in few words, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from room.gpus.events import Event, Policy, Submitted, Surveyed, Ticket
from room.gpus.queue import step
from room.gpus.requests import GPURequest
from room.gpus.state import State
from room.models import GPUUnit, Owner

HOUR = 3600.0


def gpu(name: str, **more: Any) -> GPUUnit:
    fields = {"index": int(name[-1]), "model": "A100", "memory_mib": 40_000, **more}
    return GPUUnit(name, **fields)


def gpus(names: str, **more: Any) -> tuple[GPUUnit, ...]:
    return tuple(gpu(name, **more) for name in names.split())


def seats(card: str, count: int, index: int = 0) -> tuple[GPUUnit, ...]:
    return tuple(
        GPUUnit(f"{card}/{n}", index, "T4", 8_000, kind="seat", parent=card)
        for n in range(1, count + 1)
    )


def ticket(
    name: str,
    at: float = 0.0,
    count: int = 1,
    *,
    lease: float | None = None,
    group: str = "",
    cap: int | None = None,
    avoid: str = "",
    **request: Any,
) -> Ticket:
    """A ticket named ``user`` or ``user.server``."""
    user, _, server = name.partition(".")
    wants = GPURequest(count, **request)
    failed = frozenset(avoid.split())
    return Ticket(name, Owner(user, server), wants, at, 0, group, lease, cap, failed)


def ask(name: str, at: float = 0.0, count: int = 1, **more: Any) -> Submitted:
    return Submitted(at, ticket(name, at, count, **more))


def play(
    units: Sequence[GPUUnit], events: Sequence[Event], policy: Policy | None = None
) -> tuple[State, list[str]]:
    """Return the state after the events, and the grants as ``ticket: unit unit``."""
    state, granted = State(policy or Policy()), []
    for event in (Surveyed(0.0, tuple(units)), *events):
        state, grants = step(state, event)
        granted += [f"{grant.id}: {' '.join(grant.units)}" for grant in grants]
    return state, granted


def order(granted: Sequence[str]) -> str:
    return " ".join(line.partition(":")[0] for line in granted)
