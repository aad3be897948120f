"""Tickets, leases and usage as rows: what the queue's state is written to, and read back from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import lru_cache

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from room.gpus.events import NEVER, Grant, Policy, Ticket
from room.gpus.requests import GPURequest
from room.gpus.state import State
from room.models import Lease, Owner
from room.store.metadata import UTCDateTime
from room.store.tables import lease_units, leases, queue, tickets, usage
from room.store.usage_tables import lease_history

# What every grant needs is built once: to build a statement takes longer than to run it.
_REVISION = select(queue.c.revision, queue.c.seq).where(queue.c.id == 1)
_SAVE_REVISION = update(queue).where(queue.c.id == 1)
_INSERT_TICKET = insert(tickets)
_INSERT_LEASE = insert(leases)
_INSERT_UNIT = insert(lease_units)
_INSERT_USAGE = insert(usage)
_SAVE_USAGE = (
    update(usage)
    .where((usage.c.user == bindparam("of_user")) & (usage.c.class_name == bindparam("of_class")))
    .values({name: bindparam(name) for name in ("settled", "last_grant", "grant_before")})
)


@dataclass(frozen=True, slots=True)
class Revision:
    """The number of the last decision in the database, and the last ticket's."""

    number: int
    seq: int


def moment(seconds: float) -> datetime:
    """Return seconds since the epoch as the database keeps them, to the microsecond."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def seconds(at: datetime) -> float:
    return round(at.timestamp(), 6)


def revision(connection: Connection, now: float) -> Revision:
    """Return the latest revision; the first asker writes number 0, counted from ``now``."""
    row = connection.execute(_REVISION).first()
    if row is None:
        connection.execute(insert(queue).values(id=1, ref=moment(now), revision=0, seq=0))
        return Revision(0, 0)
    return Revision(row.revision, row.seq)


def save_revision(connection: Connection, to: Revision, ref: float) -> None:
    connection.execute(_SAVE_REVISION, {"revision": to.number, "seq": to.seq, "ref": moment(ref)})


def load(connection: Connection, policy: Policy) -> State:
    """Return the state that the rows say, without units: the inventory is not the database's."""
    ref = connection.execute(select(queue.c.ref).where(queue.c.id == 1)).scalar_one()
    state = State(policy, seconds(ref))
    recent: dict[str, list[float]] = {}
    used = {}
    for row in connection.execute(select(usage)):
        used[row.user, row.class_name] = int(row.settled)
        times = [seconds(at) for at in (row.last_grant, row.grant_before) if at is not None]
        # Only the class of the latest grant has both of the latest two.
        recent[row.user] = max(times, recent.get(row.user, []))
    state.settle(used)
    for user, times in recent.items():
        for at in reversed(times):
            state.note_served(user, at)
    rows = {row.id: row for row in connection.execute(select(tickets))}
    for grant in _grants(connection, rows):
        state.open_lease(grant)
    for ticket_id, row in rows.items():
        if ticket_id not in state.leases:
            state.add(to_ticket(row))
    return state


def _grants(connection: Connection, rows: dict[str, Row[tuple[object, ...]]]) -> list[Grant]:
    found = []
    for lease in read_leases(connection):
        ticket = to_ticket(rows[lease.id]) if lease.id in rows else adopted_ticket(lease)
        ends = NEVER if lease.ends_at is None else seconds(lease.ends_at)
        found.append(Grant(ticket, lease.units, seconds(lease.granted_at), ends))
    return found


def adopted_ticket(lease: Lease) -> Ticket:
    """Return a ticket for a lease that has lost its own: only its labels were left."""
    request = GPURequest(count=max(1, len(lease.units)))
    return Ticket(lease.id, lease.owner, request, seconds(lease.granted_at))


