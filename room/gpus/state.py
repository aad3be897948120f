"""What the order of the queue depends on: units, tickets, leases, and what everyone has used."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from room.gpus.events import NEVER, Grant, Policy, Ticket
from room.gpus.pool import Pool
from room.gpus.requests import GPURequest
from room.gpus.usage import Account, Clock

#: What the heap of a bucket sorts by: what the user has used, arrival, number; then the ticket.
_Entry: TypeAlias = tuple[int, float, int, str]


@dataclass(slots=True)
class _Bucket:
    """Waiting tickets of one class that ask for the same."""

    #: Of users who hold nothing: what they have used does not change as time passes.
    still: list[_Entry] = field(default_factory=list)
    #: Of users who hold something: their order has to be looked up.
    moving: dict[str, Ticket] = field(default_factory=dict)


Shape: TypeAlias = tuple[GPURequest, float | None]


class State:
    """Everything the order depends on. Owned by whoever steps it: ``step`` changes it in place."""

    def __init__(self, policy: Policy, start: float = 0.0) -> None:
        self.policy = policy
        self.now = start
        self.pool = Pool()
        self.tickets: dict[str, Ticket] = {}
        self.leases: dict[str, Grant] = {}
        self.clock = Clock(policy.half_life, start)
        self.users: dict[tuple[str, str], Account] = {}
        self.groups: dict[str, Account] = {}
        self.held: dict[str, int] = {}
        self.lease_of: dict[str, str] = {}
        self._buckets: dict[str, dict[Shape, _Bucket]] = {}
        self._filed: dict[str, _Entry | None] = {}
        self._of_user: dict[str, set[str]] = {}
        self._arrivals: list[tuple[float, int, str]] = []
        #: The latest two grants of each user, and of all users the two whose second is latest.
        self.recent: dict[str, tuple[float, float]] = {}
        self._served_twice: list[tuple[float, str]] = []

    # -- accounts ----------------------------------------------------------------------------

    def account(self, user: str, group: str) -> Account:
        """Return what a user has used as a member of a class."""
        found = self.users.get((user, group))
        if found is None:
            found = self.users[user, group] = Account()
        return found

    def group_account(self, group: str) -> Account:
        found = self.groups.get(group)
        if found is None:
            found = self.groups[group] = Account()
        return found

    def used(self, user: str, group: str) -> float:
        """Return the decayed GPU-seconds of a user, as of now."""
        amount = self.account(user, group).amount(self.clock.reading(self.now))
        return self.clock.seconds(amount, self.now)

    def settle(self, used: Mapping[tuple[str, str], int]) -> None:
        """Set what users have used before the first event, as ``Account.settled`` counts it."""
        for (user, group), amount in used.items():
            self.account(user, group).settled = amount
            self.group_account(group).settled += amount

    # -- what others ask ---------------------------------------------------------------------

    def lease_end(self, unit_id: str) -> float:
        """Return when the lease on a unit ends: infinite without an end."""
        return self.leases[self.lease_of[unit_id]].ends

    def overdue(self, ticket: Ticket) -> bool:
        """Say whether a ticket goes before all others.

        It does when it has waited longer than ``max_wait``, and somebody else has been
        served twice meanwhile.
        """
        if self.now - ticket.arrived <= self.policy.max_wait:
            return False
        for second, user in self._served_twice:
            if user != ticket.user:
                return second > ticket.arrived
        return False

    def rank(self, ticket: Ticket) -> tuple[float, int, float, int]:
        """Return what sorts tickets that are not overdue, as of now."""
        reading = self.clock.reading(self.now)
        return (
            self._group_key(ticket.group, reading),
            self.account(ticket.user, ticket.group).amount(reading),
            ticket.arrived,
            ticket.seq,
        )

    def at_cap(self, ticket: Ticket) -> bool:
        """Say whether the user holds too much already for this ticket to be served."""
        held = self.held.get(ticket.user, 0)
        return ticket.cap is not None and held + ticket.request.count > ticket.cap

    def _group_key(self, group: str, reading: int) -> float:
        return self.group_account(group).amount(reading) / self.policy.weight(group)

    # -- filing ------------------------------------------------------------------------------

    def add(self, ticket: Ticket) -> None:
        self.tickets[ticket.id] = ticket
        self._of_user.setdefault(ticket.user, set()).add(ticket.id)
        heapq.heappush(self._arrivals, (ticket.arrived, ticket.seq, ticket.id))
        self._file(ticket)

    def remove(self, ticket_id: str) -> Ticket | None:
        ticket = self.tickets.pop(ticket_id, None)
        if ticket is None:
            return None
        mine = self._of_user[ticket.user]
        mine.discard(ticket_id)
        if not mine:
            del self._of_user[ticket.user]
        self._unfile(ticket)
        return ticket

    def _bucket(self, ticket: Ticket) -> _Bucket:
        shapes = self._buckets.setdefault(ticket.group, {})
        shape = (ticket.request, ticket.lease_seconds)
        found = shapes.get(shape)
        if found is None:
            found = shapes[shape] = _Bucket()
        return found

    def _file(self, ticket: Ticket) -> None:
        """Put a ticket where the order finds it; who is at the cap is nowhere until it changes."""
        if self.at_cap(ticket):
            self._filed[ticket.id] = None
            return
        account = self.account(ticket.user, ticket.group)
        if account.units:
            self._bucket(ticket).moving[ticket.id] = ticket
            self._filed[ticket.id] = None
            return
        entry = (account.settled, ticket.arrived, ticket.seq, ticket.id)
        self._filed[ticket.id] = entry
        heapq.heappush(self._bucket(ticket).still, entry)

    def _unfile(self, ticket: Ticket) -> None:
        # An entry that is still in a heap is known to be old by not being the one in _filed.
        self._filed.pop(ticket.id, None)
        shapes = self._buckets.get(ticket.group, {})
        bucket = shapes.get((ticket.request, ticket.lease_seconds))
        if bucket is None:
            return
        bucket.moving.pop(ticket.id, None)
        self._drop_old(bucket)
        if not bucket.still and not bucket.moving:
            del shapes[ticket.request, ticket.lease_seconds]
            if not shapes:
                del self._buckets[ticket.group]

    def _refile(self, user: str) -> None:
        for ticket_id in sorted(self._of_user.get(user, ())):
            ticket = self.tickets[ticket_id]
            self._unfile(ticket)
            self._file(ticket)

    def _drop_old(self, bucket: _Bucket) -> None:
        while bucket.still and self._filed.get(bucket.still[0][3]) is not bucket.still[0]:
            heapq.heappop(bucket.still)

    # -- leases ------------------------------------------------------------------------------

    def open_lease(self, grant: Grant) -> None:
        ticket = grant.ticket
        self.leases[grant.id] = grant
        for unit_id in grant.units:
            self.lease_of[unit_id] = grant.id
            self.pool.take(unit_id)
        self._charge(grant)
        self.held[ticket.user] = self.held.get(ticket.user, 0) + len(grant.units)
        self._refile(ticket.user)

    def _charge(self, grant: Grant) -> None:
        """Let a lease count towards what its user and class use, from when it was granted."""
        ticket, reading = grant.ticket, self.clock.reading(grant.granted)
        self.account(ticket.user, ticket.group).open(len(grant.units), reading)
        self.group_account(ticket.group).open(len(grant.units), reading)

    def close_lease(self, lease_id: str, charge: bool) -> Grant | None:
        grant = self.leases.pop(lease_id, None)
        if grant is None:
            return None
        ticket, count = grant.ticket, len(grant.units)
        for unit_id in grant.units:
            del self.lease_of[unit_id]
            self.pool.give_back(unit_id)
        opened = self.clock.reading(grant.granted)
        until = self.clock.reading(self.now) if charge else opened
        self.account(ticket.user, ticket.group).close(count, opened, until)
        self.group_account(ticket.group).close(count, opened, until)
        self.held[ticket.user] -= count
        if not self.held[ticket.user]:
            del self.held[ticket.user]
        self._refile(ticket.user)
        return grant

    def note_served(self, user: str, at: float) -> None:
        """Remember a grant for the rule on who waited too long."""
        last, _before = self.recent.get(user, (-NEVER, -NEVER))
        self.recent[user] = (at, last)
        others = [entry for entry in self._served_twice if entry[1] != user]
        self._served_twice = sorted([*others, (last, user)], reverse=True)[:2]

    def rebase(self) -> None:
        """Count from a later instant when the amounts grow long: what is left of each is kept."""
        halvings = self.clock.halvings_due(self.now)
        if not halvings or self.policy.half_life is None:
            return
        self.clock.ref += halvings * self.policy.half_life
        settled = {key: account.settled >> halvings for key, account in self.users.items()}
        self.users, self.groups = {}, {}
        self.settle({key: amount for key, amount in settled.items() if amount})
        for grant in self.leases.values():
            self._charge(grant)
        self._buckets.clear()
        self._filed.clear()
        for ticket in self.tickets.values():
            self._file(ticket)

    # -- the order ---------------------------------------------------------------------------

    def overdue_tickets(self) -> list[Ticket]:
        """Return who waited too long, first come first."""
        found, kept = [], []
        while self._arrivals:
            entry = self._arrivals[0]
            ticket = self.tickets.get(entry[2])
            if ticket is None or (ticket.arrived, ticket.seq) != entry[:2]:
                heapq.heappop(self._arrivals)
                continue
            if self.now - ticket.arrived <= self.policy.max_wait:
                break
            # Not all that waited long are overdue: their own user may be the one served twice.
            kept.append(heapq.heappop(self._arrivals))
            if self.overdue(ticket):
                found.append(ticket)
        for entry in kept:
            heapq.heappush(self._arrivals, entry)
        return found

    def best_of_each_shape(self) -> list[Ticket]:
        """Return the first ticket of each class and shape, in the order.

        Those behind them ask for the same, and can have nothing that the first cannot.
        """
        reading = self.clock.reading(self.now)
        found: list[tuple[float, _Entry]] = []
        for group, shapes in self._buckets.items():
            key = self._group_key(group, reading)
            for bucket in shapes.values():
                entry = self._first(bucket, reading)
                if entry is not None:
                    found.append((key, entry))
        return [self.tickets[entry[3]] for _key, entry in sorted(found)]

    def _first(self, bucket: _Bucket, reading: int) -> _Entry | None:
        self._drop_old(bucket)
        first = bucket.still[0] if bucket.still else None
        for ticket in bucket.moving.values():
            used = self.account(ticket.user, ticket.group).amount(reading)
            entry = (used, ticket.arrived, ticket.seq, ticket.id)
            if first is None or entry < first:
                first = entry
        return first
