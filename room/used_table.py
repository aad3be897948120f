"""What people have used, as tables tell it: hours of GPUs, and of CPU and memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import date, datetime, time, timezone, tzinfo

from sqlalchemy import Connection

from room import usage, used
from room.usage import Span

#: The hours of ``Hours``, in its order, as commands and CSV call them.
COLUMNS = (
    "GPU-hours",
    "CPU-hours used",
    "CPU-hours reserved",
    "GiB-hours used",
    "GiB-hours reserved",
    "Hours unseen",
)
#: Digits after the point in CSV: a second is 0.0003 hours.
CSV_DIGITS = 4
_HOUR = 3600.0
_GIB_HOUR = 1024.0**3 * _HOUR


@dataclass(frozen=True, slots=True)
class Hours:
    """GPU-hours, CPU-hours, and GiB-hours of memory.

    ``unseen``: for how many hours servers ran and nobody saw what they used of memory; less than
    none on a day on which more was told of than of that day.
    """

    gpu: float = 0.0
    cpu: float = 0.0
    cpu_reserved: float = 0.0
    memory: float = 0.0
    memory_reserved: float = 0.0
    unseen: float = 0.0

    def __add__(self, other: Hours) -> Hours:
        return Hours(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def cells(self, digits: int = 2) -> tuple[str, ...]:
        """Return them as tables write them, in the order of ``COLUMNS``."""
        return tuple(f"{max(0.0, hours):.{digits}f}" for hours in astuple(self))


def by_day(
    connection: Connection,
    now: datetime,
    zone: tzinfo,
    *,
    since: date | None = None,
    user: str | None = None,
    group: str | None = None,
) -> dict[used.Day, Hours]:
    """Return what was used by user, class and day of ``zone``, from a day on until now.

    ``user``, ``group``: only theirs.
    """
    begin = None
    if since is not None:
        begin = datetime.combine(since, time(), zone).astimezone(timezone.utc)
    counted = used.by_day(connection, since)
    servers = usage.servers(connection, begin, user)

    def days(spans: Iterable[Span]) -> Mapping[used.Day, float]:
        return usage.by_day([s for s in spans if group in (None, s.group)], now, zone)

    gpu = days(usage.gpu_spans(connection, begin, user))
    cores, memory, ran = days(servers.cores), days(servers.memory), days(servers.ran)
    found = {}
    for key in {*gpu, *cores, *counted}:
        who, of, day = key
        if (since and day < since) or user not in (None, who) or group not in (None, of):
            continue
        amounts = counted.get(key, used.Amounts())
        found[key] = Hours(
            gpu.get(key, 0.0) / _HOUR,
            amounts.cpu / _HOUR,
            cores.get(key, 0.0) / _HOUR,
            amounts.memory / _GIB_HOUR,
            memory.get(key, 0.0) / _GIB_HOUR,
            (ran.get(key, 0.0) - amounts.seen) / _HOUR,
        )
    return found


def by_user(days: Mapping[used.Day, Hours]) -> dict[str, Hours]:
    """Return what each user used in all."""
    found: defaultdict[str, Hours] = defaultdict(Hours)
    for (user, _group, _day), hours in days.items():
        found[user] += hours
    return dict(found)
