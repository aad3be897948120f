"""When a server that has nothing to do ends: what is seen of it → left alone, warned, over. Pure.

Idle is who nobody works with (no key or click in a page, no kernel that computes, no request) and
in whom nothing works: no CPU and no GPU, whether a page is open or not. What nobody can see is
not idle: where the agent is silent nothing is warned of and nothing ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from room.gpus.use import Use
from room.models import GPUUnit, Owner

#: Seconds from the warning to the end; half of a limit that is shorter than two of these.
WARNING = 300.0
#: Seconds over which CPU time is averaged: a page that is opened is no training. A tenth of a
#: limit that is shorter than ten of these.
SPAN = 60.0
#: Cores from which a server works. JupyterLab with an idle kernel takes 0.0003,
#: and 0.003 with a page open, measured over a minute.
BUSY_CORES = 0.05
#: Per cent from which a GPU works. The driver counts in whole ones.
BUSY_GPU = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one server; times are seconds since 1970."""

    at: float
    #: When somebody did something in it last; None: nobody has.
    touched: float | None = None
    #: CPU seconds that it has used since it began; None: nobody tells.
    cpu: float | None = None
    #: Per cent of a GPU, of the busiest that it has; None: it has none, or nobody tells.
    gpu: float | None = None


@dataclass(frozen=True, slots=True)
class Idle:
    """What is remembered of a server from one look to the next."""

    since: float
    #: When CPU seconds were counted last, and how many there were.
    counted: tuple[float, float] | None = None
    #: Whether the last look could see what it does.
    seen: bool = False
    #: When it was warned; None: it is not.
    warned: float | None = None


def warning(limit: float) -> float:
    """Return the seconds from the warning to the end; ``limit`` in seconds, as everywhere here."""
    return min(WARNING, limit / 2)


def touch(idle: Idle, when: float) -> Idle:
    """Return it with what somebody did at ``when``; a warning of before is taken back."""
    if when <= idle.since:
        return idle
    return replace(idle, since=when, warned=None)


def step(idle: Idle, sample: Sample, limit: float) -> Idle:
    """Return what is known after one more look."""
    # A clock that is ahead gives nobody more time.
    idle = touch(idle, min(sample.touched or 0.0, sample.at))
    if sample.gpu is not None and sample.gpu >= BUSY_GPU:
        idle = touch(idle, sample.at)
    if sample.cpu is None:
        return replace(idle, seen=False)
    idle = replace(_count(idle, sample.at, sample.cpu, min(SPAN, limit / 10)), seen=True)
    due = sample.at - idle.since >= limit - warning(limit)
    if due and idle.warned is None:
        return replace(idle, warned=sample.at)
    return idle if due else replace(idle, warned=None)


def _count(idle: Idle, at: float, cpu: float, span: float) -> Idle:
    """Compare with the last count, once it is long enough ago: also over a time of silence."""
    if idle.counted is None:
        return replace(idle, counted=(at, cpu))
    then, before = idle.counted
    if at - then < span:
        return idle
    # Fewer than before: it is another container's count.
    works = cpu < before or (cpu - before) / (at - then) >= BUSY_CORES
    counted = replace(idle, counted=(at, cpu))
    return touch(counted, at) if works else counted


def over(idle: Idle, now: float, limit: float) -> bool:
    """Say whether it ends now: its warning has stood for as long as it promised."""
    return idle.seen and idle.warned is not None and now - idle.warned >= warning(limit)


def utilisation(use: Use, owner: Owner, units: Iterable[GPUUnit]) -> float | None:
    """Return the per cent of the busiest GPU among a server's own; None when nobody tells.

    A shared card tells only how busy all of its servers are: it counts for who is alone on it.
    """
    told = []
    for unit in units:
        found = use.unit(unit.device)
        if found is None or found.utilisation is None:
            continue
        shared = unit.kind == "seat" and any(
            server.owner != owner and unit.device in server.memory_mib for server in use.servers
        )
        if not shared:
            told.append(found.utilisation)
    return max(told, default=None)
