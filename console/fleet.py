"""The room's GPUs and its queue, as the hub tells an admin of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.own import moment

#: What may be said of a unit; what else the hub does → what it is done to.
MARKS = ("drain", "undrain", "quarantine")
ACTIONS = {**dict.fromkeys(MARKS, "unit"), "release": "lease", "dequeue": "ticket"}


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
    user: str
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

    ticket: str
    place: int
    #: Of how many.
    of: int
    user: str
    server: str
    #: Both: ``alice``, or ``alice/lab``.
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What an admin wants of the hub; ``why`` is a mark's."""

    action: str
    subject: str
    why: str = ""

    def body(self, origin: str) -> dict[str, str]:
        """Return what the hub is sent; ``origin`` is for its audit."""
        told = {"why": self.why} if self.action in MARKS else {}
        return {ACTIONS[self.action]: self.subject, "origin": origin, **told}


def asked(action: str, subject: str, why: str = "") -> Asked:
    """Return what is to be done. Raises ``ValueError`` in words."""
    why = why.strip()
    if action == "quarantine" and not why:
        raise ValueError("A quarantine needs a reason. Say what is wrong with the unit.")
    return Asked(action, subject, why)


def fleet(found: Mapping[str, Any]) -> Fleet:
    """Read the hub's answer."""
    return Fleet(
        tuple(_unit(each) for each in found["units"]),
        waiters(found["queue"]),
        str(found["use_problem"]),
    )


def waiters(found: Iterable[Mapping[str, Any]]) -> tuple[Waiter, ...]:
    """Read who waits, as the hub says it."""
    return tuple(_waiter(each) for each in found)


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
        user=lease.get("user", ""),
        holder=_owner(lease) if lease else "",
        ready=bool(lease.get("ready")),
        ends=moment(lease.get("ends")),
        utilisation=use.get("utilisation"),
        used=use.get("memory_used_mib"),
        temperature=use.get("temperature"),
    )


def _waiter(found: Mapping[str, Any]) -> Waiter:
    return Waiter(
        ticket=found["id"],
        place=found["position"],
        of=found["of"],
        user=found["user"],
        server=found["server"],
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
