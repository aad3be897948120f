"""How the GPUs are used, and the CPU by each server. As JSON between agent and hub."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from room.models import Owner


@dataclass(frozen=True, slots=True)
class UnitUse:
    """One GPU or MIG instance; the seats of a GPU are used as one. None: it does not tell.

    ``utilisation`` in percent, memory in MiB, ``temperature`` in °C, ``power`` in watts.
    """

    uuid: str
    utilisation: float | None = None
    memory_used_mib: int | None = None
    memory_total_mib: int | None = None
    temperature: float | None = None
    power: float | None = None
    #: Processes on it that belong to no server of this room.
    strangers: int = 0


@dataclass(frozen=True, slots=True)
class ServerUse:
    """What one server does on GPUs. ``memory_mib`` is by UUID; None where the driver tells none."""

    owner: Owner
    container: str
    processes: int = 0
    memory_mib: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Use:
    """All of one host, as read at ``read_at``."""

    units: tuple[UnitUse, ...] = ()
    servers: tuple[ServerUse, ...] = ()
    read_at: datetime | None = None
    #: Why the servers could not be told apart; empty when they could.
    problem: str = ""
    #: CPU seconds that each server has used since it began; who is not named is not told of.
    cpu: Mapping[Owner, float] = field(default_factory=dict)

    def unit(self, device: str) -> UnitUse | None:
        """Return how the card or MIG instance ``device`` is used; None when nobody tells."""
        return next((unit for unit in self.units if unit.uuid == device), None)

    def memory_of(self, owner: Owner, device: str) -> int | None:
        """Return the MiB that a server uses of ``device``; None when nobody tells."""
        if self.problem:
            return None
        found = next((server for server in self.servers if server.owner == owner), None)
        # A server that is not named has no process on any card.
        return found.memory_mib.get(device, 0) if found else 0


def as_dict(use: Use) -> dict[str, Any]:
    """Return what JSON can hold; an owner becomes ``user`` and ``server``."""
    return {
        "read_at": use.read_at.isoformat() if use.read_at else None,
        "problem": use.problem,
        "units": [asdict(unit) for unit in use.units],
        "servers": [
            {
                "user": server.owner.user,
                "server": server.owner.server,
                "container": server.container,
                "processes": server.processes,
                "memory_mib": dict(server.memory_mib),
            }
            for server in use.servers
        ],
        "cpu": [
            {"user": owner.user, "server": owner.server, "seconds": seconds}
            for owner, seconds in use.cpu.items()
        ],
    }


def loads(text: str) -> Use:
    """Read back the JSON of ``as_dict``. Raises ``ValueError`` for anything else."""
    data = json.loads(text)
    try:
        return Use(
            units=tuple(UnitUse(**unit) for unit in data["units"]),
            servers=tuple(_servers(data["servers"])),
            read_at=datetime.fromisoformat(data["read_at"]) if data["read_at"] else None,
            problem=data["problem"],
            cpu={
                Owner(each["user"], each["server"]): each["seconds"] for each in data.get("cpu", ())
            },
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no use of GPUs: {error}") from error


def _servers(found: Iterable[Mapping[str, Any]]) -> Iterable[ServerUse]:
    for server in found:
        yield ServerUse(
            Owner(server["user"], server["server"]),
            server["container"],
            server["processes"],
            dict(server["memory_mib"]),
        )
