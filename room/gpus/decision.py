"""One decision on the queue: what changes in memory is written in the same transaction."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, select

from room.gpus import ledger
from room.gpus.events import (
    NEVER,
    Event,
    Grant,
    Left,
    Released,
    Surveyed,
    Ticked,
    Ticket,
)
from room.gpus.ledger import Revision, moment
from room.gpus.queue import step
from room.gpus.state import State
from room.models import GPUUnit, Lease, Owner
from room.store.tables import leases


class Work:
    """The state and the transaction that belongs to it: every change is made to both."""

    def __init__(
        self,
        connection: Connection,
        state: State,
        revision: Revision,
        now: float,
        units: Callable[[Connection], tuple[GPUUnit, ...]],
        rate_of: Callable[[str], float],
    ) -> None:
        self.connection = connection
        self.state = state
        self.now = max(now, state.now)
        self.granted: list[str] = []
        self._revision = revision
        self._seq = revision.seq
        self._ref = state.clock.ref
        self._units = units
        self._rate_of = rate_of
        #: Whether other processes have to read the state anew.
        self.changed = False

    def apply(self, event: Event) -> None:
        """Take an event, and write down what is granted because of it."""
        _state, grants = step(self.state, event)
        for grant in grants:
            ledger.insert_grant(self.connection, grant, self.rate(grant))
            ledger.save_usage(self.connection, self.state, grant.ticket.user, grant.ticket.group)
            self.granted.append(grant.id)
        self.changed = self.changed or bool(grants) or not isinstance(event, (Ticked, Surveyed))

    def survey(self, *, said: bool = False) -> None:
        """Take the units as they count now; ``said``: something new was said of one."""
        self.changed = self.changed or said
        self.apply(Surveyed(self.now, self._units(self.connection)))

    def rate(self, grant: Grant) -> float:
        return sum(self._rate_of(unit) for unit in grant.units)

    def release(self, lease_id: str, again: Ticket | None, why: str = "ended") -> None:
        grant = self.state.leases[lease_id]
        ticket = grant.ticket
        ledger.end_lease(self.connection, grant, self.now, why)
        if again is None:
            ledger.delete_ticket(self.connection, lease_id)
        else:
            ledger.save_avoided(self.connection, again)
        self.apply(Released(self.now, lease_id, again))
        if again is None:
            ledger.save_usage(self.connection, self.state, ticket.user, ticket.group)
        else:
            ledger.save_unserved(self.connection, self.state, ticket.user)

    def forget(self, ticket: Ticket) -> None:
        ledger.delete_ticket(self.connection, ticket.id)
        self.apply(Left(self.now, ticket.id))

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def waiting_of(self, owner: Owner) -> Ticket | None:
        return next((t for t in self.state.tickets_of(owner.user) if t.owner == owner), None)

    def held_by(self, owner: Owner) -> Grant | None:
        return next((g for g in self.state.leases_of(owner.user) if g.ticket.owner == owner), None)

    def is_ready(self, lease_id: str) -> bool:
        """Say whether a server runs with the lease, and no start is under way with it."""
        ready = select(leases.c.ready_at).where(leases.c.id == lease_id)
        return self.connection.execute(ready).scalar() is not None

    def lease_of(self, ticket_id: str) -> Lease | None:
        grant = self.state.leases.get(ticket_id)
        if grant is None:
            return None
        ends = None if grant.ends == NEVER else moment(grant.ends)
        return Lease(grant.id, grant.ticket.owner, grant.units, moment(grant.granted), ends)

    def close(self) -> Revision:
        """Write what holds for all of it; return the revision that the database has then."""
        if self.state.clock.ref != self._ref:
            ledger.rewrite_usage(self.connection, self.state)
            self.changed = True
        if not self.changed:
            return self._revision
        done = Revision(self._revision.number + 1, self._seq)
        ledger.save_revision(self.connection, done, self.state.clock.ref)
        return done
