"""What was used, by whom and when: intervals, their sums, and the rows that they are read from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from sqlalchemy import Connection, func, insert, select, update

from room.models import Owner
from room.plans.budget import Budget, window
from room.store.metadata import UTCDateTime
from room.store.tables import leases, tickets
from room.store.usage_tables import lease_history, sessions, use_readings

_DAY = Budget(0.0, "day")


@dataclass(frozen=True, slots=True)
class Span:
    """Something was used from ``begin`` to ``end``; None: it still is.

    ``rate``: how much a second, as GPU-seconds, CPU-seconds, or bytes.
    """

    user: str
    group: str
    begin: datetime
    end: datetime | None
    rate: float

    def amount(self, begin: datetime, end: datetime, now: datetime) -> float:
        """Return what was used of it between two moments: ``rate`` times seconds."""
        last = min(end, now if self.end is None else self.end)
        return self.rate * max(0.0, (last - max(begin, self.begin)).total_seconds())


@dataclass(frozen=True, slots=True)
class Ran:
    """A container of a server, and what it reserved: cores, and memory in bytes; 0: no limit."""

    container: str
    owner: Owner
    group: str
    profile: str
    cores: float
    memory: int
    begin: datetime
    end: datetime | None = None


def total(spans: Iterable[Span], begin: datetime, end: datetime, now: datetime) -> float:
    """Return what was used between two moments: seconds, times each span's rate."""
    return sum(span.amount(begin, end, now) for span in spans)


def by_day(
    spans: Iterable[Span], now: datetime, zone: tzinfo
) -> Mapping[tuple[str, str, date], float]:
    """Return by user, class and day what was used; days are from midnight on in ``zone``."""
    found: defaultdict[tuple[str, str, date], float] = defaultdict(float)
    for span in spans:
        for begin, end in _days(span.begin, span.end or now, zone):
            amount = span.amount(begin, end, now)
            found[span.user, span.group, begin.astimezone(zone).date()] += amount
    return found


def _days(begin: datetime, end: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    at = begin
    while at < end:
        day = window(_DAY, at, zone)
        yield day
        at = day[1]


# -- rows ------------------------------------------------------------------------------------


def gpu_spans(
    connection: Connection,
    since: datetime | None = None,
    user: str | None = None,
    *,
    charged: bool = False,
) -> tuple[Span, ...]:
    """Return what was leased, and is now; ``charged``: without starts that came to nothing.

    A rate is the lease's towards a budget. ``since``: leases that ended earlier are left out.
    """
    past, now = select(lease_history), select(leases, tickets.c.class_name)
    now = now.outerjoin(tickets, tickets.c.id == leases.c.id)
    if user is not None:
        past = past.where(lease_history.c.user == user)
        now = now.where(leases.c.user == user)
    if since is not None:
        past = past.where(lease_history.c.to_at > since)
    if charged:
        past = past.where(lease_history.c.why != "start-failed")
    over = tuple(
        Span(row.user, row.class_name, row.from_at, row.to_at, row.rate)
        for row in connection.execute(past)
    )
    return over + tuple(
        Span(row.user, row.class_name or "", row.granted_at, None, row.rate)
        for row in connection.execute(now)
    )


def note(connection: Connection, ran: Ran) -> None:
    """Write down a container that runs or has ended; repeating it changes nothing.

    What is known of one that has ended is the engine's own, and replaces what was known before.
    """
    mine = sessions.c.container == ran.container
    row = connection.execute(select(sessions.c.to_at).where(mine)).one_or_none()
    if row is None:
        connection.execute(
            insert(sessions).values(
                container=ran.container,
                user=ran.owner.user,
                server=ran.owner.server,
                class_name=ran.group,
                profile=ran.profile,
                cores=ran.cores,
                memory=ran.memory,
                from_at=ran.begin,
                to_at=ran.end,
            )
        )
    elif ran.end is not None and row.to_at is None:
        connection.execute(
            update(sessions)
            .where(mine)
            .values(cores=ran.cores, memory=ran.memory, from_at=ran.begin, to_at=ran.end)
        )


def running(connection: Connection) -> dict[str, datetime]:
    """Return the containers whose end nobody has seen yet, and since when each runs."""
    here = select(sessions.c.container, sessions.c.from_at).where(sessions.c.to_at.is_(None))
    return {row.container: row.from_at for row in connection.execute(here)}


def close(connection: Connection, containers: Iterable[str], now: datetime) -> None:
    """End containers that are gone, and whose end nobody saw."""
    mine = sessions.c.container.in_(containers) & sessions.c.to_at.is_(None)
    connection.execute(update(sessions).where(mine).values(to_at=now))


@dataclass(frozen=True, slots=True)
class Servers:
    """What servers reserved, of cores and of memory in bytes, and how long each ran.

    ``ran`` is of those that run until what they use was read last: later nobody could know it yet.
    """

    cores: tuple[Span, ...]
    memory: tuple[Span, ...]
    ran: tuple[Span, ...]


def servers(
    connection: Connection, since: datetime | None = None, user: str | None = None
) -> Servers:
    """Return what servers reserved. ``since``: those that ended earlier are left out."""
    read_at = func.max(use_readings.c.read_at, type_=UTCDateTime()).label("read_at")
    read = select(use_readings.c.container, read_at).group_by(use_readings.c.container).subquery()
    asked = select(sessions, read.c.read_at).outerjoin(
        read, read.c.container == sessions.c.container
    )
    if since is not None:
        asked = asked.where(sessions.c.to_at.is_(None) | (sessions.c.to_at > since))
    if user is not None:
        asked = asked.where(sessions.c.user == user)
    rows = connection.execute(asked).all()
    return Servers(
        tuple(Span(r.user, r.class_name, r.from_at, r.to_at, r.cores) for r in rows),
        tuple(Span(r.user, r.class_name, r.from_at, r.to_at, float(r.memory)) for r in rows),
        tuple(Span(r.user, r.class_name, r.from_at, r.to_at or r.read_at, 1.0) for r in rows),
    )
