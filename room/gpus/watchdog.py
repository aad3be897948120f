"""Who uses more of a shared GPU's memory than the seat has: warn, then stop. Pure.

For where the driver cannot cap memory. Only the server that is over its own share is ever named:
a neighbour that is within its share is none of the watchdog's business, however full the card is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from room.gpus.use import Use
from room.models import GPUUnit, Owner

#: A CUDA context takes some memory that no program of a student asked for.
TOLERANCE = 1.05
#: Seconds above the share before a warning: one big intermediate result is no offence.
PATIENCE = 10.0
#: Seconds from the warning to the stop: enough to read it and to free memory.
GRACE = 60.0
#: Seconds without a sample after which all counting begins again: nobody is stopped for what
#: nobody saw.
GAP = 15.0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds above the share before the warning, and from the warning to the stop."""

    patience: float = PATIENCE
    grace: float = GRACE


USUAL = Times()


@dataclass(frozen=True, slots=True)
class Sample:
    """The memory that servers use on shared cards at ``at``, in MiB, by card.

    ``at`` counts seconds on a clock that never jumps. None: the driver does not tell.
    """

    at: float
    used: Mapping[str, Mapping[Owner, int | None]]


@dataclass(frozen=True, slots=True)
class Action:
    """What to do with one server that is over its share of one card."""

    kind: Literal["warn", "stop"]
    owner: Owner
    device: str
    used_mib: int
    share_mib: int
    #: Seconds from the warning to the stop.
    grace: float = GRACE

    @property
    def message(self) -> str:
        """Return the words for the student."""
        uses, has = gib(self.used_mib), gib(self.share_mib)
        if self.kind == "warn":
            return (
                f"Your programs use {uses} of the shared GPU's memory, and your seat has {has}. "
                f"Free some within {self.grace:.0f} seconds, or your server is stopped: use "
                "smaller batches, or shut down the kernels that you do not need."
            )
        return (
            f"Your programs used {uses} of the shared GPU's memory, and your seat has {has}. "
            "Your server was stopped, because others share this GPU; your files are safe."
        )


@dataclass(frozen=True, slots=True)
class Over:
    """Since when a server is over its share of a card, and when it was warned."""

    since: float
    warned: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What the watchdog remembers between two samples."""

    at: float | None = None
    over: Mapping[tuple[Owner, str], Over] = field(default_factory=dict)

    @property
    def warned(self) -> frozenset[tuple[Owner, str]]:
        """Who was warned for which card, and is over the share still."""
        return frozenset(key for key, known in self.over.items() if known.warned is not None)


def sample_of(use: Use, at: float) -> Sample | None:
    """Return what one look at the cards tells; None when it does not tell servers apart."""
    if use.problem or use.read_at is None:
        return None
    used: dict[str, dict[Owner, int | None]] = {}
    for server in use.servers:
        for device, mib in server.memory_mib.items():
            used.setdefault(device, {})[server.owner] = mib
    return Sample(at, used)


def shares(units: Iterable[GPUUnit]) -> dict[str, int]:
    """Return the MiB that a server holding these units may use, by card; only seats have a share.

    Whoever holds two seats of a card may use the memory of both.
    """
    result: dict[str, int] = {}
    for unit in units:
        if unit.kind == "seat":
            result[unit.parent] = result.get(unit.parent, 0) + unit.memory_mib
    return result


def lapse(watch: Watch, now: float) -> Watch:
    """Return the watch without what it counted, once nobody has looked for too long."""
    if watch.at is not None and 0 <= now - watch.at <= GAP:
        return watch
    return Watch()


def step(
    watch: Watch,
    sample: Sample,
    held: Mapping[Owner, Mapping[str, int]],
    times: Times = USUAL,
) -> tuple[Watch, tuple[Action, ...]]:
    """Judge one sample. ``held`` has each server's ``shares``; who holds none is not judged."""
    seen = lapse(watch, sample.at).over
    over: dict[tuple[Owner, str], Over] = {}
    actions: list[Action] = []
    for key, used, share in _over(sample, held):
        known = seen.get(key, Over(sample.at))
        kind = _due(known, sample.at, times)
        if kind == "warn":
            known = replace(known, warned=sample.at)
        if kind is not None:
            actions.append(Action(kind, *key, used, share, times.grace))
        # One who was stopped is forgotten: its next life begins anew.
        if kind != "stop":
            over[key] = known
    over.update(_not_told(sample, held, seen))
    return Watch(sample.at, over), tuple(actions)


def _due(known: Over, now: float, times: Times) -> Literal["warn", "stop"] | None:
    if known.warned is not None:
        return "stop" if now - known.warned >= times.grace else None
    return "warn" if now - known.since >= times.patience else None


def _over(
    sample: Sample, held: Mapping[Owner, Mapping[str, int]]
) -> Iterator[tuple[tuple[Owner, str], int, int]]:
    for device, servers in sorted(sample.used.items()):
        for owner, used in servers.items():
            share = held.get(owner, {}).get(device)
            if share is not None and used is not None and used > share * TOLERANCE:
                yield (owner, device), used, share


def _not_told(
    sample: Sample,
    held: Mapping[Owner, Mapping[str, int]],
    seen: Mapping[tuple[Owner, str], Over],
) -> Iterator[tuple[tuple[Owner, str], Over]]:
    """Keep what was known of those whose memory the driver does not tell just now."""
    for (owner, device), known in seen.items():
        used = sample.used.get(device, {})
        if owner in used and used[owner] is None and device in held.get(owner, {}):
            yield (owner, device), known


def gib(mib: int) -> str:
    """Return MiB as people read them."""
    return f"{mib / 1024:.1f} GiB"
