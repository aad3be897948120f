"""Who gets which units, and when: an incremental state machine without effects.

``step(state, event)`` takes one event and returns what was granted because of it. Nothing here
reads a clock, a file or a database: the same events give the same grants. ``tests/utils/oracle.py``
says the same rule from scratch, slowly, and the tests compare the two.

The order: tickets that waited too long, by arrival; then classes by what they have used for their
weight, in a class users by what they have used (both decayed, see ``usage``), then arrival. Who
cannot start yet is passed only by those who do not make them wait longer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from room.gpus.events import (
    NEVER,
    Adopted,
    Event,
    Grant,
    Left,
    Prolonged,
    Released,
    Submitted,
    Surveyed,
    Ticked,
    Ticket,
)
from room.gpus.pool import Reservation
from room.gpus.state import Shape, State


def step(state: State, event: Event) -> tuple[State, list[Grant]]:
    """Take one event; return the state and what is granted because of it.

    The state that was passed in is the one that is returned: use it no more. Time never goes
    back: an event that says an earlier time than the last one happens at the last one's.
    """
    state.now = max(state.now, event.at)
    state.rebase()
    _TAKE[type(event)](state, event)
    return state, _grants(state)


def _submit(state: State, event: Submitted) -> None:
    ticket = event.ticket
    if ticket.id not in state.tickets and ticket.id not in state.leases:
        state.add(ticket)


def _leave(state: State, event: Left) -> None:
    state.remove(event.ticket_id)


def _release(state: State, event: Released) -> None:
    grant = state.close_lease(event.lease_id, charge=event.again is None)
    if grant is not None and event.again is not None:
        state.add(event.again)


def _prolong(state: State, event: Prolonged) -> None:
    grant = state.leases.get(event.lease_id)
    if grant is not None:
        state.leases[event.lease_id] = Grant(grant.ticket, grant.units, grant.granted, event.ends)


def _survey(state: State, event: Surveyed) -> None:
    state.pool.replace(event.units, state.lease_of)


def _adopt(state: State, event: Adopted) -> None:
    taken = any(unit in state.lease_of for unit in event.grant.units)
    if event.grant.id not in state.leases and not taken:
        state.remove(event.grant.id)
        state.open_lease(event.grant)


def _tick(state: State, event: Ticked) -> None:
    """Nothing happened but time: somebody may be overdue now."""


_TAKE: dict[type, Callable[[State, Any], None]] = {
    Submitted: _submit,
    Left: _leave,
    Released: _release,
    Prolonged: _prolong,
    Surveyed: _survey,
    Adopted: _adopt,
    Ticked: _tick,
}


def _grants(state: State) -> list[Grant]:
    granted: list[Grant] = []
    while state.tickets and state.pool.free_count:
        grant = _next_grant(state)
        if grant is None:
            break
        state.remove(grant.id)
        state.open_lease(grant)
        state.note_served(grant.ticket.user, state.now)
        granted.append(grant)
    return granted


def _next_grant(state: State) -> Grant | None:
    """Return the first ticket in the order that can start now without delaying one before it."""
    reservations: list[Reservation] = []
    for ticket in state.overdue_tickets():
        if not state.at_cap(ticket):
            grant = _try(state, ticket, reservations, hold=True)
            if grant is not None:
                return grant
    blocked: set[Shape] = set()
    for ticket in state.best_of_each_shape():
        shape = (ticket.request, ticket.lease_seconds)
        if shape not in blocked:
            grant = _try(state, ticket, reservations, hold=False)
            if grant is not None:
                return grant
            blocked.add(shape)
    return None


def _try(
    state: State, ticket: Ticket, reservations: list[Reservation], *, hold: bool
) -> Grant | None:
    """Place a ticket beside the reservations of those before it, or reserve units for it.

    ``hold``: it waited too long, and nobody at all passes it on the units it waits for.
    """
    ends = NEVER if ticket.lease_seconds is None else state.now + ticket.lease_seconds
    may_have: Callable[[str], bool] | None = None
    if reservations:

        def may_have(unit: str) -> bool:
            return not any(each.delayed_by(unit, ends) for each in reservations)

    placed = state.pool.place(ticket.request, may_have, ticket.avoid)
    if placed is not None:
        return Grant(ticket, tuple(unit.uuid for unit in placed), state.now, ends)
    # One unit is there or it is not; only who needs several has to gather them.
    if ticket.request.count > 1:
        found = state.pool.reserve(ticket.request, state.lease_end, state.now)
        if found is not None and not any(found.units & each.units for each in reservations):
            reservations.append(Reservation(state.now, found.units) if hold else found)
    return None
