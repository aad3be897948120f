"""The room's GPUs and its queue, as the hub tells an admin of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.own import moment


@dataclass(frozen=True, slots=True)
class Unit:
    """One GPU unit: what it is, how it is, who holds it until when. Memory in MiB, heat in °C.

    ``kind``: gpu | mig | seat. What the driver does not tell is None.
    """

    uuid: str
    model: str
    kind: str
    memory: int
    health: str
    why: str
    #: The lease, and whose; empty for a unit that is free.
    lease: str
    holder: str
    ready: bool
    ends: datetime | None
    utilisation: float | None
    used: float | None
    temperature: float | None

    @property
    def marked(self) -> bool:
        """Say whether it was taken out of use, by an admin or the room."""
        return self.health in ("drained", "quarantined")


@dataclass(frozen=True, slots=True)
class Waiter:
    """One who waits. ``at``: when their turn may come, None when nobody can tell."""

    place: int
    who: str
    class_name: str
    request: str
    arrived: datetime | None
    at: datetime | None
    basis: str
    overdue: bool


@dataclass(frozen=True, slots=True)
class Fleet:
    """``use_problem``: why it is not known how the units are used; empty: it is."""

    units: tuple[Unit, ...] = ()
    queue: tuple[Waiter, ...] = ()
    use_problem: str = ""


def fleet(found: Mapping[str, Any]) -> Fleet:
    """Read the hub's answer."""
    return Fleet(
        tuple(_unit(each) for each in found["units"]),
        tuple(_waiter(each) for each in found["queue"]),
        str(found["use_problem"]),
    )


def _unit(found: Mapping[str, Any]) -> Unit:
    lease, use = found["lease"] or {}, found["use"] or {}
    return Unit(
        uuid=found["uuid"],
        model=found["model"],
        kind=found["kind"],
        memory=found["memory_mib"],
        health=found["health"],
        why=found["why"],
        lease=lease.get("id", ""),
        holder=_owner(lease) if lease else "",
        ready=bool(lease.get("ready")),
        ends=moment(lease.get("ends")),
        utilisation=use.get("utilisation"),
        used=use.get("memory_used_mib"),
        temperature=use.get("temperature"),
    )


def _waiter(found: Mapping[str, Any]) -> Waiter:
    return Waiter(
        place=found["position"],
        who=_owner(found),
        class_name=found["class"],
        request=found["request"],
        arrived=moment(found["arrived"]),
        at=moment(found["at"]),
        basis=found["basis"],
        overdue=found["overdue"],
    )


def _owner(found: Mapping[str, Any]) -> str:
    return f"{found['user']}/{found['server']}" if found["server"] else str(found["user"])