def read_leases(connection: Connection) -> tuple[Lease, ...]:
    """Return every lease there is."""
    units: dict[str, list[str]] = {}
    held = select(lease_units.c.unit, lease_units.c.lease_id).order_by(lease_units.c.unit)
    for unit, lease_id in connection.execute(held):
        units.setdefault(lease_id, []).append(unit)
    return tuple(
        Lease(
            row.id,
            Owner(row.user, row.server),
            tuple(units.get(row.id, ())),
            row.granted_at,
            row.ends_at,
            row.ready_at,
        )
        for row in connection.execute(select(leases))
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A ticket as the database has it, with what concerns its owner and not the order."""

    ticket: Ticket
    #: page | rest
    origin: str
    seen_at: datetime


def read_waiting(connection: Connection) -> tuple[Waiting, ...]:
    """Return every ticket without a lease, first come first."""
    rows = connection.execute(
        select(tickets)
        .where(tickets.c.id.not_in(select(leases.c.id)))
        .order_by(tickets.c.arrived_at, tickets.c.seq)
    )
    return tuple(Waiting(to_ticket(row), row.origin, row.seen_at) for row in rows)


def to_ticket(row: Row[tuple[object, ...]]) -> Ticket:
    return Ticket(
        id=row.id,
        owner=Owner(row.user, row.server),
        request=_to_request(row.request),
        arrived=seconds(row.arrived_at),
        seq=row.seq,
        group=row.class_name,
        lease_seconds=row.lease_seconds,
        cap=row.cap,
        avoid=frozenset(row.avoid.split(",") if row.avoid else ()),
    )


def _to_request(text: str) -> GPURequest:
    said = json.loads(text)
    # JSON knows no tuple; tickets of a release before have no such key.
    return GPURequest(**{**said, "only": tuple(said.get("only", ()))})


@lru_cache(maxsize=256)
def _written(request: GPURequest) -> str:
    """Return a request as its row has it; a room has few of them, and asks for each often."""
    return json.dumps(asdict(request), sort_keys=True)


def insert_ticket(connection: Connection, ticket: Ticket, origin: str, now: float) -> None:
    connection.execute(
        _INSERT_TICKET,
        {
            "id": ticket.id,
            "user": ticket.owner.user,
            "server": ticket.owner.server,
            "class_name": ticket.group,
            "request": _written(ticket.request),
            "lease_seconds": ticket.lease_seconds,
            "cap": ticket.cap,
            "arrived_at": moment(ticket.arrived),
            "seq": ticket.seq,
            "avoid": ",".join(sorted(ticket.avoid)),
            "origin": origin,
            "seen_at": moment(now),
        },
    )


def save_avoided(connection: Connection, ticket: Ticket) -> None:
    """Write on which units a ticket's start has failed."""
    connection.execute(
        update(tickets)
        .where(tickets.c.id == ticket.id)
        .values(avoid=",".join(sorted(ticket.avoid)))
    )


def delete_ticket(connection: Connection, ticket_id: str) -> None:
    connection.execute(delete(tickets).where(tickets.c.id == ticket_id))


def insert_grant(
    connection: Connection, grant: Grant, rate: float, ready: float | None = None
) -> None:
    """Write a grant. ``rate``: GPU-seconds that one of its seconds counts towards a budget."""
    owner = grant.ticket.owner
    connection.execute(
        _INSERT_LEASE,
        {
            "id": grant.id,
            "user": owner.user,
            "server": owner.server,
            "granted_at": moment(grant.granted),
            "ends_at": None if grant.ends == NEVER else moment(grant.ends),
            "ready_at": None if ready is None else moment(ready),
            "rate": rate,
        },
    )
    rows = [{"unit": unit, "lease_id": grant.id} for unit in grant.units]
    connection.execute(_INSERT_UNIT, rows)


def counted_until(connection: Connection, lease_id: str) -> float:
    """Return until when a lease is in the history; what has no part there, since ever."""
    mine = lease_history.c.lease_id == lease_id
    last = connection.execute(select(func.max(lease_history.c.to_at)).where(mine)).scalar_one()
    return -NEVER if last is None else seconds(last)


def end_lease(connection: Connection, grant: Grant, now: float, why: str) -> None:
    """Take a lease away, and write what it used: until ``now``, when its units come free."""
    lease_id = grant.id
    written = select(
        leases.c.id,
        leases.c.user,
        leases.c.server,
        literal(grant.ticket.group),
        literal(len(grant.units)),
        leases.c.rate,
        leases.c.granted_at,
        # A clock that was set back makes nothing shorter than nothing.
        literal(moment(max(now, grant.granted)), UTCDateTime),
        case((leases.c.ready_at.is_(None), "start-failed"), else_=why),
    ).where(leases.c.id == lease_id)
    columns = ("lease_id", "user", "server", "class_name", "units", "rate", "from_at", "to_at")
    connection.execute(insert(lease_history).from_select([*columns, "why"], written))
    connection.execute(delete(lease_units).where(lease_units.c.lease_id == lease_id))
    connection.execute(delete(leases).where(leases.c.id == lease_id))


def _served(state: State, user: str) -> dict[str, datetime | None]:
    last, before = state.recent.get(user, (-NEVER, -NEVER))
    return {
        "last_grant": None if last == -NEVER else moment(last),
        "grant_before": None if before == -NEVER else moment(before),
    }


def save_unserved(connection: Connection, state: State, user: str) -> None:
    """Write when a user was served, in all their classes, after a grant that served nobody."""
    connection.execute(update(usage).where(usage.c.user == user).values(**_served(state, user)))


def save_usage(connection: Connection, state: State, user: str, group: str) -> None:
    """Write what one user has used in one class, and when they were served."""
    values = {"settled": str(state.account(user, group).settled), **_served(state, user)}
    mine = {"of_user": user, "of_class": group}
    if not connection.execute(_SAVE_USAGE, {**values, **mine}).rowcount:
        connection.execute(_INSERT_USAGE, {"user": user, "class_name": group, **values})


def rewrite_usage(connection: Connection, state: State) -> None:
    """Write all usage anew: it counts from another instant now."""
    connection.execute(delete(usage))
    for user, group in list(state.users):
        save_usage(connection, state, user, group)
