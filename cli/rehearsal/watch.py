"""Looks at the guests' servers and at their host, again and again, on a thread of its own.

It reads the kernel's own counters, and not a cell in the notebook: what was used is known also of a
kernel that was ended because there was no more memory.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from engine import cgroups
from engine.cgroups import Charges, Group
from engine.client import Engine, EngineRefusedError, EngineUnavailableError
from room import admission
from room.models import LABEL_KIND, LABEL_ROOM, LABEL_USER
from room.rehearsal.model import Limits, Look, Peaks

if TYPE_CHECKING:
    from room.settings import Settings

#: Seconds between two looks, and between two at which servers there are.
EVERY, LIST_EVERY = 0.25, 0.5
#: So many looks at the host are kept: more than a plot can show.
KEPT = 240
PROC = Path("/proc")
MIB = 1024**2


@dataclass(slots=True)
class Seen:
    """One container: where its counters are, and the most of each. ``process``: its first."""

    group: Group
    process: int
    charged: int = 0
    own: int = 0
    kernel: int | None = None
    shm: int | None = None
    killed: int = 0
    now: int = 0
    warm: int = 0
    cpu: float | None = None

    def take(self, charges: Charges, shm: int | None, cpu: float | None) -> None:
        """Take in one look."""
        self.charged = max(self.charged, charges.charged)
        self.own = max(self.own, charges.own)
        self.kernel = charges.peak if charges.peak is not None else self.kernel
        self.killed = max(self.killed, charges.killed)
        self.now, self.warm = charges.own, charges.warm
        if shm is not None:
            self.shm = max(self.shm or 0, shm)
        self.cpu = cpu if cpu is not None else self.cpu

    def peaks(self) -> Peaks:
        """Return the most of everything.

        What the kernel saw beyond the looks came and went between two of them: then it was no
        file's, as the cache of files stays.
        """
        whole = max(self.charged, self.kernel or 0)
        unseen = whole - self.charged
        return Peaks(min(whole, self.own + unseen), whole, self.shm, killed=self.killed)


class Watch:
    """A context: it looks from its beginning to its end. ``logins``: whose servers."""

    def __init__(self, settings: Settings, logins: Collection[str], proc: Path = PROC) -> None:
        self._room, self._socket = settings.name, settings.engine_socket
        self._logins = frozenset(logins)
        self._proc = proc
        self._seen: dict[str, list[tuple[str, Seen]]] = {}
        self._gpu: dict[str, int] = {}
        self._looks: list[Look] = []
        self.limits = Limits()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rehearsal", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    # -- what it knows -----------------------------------------------------------------------

    def peaks(self, login: str) -> Peaks:
        """Return the most that a guest's server has taken; of several the last one's."""
        seen = self._seen.get(login)
        found = seen[-1][1].peaks() if seen else Peaks()
        return replace(found, gpu=self._gpu.get(login))

    def cpu(self, login: str) -> float | None:
        """Return the CPU-seconds of a guest's server until now; None: nobody can tell."""
        seen = self._seen.get(login)
        return seen[-1][1].group.cpu() if seen else None

    def looks(self) -> tuple[Look, ...]:
        return thinned(self._looks, KEPT)

    def note_gpus(self, told: Sequence[dict[str, Any]]) -> None:
        """Take in what the hub tells of GPU units: how much of each its holder uses."""
        held: dict[str, int] = {}
        for unit in told:
            lease, use = unit.get("lease") or {}, unit.get("use") or {}
            if lease.get("user") in self._logins and use.get("held_mib") is not None:
                held[lease["user"]] = held.get(lease["user"], 0) + int(use["held_mib"]) * MIB
        for login, size in held.items():
            self._gpu[login] = max(self._gpu.get(login, 0), size)

    # -- looking -----------------------------------------------------------------------------

    def _run(self) -> None:
        engine = Engine.at(f"unix://{self._socket}", threads=1, timeout=10)
        began = listed = time.monotonic()
        host = HostCounters(self._proc)
        try:
            while not self._stop.is_set():
                now = time.monotonic()
                if now >= listed:
                    listed = now + LIST_EVERY
                    self._list(engine)
                self._look(host, now - began)
                self._stop.wait(max(0.0, now + EVERY - time.monotonic()))
        finally:
            engine.close()

    def _list(self, engine: Engine) -> None:
        """Find the servers that began since; an engine that is silent is asked again."""
        labels = {LABEL_ROOM: self._room, LABEL_KIND: "server"}
        try:
            found = asyncio.run(engine.containers(labels))
            groups = {group.container: group for group in cgroups.groups()}
            for each in found:
                login, container = each["Labels"].get(LABEL_USER, ""), each["Id"]
                known = {name for name, _ in self._seen.get(login, ())}
                if login in self._logins and container in groups and container not in known:
                    self._begin(engine, login, groups[container])
        except (EngineUnavailableError, EngineRefusedError):
            return

    def _begin(self, engine: Engine, login: str, group: Group) -> None:
        told = asyncio.run(engine.inspect(group.container))
        if told is None:
            return
        seen = Seen(group, int(told["State"]["Pid"]))
        self._seen.setdefault(login, []).append((group.container, seen))
        self.limits = limits(told["HostConfig"])

    def _look(self, host: HostCounters, at: float) -> None:
        students = files = 0
        for seen in [each[-1][1] for each in list(self._seen.values())]:
            charges = seen.group.charges()
            if charges is None:
                continue
            seen.take(charges, self._shm(seen.process), seen.group.cpu())
            students += seen.now
            files += seen.warm
        self._looks.append(host.look(at, students, files))

    def _shm(self, process: int) -> int | None:
        """Return the bytes in a container's /dev/shm, as its first process has it."""
        try:
            disk = os.statvfs(self._proc / str(process) / "root" / "dev" / "shm")
        except OSError:
            return None
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize


