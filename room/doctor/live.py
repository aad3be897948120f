"""What the running room knows of its machine and of itself, without a look of root's on the host.

The agent tells of cards and of the homes' disk, the hub of the rest. As JSON between agent, hub
and console. Sizes in bytes, times in seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from room.doctor.facts import Engine, GPUs, Machine, Place
from room.models import GPUUnit


@dataclass(frozen=True, slots=True)
class Host:
    """What the agent sees: the cards as they are, whole, and the disk of the homes."""

    gpus: GPUs = field(default_factory=GPUs)
    data: Place | None = None

    @property
    def sees_gpus(self) -> bool:
        """Say whether it was given cards, or a driver that refuses; else only root can tell."""
        found = bool(self.gpus.cards or self.gpus.simulated)
        return found or self.gpus.problem not in ("", "not-loaded")


@dataclass(frozen=True, slots=True)
class Live:
    """One look. What could not be found out is None or empty, as in the facts."""

    at: float
    #: None: it does not answer, or there is none; then ``silent`` says why, or is empty.
    host: Host | None = None
    silent: str = ""
    engine: Engine = field(default_factory=Engine)
    machine: Machine = field(default_factory=Machine)
    #: Units as they count: what an admin or the room itself said of them is in their health.
    units: tuple[GPUUnit, ...] = ()
    #: Why nobody tells the servers on the GPUs apart; empty: they are told apart.
    use_problem: str = ""
    #: When leases, containers and servers were compared last; None: not since the hub began.
    compared_at: float | None = None
    #: Why that failed since.
    compare_problem: str = ""
    #: Servers that run on units which are leased to another one.
    doubled: tuple[str, ...] = ()


_HOST, _LIVE = TypeAdapter(Host), TypeAdapter(Live)


def dumps_host(host: Host) -> str:
    return _HOST.dump_json(host).decode()


def loads_host(text: str) -> Host:
    """Read back what ``dumps_host`` wrote. Raises ``ValueError`` for anything else."""
    return _HOST.validate_json(text)


def dumps(live: Live) -> str:
    return _LIVE.dump_json(live).decode()


def loads(text: str) -> Live:
    """Read back what ``dumps`` wrote. Raises ``ValueError`` for anything else."""
    return _LIVE.validate_json(text)
