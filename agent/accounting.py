"""Counts what every container of the host uses: again and again, on a thread of its own.

It asks neither the engine nor the driver, which may hang: it finds control groups in the kernel's
own tree. Whose a container is, the hub knows, which counts those of its room only.
"""

from __future__ import annotations

import json
import logging
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Protocol

from room import accounting
from room.accounting import EVERY, Count, Look, Reading

LOG = logging.getLogger(__name__)

#: Seconds for which a container that has ended is told of: a hub may be away for a night.
KEEP = 86400.0
#: How many of them at most, the latest: a host may run containers of others by the thousand.
MOST = 5000
#: Seconds between two looks at which containers there are: one that ends sooner is not counted.
LIST_EVERY = 0.5
#: Changes with every boot of the host.
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_Key = tuple[str, int]


class Group(Protocol):
    """A container's control group: ``engine.cgroups.Group``."""

    @property
    def container(self) -> str: ...

    @property
    def number(self) -> int: ...

    def cpu(self) -> float | None: ...

    def memory(self) -> int | None: ...


def _due(count: Count) -> float:
    return count.clock + accounting.pause(count)


def _now() -> datetime:
    return datetime.now(timezone.utc)


class Accountant:
    """One of these per agent. ``zone`` is the room's, whose days the hub counts by.

    ``file`` is where an agent that is told to end leaves its readings to the next one: without it
    the hub would not hear what was used since it asked last.
    """

    def __init__(
        self,
        groups: Callable[[], Iterable[Group]],
        zone: tzinfo = timezone.utc,
        file: Path | None = None,
        *,
        boot: str = "",
        now: Callable[[], datetime] = _now,
        clock: Callable[[], float] = time.monotonic,
        log: logging.Logger = LOG,
    ) -> None:
        self._groups = groups
        self._zone = zone
        self._boot = boot or BOOT_ID.read_text().strip()
        self._epoch = secrets.token_hex(8)
        self._now = now
        self._clock = clock
        self._log = log
        self._running: dict[_Key, tuple[Group, Count]] = {}
        #: When each ended, and its last count.
        self._ended: dict[_Key, tuple[float, Count]] = {}
        self._file = file
        self._left = self._load()
        self._next_all = self._next_list = clock()
        # Of the look, and of those who ask meanwhile.
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="accounting", daemon=True)

    # -- what it knows -----------------------------------------------------------------------

    def readings(self) -> list[Reading]:
        """Return what each container has used until the last look, those that ended too.

        Before it come the last readings of days before, for who was away over midnight, and those
        that the agent before this one has left.
        """
        oldest = self._now() - timedelta(seconds=KEEP)
        with self._lock:
            counts = [count for _group, count in self._running.values()]
            counts += [count for _at, count in self._ended.values()]
        left = (each for each in self._left if each.at > oldest)
        return [*left, *(each for count in counts for each in (*count.days, count.reading))]

    def cpu(self, containers: Iterable[str]) -> dict[str, float]:
        """Return the CPU seconds of containers that run; who is not told of is left out."""
        with self._lock:
            told = {key[0]: count.reading.cpu for key, (_group, count) in self._running.items()}
        return {container: told[container] for container in containers if container in told}

    def memory(self, containers: Iterable[str]) -> dict[str, int]:
        """Return the bytes that containers hold now; who is not told of is left out."""
        with self._lock:
            told = {
                key[0]: count.held[1]
                for key, (_group, count) in self._running.items()
                if count.held is not None
            }
        return {container: told[container] for container in containers if container in told}

    # -- looking -----------------------------------------------------------------------------

    def look(self) -> float:
        """Look at everybody, or at those alone who are due; return the seconds to the next look."""
        now = self._clock()
        everybody = now >= self._next_all
        if everybody:
            self._next_all = now + EVERY
        if everybody or now >= self._next_list:
            self._next_list = now + LIST_EVERY
            self._list()
        for key, (group, count) in list(self._running.items()):
            if everybody or _due(count) <= now:
                self._look_at(key, group, self._look(group, memory=everybody))
        soonest = min((_due(count) for _group, count in self._running.values()), default=math.inf)
        return max(0.0, min(soonest, self._next_list, self._next_all) - self._clock())

    def _list(self) -> None:
        """Find who has begun, and who has ended."""
        there = {(group.container, group.number): group for group in self._groups()}
        for key in self._running.keys() - there.keys():
            self._end(key)
        for key in there.keys() - self._running.keys():
            self._look_at(key, there[key], self._look(there[key], memory=True))
        now = self._clock()
        with self._lock:
            latest = list(self._ended.items())[-MOST:]
            self._ended = {key: end for key, end in latest if now - end[0] <= KEEP}

    def _look(self, group: Group, *, memory: bool = False) -> Look | None:
        cpu = group.cpu()
        if cpu is None:
            return None  # it ended a moment ago: what was seen last is its end
        return Look(self._now(), self._clock(), cpu, group.memory() if memory else None)

    def _look_at(self, key: _Key, group: Group, look: Look | None) -> None:
        if look is None:
            self._end(key)
            return
        known = self._running[key][1] if key in self._running else None
        if known is None and key in self._ended:
            known = self._ended[key][1]
        if known is None:
            container, number = key
            count = accounting.begin(container, f"{number}@{self._boot}", self._epoch, look)
        else:
            count = accounting.step(known, look, self._zone)
        with self._lock:
            self._running[key] = (group, count)
            self._ended.pop(key, None)

    def _end(self, key: _Key) -> None:
        with self._lock:
            if key in self._running:
                self._ended[key] = (self._clock(), self._running.pop(key)[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Look no more, and leave what is known to the next agent."""
        self._stop.set()
        if self._file is None:
            return
        beside = self._file.with_name(f".{self._file.name}.new")
        try:
            beside.write_text(json.dumps(accounting.as_dict(self.readings())))
            beside.replace(self._file)
        except OSError as error:
            self._log.warning("What containers have used could not be left: %s", error)

    def _load(self) -> tuple[Reading, ...]:
        try:
            return () if self._file is None else accounting.loads(self._file.read_text())
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            self._log.warning("What the agent before has left cannot be read: %s", error)
            return ()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                wait = self.look()
            except Exception:  # noqa: BLE001 - it is logged; the counters go on meanwhile
                self._log.exception("Containers could not be looked at")
                wait = EVERY
            self._stop.wait(wait)