class HostCounters:
    """What the whole host does, from one look to the next."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._before = (time.monotonic(), *self._times(), self._read())

    def look(self, at: float, students: int, files: int) -> Look:
        before, now = self._before, (time.monotonic(), *self._times(), self._read())
        self._before = now
        seconds, busy, whole, read = (b - a for a, b in zip(before, now, strict=True))
        part = min(1.0, max(0.0, busy / whole)) if whole > 0 else 0.0
        rate = max(0.0, read / seconds) if seconds > 0 else 0.0
        return Look(round(at, 2), students, files, self.available(), round(part, 3), round(rate))

    def available(self) -> int:
        return self.memory().available

    def memory(self) -> admission.Memory:
        return admission.memory((self._proc / "meminfo").read_text())

    def _times(self) -> tuple[int, int]:
        """Return the ticks that all cores have computed, and that there were."""
        first = (self._proc / "stat").read_text().partition("\n")[0].split()[1:9]
        numbers = [int(number) for number in first]
        return sum(numbers) - numbers[3] - numbers[4], sum(numbers)

    def _read(self) -> int:
        """Return the bytes that were read from disks."""
        for line in (self._proc / "vmstat").read_text().splitlines():
            if line.startswith("pgpgin "):
                return int(line.split()[1]) * 1024
        return 0


def limits(host_config: dict[str, Any]) -> Limits:
    """Return a container's limits, as the engine tells them. Pure."""
    period = host_config.get("CpuPeriod") or 0
    cores = (host_config.get("CpuQuota") or 0) / period if period else 0.0
    memory, shm = host_config.get("Memory") or 0, host_config.get("ShmSize") or 0
    return Limits(cores, int(memory), int(shm))


def thinned(looks: Sequence[Look], most: int) -> tuple[Look, ...]:
    """Return so many looks at most, each the one with most memory of its time. Pure."""
    step = -(-len(looks) // most) or 1
    parts = (looks[place : place + step] for place in range(0, len(looks), step))
    return tuple(max(part, key=lambda look: look.students) for part in parts)
