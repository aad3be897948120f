"""Where everyone is in the queue, and when their turn may come.

The queue's own step is tried on a copy of the state: leases end when they are to end, and what is
granted then counts towards its user's and class's use. So the positions interleave users and
classes as the queue will, and the first one is who is served next when nothing else happens. Who
comes further behind than it is worth trying is sorted by the same rule without placing anyone,
and has a time by the rate at which those before are served.

Times are late rather than early, for most people stop before their lease ends.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from room.gpus.events import NEVER, Grant, Released, Submitted, Ticket
from room.gpus.queue import step
from room.gpus.requests import GPURequest
from room.gpus.state import Shape, State
from room.models import GPUUnit, Owner

#: Grants that are tried one by one, and ends of leases that are.
TRIED = 100
#: What a lease without an end is thought to take in the order of those behind, in seconds.
_TYPICAL = 3600.0
#: The number of a ticket behind all that came in the same instant.
_LAST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Place:
    """``position`` counts from 1. ``at`` in seconds since the epoch, None when nobody can tell.

    ``basis``: an English sentence on what the time rests on, empty without one. Its time of day
    is this process's local time.
    """

    position: int
    of: int
    at: float | None = None
    basis: str = ""


@dataclass(frozen=True, slots=True)
class Chance:
    """What somebody who asks now finds: free units, all units, and the seconds of the wait.

    ``wait`` None: nobody can tell.
    """

    free: int
    total: int
    wait: float | None


def outlook(state: State) -> dict[str, Place]:
    """Return everyone's place, by ticket; the state is not changed."""
    trial = _Trial(state)
    trial.run()
    of = len(state.tickets)
    places = {}
    for position, (ticket, at, ended) in enumerate(trial.granted, 1):
        places[ticket.id] = Place(position, of, at, _ends_before(ended, at, state.now))
    pace = trial.pace()
    for position, ticket in enumerate(_by_rule(trial.state), len(places) + 1):
        then = None if pace is None else state.now + position * pace
        places[ticket.id] = Place(position, of, then, _rate(trial, pace))
    return places


class Bid(NamedTuple):
    """What somebody might ask for, and how many such units they may hold at once."""

    shape: Shape
    cap: int | None = None


def chances(
    state: State, owner: Owner, bids: Iterable[Bid], *, groups: Iterable[str]
) -> list[Chance]:
    """Return for each bid what its owner would find now; the state is not changed."""
    group = state.first_group(groups)
    found = []
    for (request, lease_seconds), cap in bids:
        ticket = Ticket("", owner, request, state.now, _LAST, group, lease_seconds, cap)
        found.append(Chance(*state.pool.how_many(request), _wait(state, ticket)))
    return found


def _wait(state: State, ticket: Ticket) -> float | None:
    trial = _Trial(state)
    if trial.ask(ticket):
        return 0.0
    trial.run(until=ticket.id)
    for granted, at, _ended in trial.granted:
        if granted.id == ticket.id:
            return at - state.now
    pace = trial.pace()
    if pace is None:
        return None
    behind = [each.id for each in _by_rule(trial.state)].index(ticket.id)
    return (len(trial.granted) + behind + 1) * pace


