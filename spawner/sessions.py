"""When a running server has to end: with its lease, its session or its
user's GPU-hours, whichever is over first.

A session is as old as its server's container, and how long it may last is written on that: so both
are the engine's to tell, and no restart of the hub makes a server younger. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from room.models import LABEL_GPU_IDLE, LABEL_IDLE, LABEL_SESSION, Lease, Reject
from spawner import stages
from spawner.exits import docker_time

#: Seconds: a lease is not moved by less than this.
LEAST = 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """Since when a server runs, and for how many seconds it may; 0: as long as it likes.

    ``idle``: for how many it may run with nothing to do; ``gpu_idle``: for how many its GPUs may
    do nothing before they are offered back.
    """

    started_at: datetime
    longest: float = 0.0
    idle: float = 0.0
    gpu_idle: float = 0.0

    @property
    def ends_at(self) -> datetime | None:
        return self.started_at + timedelta(seconds=self.longest) if self.longest else None


@dataclass(frozen=True, slots=True)
class End:
    """When a server ends, by which rule, and how many seconds that gave it."""

    at: datetime
    rule: Literal["lease", "session", "budget"]
    lasted: float


def from_inspect(container: Mapping[str, Any]) -> Session:
    """Return the session of a running container, as the engine tells it."""
    labels = container["Config"].get("Labels") or {}
    return from_labels(docker_time(str(container["State"]["StartedAt"])), labels)


def from_labels(started_at: datetime, labels: Mapping[str, str]) -> Session:
    """Return the session of a container with these labels that runs since then."""
    # Containers of a release before have no such labels, and no end.
    said = (LABEL_SESSION, LABEL_IDLE, LABEL_GPU_IDLE)
    return Session(started_at, *(float(labels.get(label) or 0) for label in said))


def end_of(lease: Lease | None, session: Session | None, budget: End | None = None) -> End | None:
    """Return the end that comes first. A lease that is still a start's has none yet.

    ``budget``: when the user's GPU-hours are used up.
    """
    ends = [] if budget is None else [budget]
    if lease is not None and lease.ready_at is not None and lease.ends_at is not None:
        lasted = (lease.ends_at - lease.granted_at).total_seconds()
        ends.append(End(lease.ends_at, "lease", lasted))
    if session is not None and session.ends_at is not None:
        ends.append(End(session.ends_at, "session", session.longest))
    return min(ends, key=lambda end: end.at, default=None)


def longer(lease: Lease, session: Session | None, step: float, most: float) -> float:
    """Return by how many seconds a lease can be kept longer at once.

    ``step`` is the usual length of a lease; 0: as long as this one is by now. ``most`` is how long
    any lease may be, and none goes on after its server's session.
    """
    if lease.ends_at is None:
        return 0.0
    whole = (lease.ends_at - lease.granted_at).total_seconds()
    left = _last(lease, session, most).at - lease.ends_at
    return max(0.0, min(step or whole, left.total_seconds()))


def why_not_longer(
    lease: Lease | None, session: Session | None, step: float, most: float
) -> Reject | None:
    """Return the rule by which nothing can be kept longer; None: by these rules it can."""
    if lease is None or lease.ends_at is None:
        end = end_of(None, session)
        return stages.longest_run(end.lasted) if end is not None else stages.no_end()
    if longer(lease, session, step, most) >= LEAST:
        return None
    last = _last(lease, session, most)
    longest = stages.longest_run if last.rule == "session" else stages.longest_session
    return longest(last.lasted)


def _last(lease: Lease, session: Session | None, most: float) -> End:
    """Return the latest end that a lease can be given."""
    last = End(lease.granted_at + timedelta(seconds=most), "lease", most)
    end = end_of(None, session)
    return end if end is not None and end.at < last.at else last
