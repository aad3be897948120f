"""What servers have used of CPU and memory: readings of counters → sums by user, class and day.

Each counter only grows, and for each is kept how far it was counted. So what is added is what it
has grown by: a reading that comes twice, late, or in the wrong order adds nothing, and one that was
missed is in the next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from room.accounting import Reading
from room.store.usage_tables import sessions, use_days, use_readings

#: For how long it is kept how far a container was counted that nobody tells of any more. The agent
#: tells of one that has ended for a day.
KEEP = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Amounts:
    """CPU-seconds, byte-seconds of memory, and for how many seconds that was seen."""

    cpu: float = 0.0
    memory: float = 0.0
    seen: float = 0.0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.cpu + other.cpu, self.memory + other.memory, self.seen + other.seen)

    def beyond(self, other: Amounts) -> Amounts:
        """Return by how much each is more than another's."""
        return Amounts(
            max(0.0, self.cpu - other.cpu),
            max(0.0, self.memory - other.memory),
            max(0.0, self.seen - other.seen),
        )


#: Container, life and epoch.
Key = tuple[str, str, str]
#: User, class and day.
Day = tuple[str, str, date]
Owners = Mapping[str, tuple[str, str]]


def key_of(reading: Reading) -> Key:
    return reading.container, reading.life, reading.epoch


def take(
    known: Mapping[Key, Amounts], readings: Iterable[Reading], owners: Owners, zone: tzinfo
) -> tuple[dict[Key, Amounts], dict[Day, Amounts]]:
    """Return how far counters are counted after some readings, and what these add to which day.

    ``known``: how far they were before. ``owners``: user and class by container; one that is
    nobody's is left out, and is counted whole once somebody's. What was used between two readings
    counts on the day of the later one.
    """
    counted = dict(known)
    # Another epoch goes on with the kernel's counter, and begins anew with what the agent adds up.
    cpu: defaultdict[tuple[str, str], float] = defaultdict(float)
    for (container, life, _epoch), amounts in counted.items():
        cpu[container, life] = max(cpu[container, life], amounts.cpu)
    days: defaultdict[Day, Amounts] = defaultdict(Amounts)
    for reading in sorted(readings, key=lambda each: each.at):
        if reading.container not in owners:
            continue
        key, whole = key_of(reading), (reading.container, reading.life)
        before = counted.get(key, Amounts())
        now = Amounts(reading.cpu, reading.memory, reading.seen)
        added = now.beyond(Amounts(cpu[whole], before.memory, before.seen))
        counted[key] = before + now.beyond(before)
        cpu[whole] += added.cpu
        if added != Amounts():
            user, group = owners[reading.container]
            days[user, group, reading.at.astimezone(zone).date()] += added
    return counted, dict(days)


# -- rows ------------------------------------------------------------------------------------


def record(connection: Connection, readings: Iterable[Reading], zone: tzinfo) -> None:
    """Count what the agent told, and how far that was; repeating it changes nothing."""
    told = {key_of(each): each for each in sorted(readings, key=lambda each: each.at)}
    containers = {container for container, _life, _epoch in told}
    owners = _owners(connection, containers)
    known = _known(connection, containers)
    counted, days = take(known, readings, owners, zone)
    _keep(connection, known, counted, told)
    _add(connection, days)
    _forget(connection, containers, max((each.at for each in told.values()), default=None))


def _owners(connection: Connection, containers: set[str]) -> Owners:
    mine = select(sessions.c.container, sessions.c.user, sessions.c.class_name).where(
        sessions.c.container.in_(containers)
    )
    return {row.container: (row.user, row.class_name) for row in connection.execute(mine)}


def _known(connection: Connection, containers: set[str]) -> dict[Key, Amounts]:
    rows = connection.execute(select(use_readings).where(use_readings.c.container.in_(containers)))
    return {
        (row.container, row.life, row.epoch): Amounts(
            row.cpu_seconds, row.memory_byte_seconds, row.seen_seconds
        )
        for row in rows
    }


def _keep(
    connection: Connection,
    known: Mapping[Key, Amounts],
    counted: Mapping[Key, Amounts],
    told: Mapping[Key, Reading],
) -> None:
    new: list[tuple[Key, dict[str, Any]]] = []
    changed: list[tuple[Key, dict[str, Any]]] = []
    for key, amounts in counted.items():
        if known.get(key) != amounts:
            values = {"read_at": told[key].at, **_columns(amounts)}
            (changed if key in known else new).append((key, values))
    if new:
        names = ("container", "life", "epoch")
        rows = [{**dict(zip(names, key, strict=True)), **values} for key, values in new]
        connection.execute(insert(use_readings), rows)
    if changed:
        mine = (
            (use_readings.c.container == bindparam("of"))
            & (use_readings.c.life == bindparam("in_life"))
            & (use_readings.c.epoch == bindparam("in_epoch"))
        )
        keys = ("of", "in_life", "in_epoch")
        rows = [{**dict(zip(keys, key, strict=True)), **values} for key, values in changed]
        connection.execute(update(use_readings).where(mine), rows)


def _add(connection: Connection, days: Mapping[Day, Amounts]) -> None:
    if not days:
        return
    asked = select(use_days.c.user, use_days.c.class_name, use_days.c.day).where(
        use_days.c.day.in_({day for _user, _group, day in days})
    )
    there = {(row.user, row.class_name, row.day) for row in connection.execute(asked)}
    new = [
        {"user": user, "class_name": group, "day": day, **_columns(days[user, group, day])}
        for user, group, day in days.keys() - there
    ]
    if new:
        connection.execute(insert(use_days), new)
    more = [
        {"of": user, "in_class": group, "on": day, **_columns(days[user, group, day], "more_")}
        for user, group, day in days.keys() & there
    ]
    if more:
        mine = (
            (use_days.c.user == bindparam("of"))
            & (use_days.c.class_name == bindparam("in_class"))
            & (use_days.c.day == bindparam("on"))
        )
        grown = {name: use_days.c[name] + bindparam(f"more_{name}") for name in _columns(Amounts())}
        connection.execute(update(use_days).where(mine).values(grown), more)


def _forget(connection: Connection, told: set[str], now: datetime | None) -> None:
    """Forget how far those were counted of whom nobody tells any more."""
    if now is not None:
        old = (use_readings.c.read_at < now - KEEP) & use_readings.c.container.not_in(told)
        connection.execute(delete(use_readings).where(old))


def _columns(amounts: Amounts, prefix: str = "") -> dict[str, Any]:
    return {
        f"{prefix}cpu_seconds": amounts.cpu,
        f"{prefix}memory_byte_seconds": amounts.memory,
        f"{prefix}seen_seconds": amounts.seen,
    }


def by_day(connection: Connection, since: date | None = None) -> dict[Day, Amounts]:
    """Return what servers have used by user, class and day, from a day on."""
    asked = select(use_days)
    if since is not None:
        asked = asked.where(use_days.c.day >= since)
    return {
        (row.user, row.class_name, row.day): Amounts(
            row.cpu_seconds, row.memory_byte_seconds, row.seen_seconds
        )
        for row in connection.execute(asked)
    }