class _Trial:
    """What happens when every lease ends at its end, and nobody else comes or leaves."""

    def __init__(self, state: State) -> None:
        self.state = state.copy()
        self.began = state.now
        #: Who was granted units, when, and how many leases on such units had ended by then.
        self.granted: list[tuple[Ticket, float, int]] = []
        self.tired = False
        asked = {ticket.request for ticket in state.tickets.values()}
        self._ended: dict[GPURequest, int] = dict.fromkeys(asked, 0)
        self._ends = [(grant.ends, grant.id) for grant in state.leases.values()]
        heapq.heapify(self._ends)

    def ask(self, ticket: Ticket) -> bool:
        """Let somebody ask now; say whether they are served at once."""
        self._ended.setdefault(ticket.request, 0)
        granted = step(self.state, Submitted(self.began, ticket))[1]
        self._note(granted)
        return any(grant.id == ticket.id for grant in granted)

    def run(self, until: str = "") -> None:
        """Let leases end until nobody waits, or the ticket ``until`` is granted."""
        ended = 0
        while self._ends and self._ends[0][0] < NEVER and self.state.tickets:
            if until and until not in self.state.tickets:
                return
            if len(self.granted) >= TRIED or ended >= 2 * TRIED:
                self.tired = True
                return
            ended += 1
            self._end(heapq.heappop(self._ends)[1])

    def pace(self) -> float | None:
        """Return the seconds from one grant to the next; None when no more can be foretold."""
        passed = self.state.now - self.began
        return passed / len(self.granted) if self.tired and self.granted and passed else None

    def _end(self, lease_id: str) -> None:
        grant = self.state.leases[lease_id]
        self._count(grant)
        self._note(step(self.state, Released(max(grant.ends, self.began), lease_id))[1])

    def _note(self, granted: Iterable[Grant]) -> None:
        for each in granted:
            self.granted.append((each.ticket, self.state.now, self._ended[each.ticket.request]))
            heapq.heappush(self._ends, (each.ends, each.id))

    def _count(self, grant: Grant) -> None:
        units = tuple(self._units(grant))
        for request in self._ended:
            if any(request.takes(unit) for unit in units):
                self._ended[request] += 1

    def _units(self, grant: Grant) -> Iterator[GPUUnit]:
        known = self.state.pool.units
        return (known[unit_id] for unit_id in grant.units if unit_id in known)


def _by_rule(state: State) -> list[Ticket]:
    """Return all tickets in the order of the rule; each counts for its lease once it had its turn.

    Where there are units, and caps, is not looked at.
    """
    late = [ticket for ticket in state.tickets.values() if state.overdue(ticket)]
    late.sort(key=lambda ticket: (state.waits_since(ticket), ticket.arrived, ticket.seq))
    served = {ticket.id for ticket in late}
    reading = state.clock.reading
    now = reading(state.now)
    lines: dict[str, dict[str, list[Ticket]]] = {}
    for ticket in sorted(state.tickets.values(), key=lambda t: (t.arrived, t.seq), reverse=True):
        if ticket.id not in served:
            lines.setdefault(ticket.group, {}).setdefault(ticket.user, []).append(ticket)
    users = {
        group: [
            (state.account(user, group).amount(now), line[-1].arrived, line[-1].seq, user)
            for user, line in of_users.items()
        ]
        for group, of_users in lines.items()
    }
    classes = [
        (used / state.policy.weight(group), group, used)
        for group in users
        for used in (state.group_account(group).amount(now),)
    ]
    for heap in users.values():
        heapq.heapify(heap)
    heapq.heapify(classes)
    order, grown = late, dict[float, int]()
    while classes:
        _key, group, of_class = heapq.heappop(classes)
        used, _arrived, _seq, user = heapq.heappop(users[group])
        line = lines[group][user]
        ticket = line.pop()
        order.append(ticket)
        length = _TYPICAL if ticket.lease_seconds is None else ticket.lease_seconds
        if length not in grown:
            grown[length] = reading(state.now + length) - now
        more = ticket.request.count * grown[length]
        if line:
            heapq.heappush(users[group], (used + more, line[-1].arrived, line[-1].seq, user))
        if users[group]:
            key = (of_class + more) / state.policy.weight(group)
            heapq.heappush(classes, (key, group, of_class + more))
    return order


# -- what it rests on: the sentences are listed in spawner/words.py ------------------------------


def _ends_before(count: int, at: float, now: float) -> str:
    """Say how many leases end before the next full minute after ``at``."""
    before = datetime.fromtimestamp((math.floor(at / 60) + 1) * 60)
    today = before.date() == datetime.fromtimestamp(now).date()
    words = before.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")
    return f"1 lease ends before {words}." if count == 1 else f"{count} leases end before {words}."


def _rate(trial: _Trial, pace: float | None) -> str:
    if pace is None:
        return ""
    hours = math.ceil((trial.state.now - trial.began) / 3600)
    count = len(trial.granted)
    if hours == 1:
        return f"About {count} turns come in the next hour."
    return f"About {count} turns come in the next {hours} hours."
