"""When an unused GPU is offered back: what is seen of it → left alone, offered, kept. Pure.

It is unused while nobody's program in its server is on it, or while it computes nothing, for as
long as the limit says. It is offered to who is there, once; when it works again the offer goes,
and the next spell begins. What nobody sees is no rest: where the agent is silent all counting
begins anew, and nothing is offered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from room.gpus.use import Use
from room.idle import BUSY_GPU
from room.models import GPUUnit, Owner

#: Seconds between two looks after which counting begins anew. The driver tells what a GPU does at
#: the moment, and not what it did while nobody looked.
GAP = 60.0


@dataclass(frozen=True, slots=True)
class Unused:
    """What is remembered of one server's GPUs; times are seconds since 1970."""

    since: float
    #: When somebody looked last.
    at: float
    #: Whether they are offered back now.
    offered: bool = False
    #: Whether their user wants to keep them, until they have worked again.
    kept: bool = False


def begin(now: float) -> Unused:
    """Return what is known at the first look."""
    return Unused(now, now)


def step(
    unused: Unused, now: float, works: bool | None, present: float | None, limit: float
) -> Unused:
    """Return what is known after one more look.

    ``works`` as below; ``present``: when somebody was there last, None for never; ``limit`` in
    seconds. Who was not there for as long as that is asked when they come back.
    """
    if works:
        return begin(now)
    if works is None or not 0 <= now - unused.at <= GAP:
        return replace(unused, since=now, at=now, offered=False)
    unused = replace(unused, at=now)
    there = present is not None and now - present < limit
    due = now - unused.since >= limit and there and not unused.kept
    return replace(unused, offered=True) if due else unused


def keep(unused: Unused) -> Unused:
    """Return it after its user said so: they are not asked again in this spell."""
    return replace(unused, offered=False, kept=True)


def works(use: Use, owner: Owner, units: Iterable[GPUUnit]) -> bool | None:
    """Say whether any of a server's GPUs is at work; None when nobody can tell."""
    if use.problem:
        return None
    found = [_works(use, owner, unit) for unit in units]
    if any(found):
        return True
    return None if None in found or not found else False


def _works(use: Use, owner: Owner, unit: GPUUnit) -> bool | None:
    told = use.unit(unit.device)
    if told is None:
        return None
    users = {server.owner for server in use.servers if unit.device in server.memory_mib}
    # A shared card tells only how busy all of its servers are: it counts for who is alone on it.
    shared = unit.kind == "seat" and bool(users - {owner})
    if told.utilisation is not None and not shared:
        return told.utilisation >= BUSY_GPU
    # A MIG instance tells no figure: what has a program on it may work, or not.
    return None if owner in users or told.strangers else False
