"""Who gets which units, and when: an incremental state machine without effects.

``step(state, event)`` takes one event and returns what was granted because of it. Nothing here
reads a clock, a file or a database: the same events give the same grants. ``tests/utils/oracle.py``
says the same rule from scratch, slowly, and the tests compare the two.

The order:

- First who waited longer than ``max_wait``, since they came or were served last, while somebody
  else was served twice: who waits longest goes first. A start that failed served nobody.
- Then classes by what they have used for their weight, in a class users by what they have used
  (both decayed, see ``usage``), then arrival.
- A user who would hold more than their cap allows is left out until they hold less.

Each in turn gets units that are free (``pool`` says which), and else is passed by the next. A
request for several units that cannot start has a time at which it can, by the ends of leases, and
units reserved from then on: others pass it on these only with a lease that ends by then, and
nobody at all if it has waited too long. When two requests would reserve the same unit only the
first of them does. A time that nobody knows, because leases have no end, reserves nothing.

When it is the turn of a request for one unit, and several are free, a request for several goes
first if it may: ``early`` says when.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from room.gpus.early import early
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
from room.gpus.pool import MayHave, Reservation
from room.gpus.state import Shape, State


def step(state: State, event: Event) -> tuple[State, list[Grant]]:
    """Take one event; return the state and what is granted because of it.

    The state that was passed in is the one that is returned: use it no more. Time never goes
    back: an event that says an earlier time than the last one happens at the last one's.
    """
    state.now = max(state.now, event.at)
    state.rebase()
    if isinstance(event, Submitted) and not state.tickets:
        return state, _serve_at_once(state, event.ticket)
    _TAKE[type(event)](state, event)
    return state, _grants(state)


def _serve_at_once(state: State, ticket: Ticket) -> list[Grant]:
    """Serve who comes when nobody waits; a place in the queue is for whom there are no units."""
    if ticket.id in state.leases:
        return []
    grant = None if state.at_cap(ticket) else _place(state, ticket, [])
    if grant is None:
        state.add(ticket)
        return []
    state.serve(grant)
    return [grant]


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
    state.prolong(event.lease_id, event.ends)


def _survey(state: State, event: Surveyed) -> None:
    state.survey(event.units)


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
        state.serve(grant)
        granted.append(grant)
    return granted


def _next_grant(state: State) -> Grant | None:
    """Return whose turn it is of those that can start now, or who may go before them."""
    late, order = state.first_overdue(), state.first_of_each()
    reservations: list[Reservation] = []
    grant = _in_turn(state, late, order, reservations)
    if grant is None or grant.ticket.request.count > 1 or state.pool.free_count == 1:
        return grant
    sooner = (_place(state, each, reservations) for each in early(state, grant.ticket, late, order))
    return next(filter(None, sooner), grant)


def _in_turn(
    state: State, late: list[Ticket], order: list[Ticket], reservations: list[Reservation]
) -> Grant | None:
    """Return the first ticket that can start now without delaying one before it.

    ``reservations`` are added to: those of the tickets before it.
    """
    tried: set[Shape] = set()
    for hold, tickets in ((True, late), (False, order)):
        for ticket in tickets:
            shape = Shape(ticket.request, ticket.lease_seconds)
            # Who asks for what one before them could not have cannot have it either.
            if shape not in tried:
                tried.add(shape)
                grant = _place(state, ticket, reservations)
                if grant is not None:
                    return grant
                _reserve(state, ticket, reservations, hold=hold)
    return None


def _place(state: State, ticket: Ticket, reservations: list[Reservation]) -> Grant | None:
    """Give a ticket units that are free, beside the reservations of those before it."""
    ends = NEVER if ticket.lease_seconds is None else state.now + ticket.lease_seconds
    placed = state.pool.place(ticket.request, _beside(reservations, ends), ticket.avoid)
    if placed is None:
        return None
    return Grant(ticket, tuple(unit.uuid for unit in placed), state.now, ends)


def _reserve(state: State, ticket: Ticket, reservations: list[Reservation], *, hold: bool) -> None:
    """Reserve units for a ticket that cannot start.

    ``hold``: it waited too long, and nobody at all passes it on the units it waits for.
    """
    # One unit is there or it is not; only who needs several has to gather them.
    if ticket.request.count == 1:
        return
    found = state.pool.reserve(ticket.request, state.now)
    if found is not None and not any(found.units & each.units for each in reservations):
        if hold:
            reservations.append(Reservation(-NEVER, found.units))
        elif found.at < NEVER:
            reservations.append(found)


def _beside(reservations: list[Reservation], ends: float) -> MayHave | None:
    """Return what says which units a lease until ``ends`` may have; None: all of them."""
    if not reservations:
        return None
    return lambda unit: not any(each.delayed_by(unit, ends) for each in reservations)
