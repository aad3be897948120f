"""What containers have used, as control groups tell it: counted by the agent, told to the hub.

A container's CPU is the kernel's own counter, which goes on while nobody looks: nothing of it is
estimated. Memory is no counter. The agent adds up what it sees at each look, and what it does not
see it does not make up: ``seen`` says for how long it saw.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

#: Seconds between two looks at a container, at most.
EVERY = 2.0
#: Of who computes there is a look as often as that uses this many CPU-seconds: it is what is lost
#: of a container that ends, whose control group goes with it.
STEP = 0.5
#: Seconds between two looks at one container, at least: 25 cores can do no more than ``STEP`` then.
LEAST = 0.02
#: Cores that one is taken to use which was not looked at before: it may have begun just now.
BOOTS = 1.0
#: Seconds from one look at memory to the next over which it is taken to have gone straight from
#: one size to the other. Over a longer time nobody saw it.
GAP = 5 * EVERY
#: Days of which the last reading is kept, for a hub that was away over midnight.
DAYS = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """What a container has used until ``at``; each figure only grows.

    ``life`` is of the container's control group, and another one once the container is started
    again. ``epoch`` is of the agent: with it, memory is counted from nothing again.
    """

    container: str
    life: str
    epoch: str
    at: datetime
    #: CPU-seconds of this life.
    cpu: float
    #: Byte-seconds of memory that were seen in this epoch, and how many seconds were.
    memory: float = 0.0
    seen: float = 0.0


@dataclass(frozen=True, slots=True)
class Look:
    """One look; ``clock`` in seconds, on one that never jumps. None: memory was not looked at."""

    at: datetime
    clock: float
    cpu: float
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """What is remembered of one life of a container from one look to the next."""

    reading: Reading
    clock: float
    #: Cores in use between the last two looks.
    pace: float = 0.0
    #: When memory was looked at last, and how many bytes there were.
    held: tuple[float, int] | None = None
    #: The last reading of each day before this one.
    days: tuple[Reading, ...] = ()


def begin(container: str, life: str, epoch: str, look: Look) -> Count:
    """Return what is known after the first look."""
    reading = Reading(container, life, epoch, look.at, look.cpu)
    return Count(reading, look.clock, BOOTS, _held(look))


def step(count: Count, look: Look, zone: tzinfo) -> Count:
    """Return what is known after one more look; days are ``zone``'s."""
    before, days = count.reading, count.days
    if look.at.astimezone(zone).date() > before.at.astimezone(zone).date():
        days = (*days, before)[-DAYS:]
    held, memory, seen = _held(look), before.memory, before.seen
    if held and count.held and held[0] - count.held[0] <= GAP:
        passed = held[0] - count.held[0]
        memory += passed * (held[1] + count.held[1]) / 2
        seen += passed
    passed = look.clock - count.clock
    pace = (look.cpu - before.cpu) / passed if passed > 0 else count.pace
    reading = replace(before, at=look.at, cpu=look.cpu, memory=memory, seen=seen)
    return Count(reading, look.clock, pace, held or count.held, days)


def _held(look: Look) -> tuple[float, int] | None:
    return None if look.memory is None else (look.clock, look.memory)


def pause(count: Count) -> float:
    """Return the seconds until the next look: fewer for who computes on many cores."""
    return max(LEAST, min(EVERY, STEP / count.pace)) if count.pace > 0 else EVERY


# -- between agent and hub -------------------------------------------------------------------


def as_dict(readings: Iterable[Reading]) -> dict[str, Any]:
    """Return what JSON can hold."""
    return {
        "readings": [
            {
                "container": each.container,
                "life": each.life,
                "epoch": each.epoch,
                "at": each.at.isoformat(),
                "cpu": each.cpu,
                "memory": each.memory,
                "seen": each.seen,
            }
            for each in readings
        ]
    }


def loads(text: str) -> tuple[Reading, ...]:
    """Read back the JSON of ``as_dict``. Raises ``ValueError`` for anything else."""
    try:
        return tuple(
            Reading(**{**each, "at": datetime.fromisoformat(each["at"])})
            for each in json.loads(text)["readings"]
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no readings of containers: {error}") from error
