"""What the agent answers: a snapshot of cards and servers, taken again and again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from agent.known import Known, silence
from agent.processes import cgroup_of, join
from agent.reading import Source
from agent.servers import ServersUnknownError
from room.gpus import inventory as inventories
from room.gpus import use as uses
from room.gpus.seats import Sharing, split
from room.gpus.use import Use
from room.models import GPUUnit, Inventory, Owner

LOG = logging.getLogger(__name__)

#: Seconds between two snapshots.
EVERY = 2.0
#: Seconds after which a snapshot is too old to believe: the driver's call that should have brought
#: the next one hangs, as it does on cards that are about to be lost. Five were missed by then.
STALE = 5 * EVERY


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look at everything. ``problem`` is NVML's refusal, empty when it answered."""

    inventory: Inventory = field(default_factory=Inventory)
    use: Use = field(default_factory=Use)
    problem: str = ""
    #: The cards and MIG instances as they are: a shared GPU is one, and not its seats.
    cards: tuple[GPUUnit, ...] = ()
    cdi_names: frozenset[str] = frozenset()
    #: Bytes that each server holds of the host's memory; who is not named is not told of.
    memory: Mapping[Owner, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return what ``python -m agent --once`` prints."""
        return {
            "inventory": inventories.as_dict(self.inventory),
            "use": uses.as_dict(self.use),
            "problem": self.problem,
            "cdi_names": sorted(self.cdi_names),
        }


def _now() -> datetime:
    return datetime.now(timezone.utc)


class Sampler:
    """Takes snapshots on a thread of its own: NVML and the engine may block."""

    def __init__(
        self,
        source: Source,
        known: Known,
        *,
        sharing: Iterable[Sharing] = (),
        servers: Callable[[], Mapping[str, Owner]] = dict,
        cgroup: Callable[[int], str] = cgroup_of,
        cpu: Callable[[Iterable[str]], Mapping[str, float]] = lambda _containers: {},
        memory: Callable[[Iterable[str]], Mapping[str, int]] = lambda _containers: {},
        now: Callable[[], datetime] = _now,
        clock: Callable[[], float] = time.monotonic,
        log: logging.Logger = LOG,
    ) -> None:
        self._source = source
        self._known = known
        self._sharing = tuple(sharing)
        self._servers = servers
        self._cgroup = cgroup
        self._cpu = cpu
        self._memory = memory
        self._now = now
        self._clock = clock
        self._log = log
        self._taken: tuple[float, Snapshot] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def sample(self) -> Snapshot:
        """Look once, and keep what was seen."""
        reading, at = self._source.read(), self._now()
        cards = self._known.complete(reading)
        inventory = Inventory(
            split(cards, self._sharing),
            reading.driver_version,
            reading.cuda_version,
            at,
        )
        snapshot = Snapshot(inventory, Use(), reading.problem, cards, reading.cdi_names)
        # What the cards are must not wait for the engine, which may not answer; who uses them
        # stays what it was until then.
        before = self._taken[1].use if self._taken else Use()
        self._taken = (self._clock(), replace(snapshot, use=before))
        held: dict[Owner, int] = {}
        # Cards that do not answer are not cards at rest.
        use = Use(reading.uses, read_at=at, problem=silence(reading.problem))
        try:
            servers = self._servers()
        except ServersUnknownError as error:
            use = replace(use, problem=str(error))
        else:
            found, strangers = join(reading.processes, servers, self._cgroup)
            units = tuple(replace(u, strangers=strangers.get(u.uuid, 0)) for u in reading.uses)
            used = self._cpu(servers)
            cpu = {servers[container]: seconds for container, seconds in used.items()}
            held = {servers[each]: size for each, size in self._memory(servers).items()}
            use = replace(use, units=units, servers=found, cpu=cpu)
        snapshot = replace(snapshot, use=use, memory=held)
        self._taken = (self._clock(), snapshot)
        return snapshot

    def latest(self) -> Snapshot:
        """Return the newest snapshot; one that is too old knows nothing of any unit."""
        if self._taken is None:
            return Snapshot()
        at, snapshot = self._taken
        age = self._clock() - at
        if age <= STALE:
            return snapshot
        why = f"the driver has not answered for {age:.0f} seconds"
        stale = inventories.unknown(snapshot.inventory, why)
        return replace(snapshot, inventory=stale, use=Use(problem=why), problem=why, memory={})

    def age(self) -> float | None:
        """Return the seconds since the newest snapshot; None before the first."""
        return None if self._taken is None else self._clock() - self._taken[0]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.sample()
            except Exception:  # noqa: BLE001 - it is logged, and the last look grows old
                self._log.exception("No snapshot could be taken")
            self._stop.wait(EVERY)
