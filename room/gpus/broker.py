"""Tickets and leases for good: each call is one transaction, and may be repeated.

The order is decided by ``room.gpus.queue`` in memory. A number in the database, which every
decision raises, tells whether another process has decided meanwhile: then the state is read anew.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, TypeVar

from sqlalchemy import Connection, update

from room.audit import note
from room.gpus import ledger, marks
from room.gpus.decision import Work
from room.gpus.events import (
    NEVER,
    Adopted,
    Grant,
    Policy,
    Prolonged,
    Submitted,
    Ticked,
    Ticket,
)
from room.gpus.ledger import Revision, Waiting, moment, seconds
from room.gpus.placement import refuse, still_held
from room.gpus.rates import rate
from room.gpus.requests import GPURequest
from room.gpus.state import State
from room.models import GPUUnit, Inventory, Lease, Owner, Reject
from room.store.store import Store
from room.store.tables import leases, tickets

T = TypeVar("T")


def _now() -> float:
    return time.time()


class Broker:
    """The only writer of leases and tickets. Called from the store's thread alone.

    ``now`` gives seconds since the epoch. ``on_grants`` is called, on the same thread, with
    the ids of leases that were granted to tickets that waited, after they are written.
    ``rates``: see ``room.gpus.rates``.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy | None = None,
        now: Callable[[], float] = _now,
        on_grants: Callable[[Sequence[str]], None] = lambda _ids: None,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self._store = store
        self.policy = policy or Policy()
        self._now = now
        self.on_grants = on_grants
        self._said_rates = rates or {}
        #: By unit: what it counts towards budgets.
        self._rates: dict[str, float] = {}
        self._inventory = Inventory()
        #: Requests with their caps that this inventory can serve some day.
        self._possible: set[tuple[GPURequest, int | None]] = set()
        self._state: State | None = None
        self._revision = Revision(-1, 0)

    # -- units -------------------------------------------------------------------------------

    @property
    def inventory(self) -> Inventory:
        """The units as the agent saw them last; what an admin said of them is not in it."""
        return self._inventory

    def survey(self, inventory: Inventory) -> tuple[str, ...]:
        """Take a new inventory: a card that came back is given out. Return what it quarantines."""
        self._inventory = inventory
        self._possible.clear()
        units = inventory.units
        self._rates = {unit.uuid: rate(unit, self._said_rates, units) for unit in units}
        self._state = None
        with self._decision() as work:
            gone = marks.answer_reports(work.connection, inventory.units, moment(work.now))
            if gone:
                work.survey(said=True)
            work.apply(Ticked(work.now))
            return gone

    def mark(self, unit: str, mark: str, why: str, actor: str, origin: str = "") -> None:
        """Let no new lease have a unit: ``drained`` or ``quarantined``; empty takes it back."""
        with self._decision() as work:
            marks.put(work.connection, unit, mark, why, actor, moment(work.now), origin)
            work.survey(said=True)

    def units(self) -> tuple[GPUUnit, ...]:
        """Return the units as they count: what was said of them is in their health."""
        with self._store.read() as connection:
            return self._units(connection)

    def note(self, actor: str, action: str, subject: str, detail: str, origin: str = "") -> None:
        """Write down for good who did what to whom, and from where."""
        with self._store.decide() as connection:
            note(connection, actor, action, subject, detail, moment(self._now()), origin)

    def failed_on(self, units: Sequence[str], why: str) -> tuple[str, ...]:
        """Note a start that ended with a device error; return the units that it quarantines."""
        with self._decision() as work:
            gone = marks.count_failure(work.connection, units, why, moment(work.now))
            if gone:
                work.survey(said=True)
            return gone

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Take the classes' shares from now on: who waits is ordered by them at once."""
        if weights != self.policy.weights:
            self.policy = replace(self.policy, weights=dict(weights))
            if self._state is not None:
                self._state.policy = self.policy

    # -- tickets -----------------------------------------------------------------------------

    def submit(
        self,
        owner: Owner,
        request: GPURequest,
        *,
        groups: Sequence[str] = (),
        lease_seconds: float | None = None,
        cap: int | None = None,
        origin: str = "page",
    ) -> Lease | Ticket | Reject:
        """Ask for units: a lease when they are free, else a place in the queue, or why not.

        Who waits already keeps the place, as long as the same is asked for. ``groups`` are
        the classes of the user: the one that has used least for its weight asks.
        """
        with self._decision() as work:
            state = work.state
            kept = work.waiting_of(owner)
            if kept is not None and (kept.request, kept.lease_seconds) == (request, lease_seconds):
                return work.lease_of(kept.id) or kept
            held = work.held_by(owner)
            if held is not None:
                asked = (held.ticket.request, held.ticket.lease_seconds)
                if asked == (request, lease_seconds) and not work.is_ready(held.id):
                    # Granted while no start stood behind the ticket, as when the hub came back.
                    return work.lease_of(held.id) or held.ticket
                return still_held(len(held.units))
            if (request, cap) not in self._possible:
                refused = refuse(request, self._inventory, cap)
                if refused is not None:
                    return refused
                self._possible.add((request, cap))
            if kept is not None:
                work.forget(kept)
            ticket = Ticket(
                id=str(uuid.uuid4()),
                owner=owner,
                request=request,
                arrived=work.now,
                seq=work.next_seq(),
                group=state.first_group(groups),
                lease_seconds=lease_seconds,
                cap=cap,
            )
            ledger.insert_ticket(work.connection, ticket, origin, work.now)
            work.apply(Submitted(work.now, ticket))
            return work.lease_of(ticket.id) or ticket

    def leave(self, ticket_id: str) -> bool:
        """Give up a place in the queue. True when there was one."""
        with self._decision() as work:
            ticket = work.state.tickets.get(ticket_id)
            if ticket is None:
                return False
            work.forget(ticket)
            return True

    def seen(self, ticket_ids: Sequence[str]) -> None:
        """Note that somebody still looks at these tickets."""
        if ticket_ids:
            with self._store.decide() as connection:
                now = moment(self._now())
                mine = tickets.c.id.in_(ticket_ids)
                connection.execute(update(tickets).where(mine).values(seen_at=now))

    def waiting(self) -> tuple[Waiting, ...]:
        """Return every ticket without a lease, first come first."""
        with self._store.read() as connection:
            return ledger.read_waiting(connection)

    # -- leases ------------------------------------------------------------------------------

    def ready(self, lease_id: str) -> None:
        """Note that the lease's server runs: from now on its end is the server's, not a start's."""
        with self._store.decide() as connection:
            mine = (leases.c.id == lease_id) & leases.c.ready_at.is_(None)
            connection.execute(update(leases).where(mine).values(ready_at=moment(self._now())))

    def release(self, lease_id: str, why: Literal["ended", "lost", "returned"] = "ended") -> bool:
        """End a lease whose container is confirmed gone. True when there was one.

        It counts as used until now, also when its server ended earlier: nobody else could have
        had the units until now. ``lost``: nobody knew of the end. ``returned``: its user
        gave it back.
        """
        with self._decision() as work:
            if lease_id not in work.state.leases:
                return False
            work.release(lease_id, None, why)
            return True

    def requeue(self, lease_id: str, *, blame_units: bool = False) -> bool:
        """Give back the units of a start that came to nothing; its ticket waits in its old place.

        ``blame_units``: others are preferred from now on. True when there was a lease.
        """
        with self._decision() as work:
            grant = work.state.leases.get(lease_id)
            if grant is None:
                return False
            avoid = grant.ticket.avoid | (set(grant.units) if blame_units else set())
            work.release(lease_id, replace(grant.ticket, avoid=frozenset(avoid)))
            return True

    def extend(self, lease_id: str, ends: float) -> bool:
        """Let a lease end at ``ends``, in seconds since the epoch. True when there was one."""
        with self._decision() as work:
            if lease_id not in work.state.leases:
                return False
            work.apply(Prolonged(work.now, lease_id, ends))
            mine = leases.c.id == lease_id
            work.connection.execute(update(leases).where(mine).values(ends_at=moment(ends)))
            return True

    def adopt(self, lease: Lease) -> bool:
        """Write down the lease that a container's labels show. False when a unit is another's.

        The labels are the second copy of the truth: this mends a database that was
        restored from before the grant.
        """
        with self._decision() as work:
            state = work.state
            if lease.id in state.leases:
                return True
            if any(unit in state.lease_of for unit in lease.units) or work.held_by(lease.owner):
                return False
            kept = work.waiting_of(lease.owner)
            if kept is not None:
                work.forget(kept)
            ticket = ledger.adopted_ticket(lease)
            # What the history has of it is counted already.
            granted = max(
                seconds(lease.granted_at), ledger.counted_until(work.connection, lease.id)
            )
            grant = Grant(ticket, lease.units, granted, NEVER)
            ledger.insert_ticket(work.connection, ticket, "page", work.now)
            ledger.insert_grant(work.connection, grant, work.rate(grant), ready=work.now)
            work.apply(Adopted(work.now, grant))
            return True

    def tick(self) -> None:
        """Let time pass: somebody may be overdue, another process may have decided."""
        with self._decision() as work:
            work.apply(Ticked(work.now))

    def leases(self) -> tuple[Lease, ...]:
        """Return every lease there is."""
        with self._store.read() as connection:
            return ledger.read_leases(connection)

    def lease(self, lease_id: str) -> Lease | None:
        return next((lease for lease in self.leases() if lease.id == lease_id), None)

    def held_by(self, owner: Owner) -> Lease | None:
        """Return the lease of one server, if it has one."""
        return next((lease for lease in self.leases() if lease.owner == owner), None)

    def look(self, at: Callable[[State], T]) -> T:
        """Return what ``at`` reads from the order as it is now; it must change nothing."""
        with self._decision() as work:
            work.apply(Ticked(work.now))
            return at(work.state)

    # -- one decision ------------------------------------------------------------------------

    @contextmanager
    def _decision(self) -> Iterator[Work]:
        """One transaction on the state as the database has it.

        When it fails, the state in memory may be ahead of the database: it is read anew.
        """
        now = round(self._now(), 6)
        try:
            with self._store.decide() as connection:
                found = ledger.revision(connection, now)
                if self._state is None or found != self._revision:
                    self._state = ledger.load(connection, self.policy)
                    work = Work(connection, self._state, found, now, self._units, self.rate)
                    work.survey()
                else:
                    work = Work(connection, self._state, found, now, self._units, self.rate)
                yield work
                self._revision = work.close()
        except BaseException:
            self._state = None
            raise
        if work.granted:
            self.on_grants(tuple(work.granted))

    def _units(self, connection: Connection) -> tuple[GPUUnit, ...]:
        said = marks.read(connection)
        return tuple(marks.apply(unit, said) for unit in self._inventory.units)

    def rate(self, unit: str) -> float:
        """Return what a unit counts towards budgets, against one whole card."""
        return self._rates.get(unit, 1.0)
