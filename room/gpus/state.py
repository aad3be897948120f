"""What the order of the queue depends on: units, tickets, leases, and what everyone has used."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias, TypeVar

from room.gpus.events import NEVER, Grant, Policy, Ticket
from room.gpus.pool import Pool
from room.gpus.requests import POOLS, GPURequest
from room.gpus.usage import Account, Clock
from room.models import GPUUnit


class Shape(NamedTuple):
    """What makes two tickets wait for the same: one can start when the other can."""

    request: GPURequest
    lease_seconds: float | None


#: What the order in a class sorts by: what the user has used, arrival, number; then the ticket.
#: Of those who hold equally many units the use grows alike, so they are sorted for good by what
#: they would have used when the clock reads 0.
_Rank: TypeAlias = tuple[int, float, int, str]
#: What the order of those who waited too long sorts by: since when, arrival, number; the ticket.
_Wait: TypeAlias = tuple[float, float, int, str]

_K = TypeVar("_K")
_V = TypeVar("_V", bound=tuple[float, float, int, str])


@dataclass(slots=True, eq=False)
class _Line:
    """Waiting tickets of one user that differ only in when they came: the first one counts."""

    user: str
    group: str
    shape: Shape
    cap: int | None
    #: Arrival, number, id; sorted.
    tickets: list[tuple[float, int, str]] = field(default_factory=list)
    #: Where the order has it, if it does; ``units`` are those that its user holds.
    units: int = 0
    rank: _Rank | None = None
    wait: _Wait | None = None

    def copy(self) -> _Line:
        tickets = list(self.tickets)
        return _Line(
            self.user, self.group, self.shape, self.cap, tickets, self.units, self.rank, self.wait
        )


#: The lines of one class that wait for the same, by how many units their users hold; sorted.
_Bucket: TypeAlias = dict[int, list[_Rank]]


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
        #: By user and pool: caps on seats and on other units are two.
        self.held: dict[tuple[str, str], int] = {}
        self.lease_of: dict[str, str] = {}
        #: The latest two grants of each user, and the latest second one of them all.
        self.recent: dict[str, tuple[float, float]] = {}
        self._served_twice = -NEVER
        #: Of each user the latest grants, so many that two are left when all open starts fail.
        self._times: dict[str, list[float]] = {}
        self._lines: dict[str, dict[tuple[str, Shape, int | None], _Line]] = {}
        self._buckets: dict[str, dict[Shape, _Bucket]] = {}
        self._waits: dict[Shape, list[_Wait]] = {}

    def copy(self) -> State:
        """Return a state that goes on by itself: what would happen is tried out on it."""
        made = State(self.policy, self.now)
        made.pool, made.clock = self.pool.copy(), Clock(self.policy.half_life, self.clock.ref)
        made.leases, made.lease_of = dict(self.leases), dict(self.lease_of)
        made.users = {key: account.copy() for key, account in self.users.items()}
        made.groups = {key: account.copy() for key, account in self.groups.items()}
        made.held, made.recent = dict(self.held), dict(self.recent)
        made._served_twice = self._served_twice
        made._times = {user: list(times) for user, times in self._times.items()}
        made.tickets = dict(self.tickets)
        made._lines = {
            user: {key: line.copy() for key, line in lines.items()}
            for user, lines in self._lines.items()
        }
        made._buckets = {
            group: {
                shape: {units: list(ranks) for units, ranks in bucket.items()}
                for shape, bucket in shapes.items()
            }
            for group, shapes in self._buckets.items()
        }
        made._waits = {shape: list(waits) for shape, waits in self._waits.items()}
        return made

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

    def waits_since(self, ticket: Ticket) -> float:
        """Return since when a person waits: the ticket's arrival, or when they were served last."""
        return max(ticket.arrived, self.recent.get(ticket.user, (-NEVER, -NEVER))[0])

    def tickets_of(self, user: str) -> Iterator[Ticket]:
        """Yield what a user waits for."""
        for line in self._lines.get(user, {}).values():
            yield from (self.tickets[ticket_id] for _arrived, _seq, ticket_id in line.tickets)

    def leases_of(self, user: str) -> Iterator[Grant]:
        """Yield what a user holds; who holds nothing needs no look at the others' leases."""
        if any(self.held.get((user, pool)) for pool in POOLS):
            yield from (each for each in self.leases.values() if each.ticket.user == user)

    def first_group(self, groups: Iterable[str]) -> str:
        """Return the class that has used least for its weight; empty for no class at all."""
        reading = self.clock.reading(self.now)
        return min(sorted(groups), key=lambda group: self._group_key(group, reading), default="")

    def overdue(self, ticket: Ticket) -> bool:
        """Say whether a ticket goes before all others.

        It does when its user has waited longer than ``max_wait``, and somebody else has been
        served twice meanwhile.
        """
        return self._is_overdue(self.waits_since(ticket))

    def _is_overdue(self, since: float) -> bool:
        # Whoever was served twice since then is somebody else: nobody waits since before the
        # last time that they were served themselves.
        return self.now - since > self.policy.max_wait and self._served_twice > since

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
        return self._at_cap(ticket.user, ticket.request, ticket.cap)

    def _at_cap(self, user: str, request: GPURequest, cap: int | None) -> bool:
        return cap is not None and self.held.get((user, request.pool), 0) + request.count > cap

    def _group_key(self, group: str, reading: int) -> float:
        return self.group_account(group).amount(reading) / self.policy.weight(group)

    # -- filing ------------------------------------------------------------------------------

    def add(self, ticket: Ticket) -> None:
        line = self._enlist(ticket)
        if line.tickets[0][2] == ticket.id:
            self._refile(line)

    def _enlist(self, ticket: Ticket) -> _Line:
        self.tickets[ticket.id] = ticket
        shape = Shape(ticket.request, ticket.lease_seconds)
        lines = self._lines.setdefault(ticket.user, {})
        line = lines.get((ticket.group, shape, ticket.cap))
        if line is None:
            line = _Line(ticket.user, ticket.group, shape, ticket.cap)
            lines[ticket.group, shape, ticket.cap] = line
        insort(line.tickets, (ticket.arrived, ticket.seq, ticket.id))
        return line

    def remove(self, ticket_id: str) -> Ticket | None:
        ticket = self.tickets.pop(ticket_id, None)
        if ticket is None:
            return None
        lines = self._lines[ticket.user]
        key = (ticket.group, Shape(ticket.request, ticket.lease_seconds), ticket.cap)
        line = lines[key]
        place = bisect_left(line.tickets, (ticket.arrived, ticket.seq, ticket_id))
        del line.tickets[place]
        if not line.tickets:
            self._unfile(line)
            del lines[key]
            if not lines:
                del self._lines[ticket.user]
        elif place == 0:
            self._refile(line)
        return ticket

    def _file(self, line: _Line) -> None:
        """Put a line where the order finds it; who is at the cap is nowhere until it changes."""
        if self._at_cap(line.user, line.shape.request, line.cap):
            return
        arrived, seq, ticket_id = line.tickets[0]
        since = max(arrived, self.recent.get(line.user, (-NEVER, -NEVER))[0])
        line.wait = (since, arrived, seq, ticket_id)
        insort(self._waits.setdefault(line.shape, []), line.wait)
        account = self.account(line.user, line.group)
        line.units, line.rank = account.units, (account.amount(0), arrived, seq, ticket_id)
        bucket = self._buckets.setdefault(line.group, {}).setdefault(line.shape, {})
        insort(bucket.setdefault(line.units, []), line.rank)

    def _unfile(self, line: _Line) -> None:
        if line.wait is None or line.rank is None:
            return
        shapes = self._buckets[line.group]
        bucket = shapes[line.shape]
        if _take_out(bucket, line.units, line.rank) and not bucket:
            del shapes[line.shape]
            if not shapes:
                del self._buckets[line.group]
        _take_out(self._waits, line.shape, line.wait)
        line.wait = line.rank = None

    def _refile(self, line: _Line) -> None:
        self._unfile(line)
        self._file(line)

    def _refile_user(self, user: str) -> None:
        for line in self._lines.get(user, {}).values():
            self._refile(line)

    def _file_all(self) -> None:
        self._buckets.clear()
        self._waits.clear()
        for lines in self._lines.values():
            for line in lines.values():
                line.wait = line.rank = None
                self._file(line)

    # -- leases ------------------------------------------------------------------------------

    def open_lease(self, grant: Grant) -> None:
        ticket = grant.ticket
        self.leases[grant.id] = grant
        for unit_id in grant.units:
            self.lease_of[unit_id] = grant.id
            self.pool.take(unit_id, grant.ends)
        self._charge(grant)
        place = (ticket.user, ticket.request.pool)
        self.held[place] = self.held.get(place, 0) + len(grant.units)
        self._refile_user(ticket.user)

    def _charge(self, grant: Grant) -> None:
        """Let a lease count towards what its user and class use, from when it was granted."""
        ticket, reading = grant.ticket, self.clock.reading(grant.granted)
        self.account(ticket.user, ticket.group).open(len(grant.units), reading)
        self.group_account(ticket.group).open(len(grant.units), reading)

    def close_lease(self, lease_id: str, charge: bool) -> Grant | None:
        """End a lease. ``charge`` False: its start failed, and nobody was served by it."""
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
        place = (ticket.user, ticket.request.pool)
        self.held[place] -= count
        if not self.held[place]:
            del self.held[place]
        if not charge:
            self._unserve(grant)
        self._refile_user(ticket.user)
        return grant

    def prolong(self, lease_id: str, ends: float) -> None:
        """Let a lease end at another time."""
        grant = self.leases.get(lease_id)
        if grant is not None:
            self.leases[lease_id] = replace(grant, ends=ends)
            for unit_id in grant.units:
                self.pool.take(unit_id, ends)

    def survey(self, units: Iterable[GPUUnit]) -> None:
        """Take a new inventory."""
        ends = {unit_id: self.leases[lease_id].ends for unit_id, lease_id in self.lease_of.items()}
        self.pool = Pool(units, ends)

    def serve(self, grant: Grant) -> None:
        """Take a ticket out of the queue, and give it its units."""
        self.remove(grant.id)
        self.note_served(grant.ticket.user, grant.granted)
        self.open_lease(grant)

    def note_served(self, user: str, at: float) -> None:
        """Remember a grant for the rule on who waited too long, before its lease is opened."""
        times = self._times.setdefault(user, [])
        insort(times, at)
        del times[: -3 - sum(self.held.get((user, pool), 0) for pool in POOLS)]
        self._note_recent(user)
        self._served_twice = max(self._served_twice, self.recent[user][1])

    def _unserve(self, grant: Grant) -> None:
        """Forget that a grant served its user: the place in the queue is the old one again."""
        user = grant.ticket.user
        times = self._times.get(user, [])
        if grant.granted in times:
            times.remove(grant.granted)
            self._note_recent(user)
            self._served_twice = max(second for _last, second in self.recent.values())

    def _note_recent(self, user: str) -> None:
        last, second = [-NEVER, -NEVER, *self._times[user]][:-3:-1]
        self.recent[user] = (last, second)

    def rebase(self) -> None:
        """Count from a later instant when the amounts grow long: what is left of each is kept."""
        halvings = self.clock.halvings_due(self.now)
        if not halvings or self.policy.half_life is None:
            return
        self.clock.ref += halvings * self.policy.half_life
        settled = {key: account.settled >> halvings for key, account in self.users.items()}
        self.users, self.groups = {}, {}
        # Also those of whom nothing is left: when they were served last is kept with them.
        self.settle(settled)
        for grant in self.leases.values():
            self._charge(grant)
        self._file_all()

    # -- the order ---------------------------------------------------------------------------

    def first_overdue(self) -> list[Ticket]:
        """Return of each shape who waits longest of those who wait too long, longest first."""
        longest = sorted(waits[0] for waits in self._waits.values())
        return [self.tickets[entry[3]] for entry in longest if self._is_overdue(entry[0])]

    def first_of_each(self) -> list[Ticket]:
        """Return the first ticket of each class and shape, in the order.

        Those behind them ask for the same, and can have nothing that the first cannot.
        """
        reading = self.clock.reading(self.now)
        found: list[tuple[float, _Rank]] = []
        for group, shapes in self._buckets.items():
            key = self._group_key(group, reading)
            for bucket in shapes.values():
                firsts = (
                    (lines[0][0] + units * reading, *lines[0][1:])
                    for units, lines in bucket.items()
                )
                found.append((key, min(firsts)))
        return [self.tickets[rank[3]] for _key, rank in sorted(found)]


def _take_out(filed: dict[_K, list[_V]], key: _K, entry: _V) -> bool:
    """Take an entry out of a sorted list; True when the list was the last of it and is gone."""
    entries = filed[key]
    del entries[bisect_left(entries, entry)]
    if entries:
        return False
    del filed[key]
    return True
