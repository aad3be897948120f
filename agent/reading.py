"""What one look at the cards of a host brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from room.gpus.use import UnitUse
from room.models import GPUUnit, Owner, Xid


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a GPU or a MIG instance; ``pid`` is the host's.

    ``memory_mib`` is None where the driver does not tell. ``owner`` is known of simulated ones.
    """

    pid: int
    unit: str
    memory_mib: int | None = None
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A card that did not say what it is; without a UUID only its index is known."""

    index: int
    health: str
    why: str
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that one look told."""

    units: tuple[GPUUnit, ...] = ()
    uses: tuple[UnitUse, ...] = ()
    processes: tuple[Process, ...] = ()
    #: UUIDs of the cards that said who they are, in whatever state.
    cards: frozenset[str] = frozenset()
    faults: tuple[Fault, ...] = ()
    #: Cards that have reported a fatal Xid, by UUID, whether they answer or not.
    xids: Mapping[str, Xid] = field(default_factory=dict)
    driver_version: str = ""
    cuda_version: str = ""
    #: Why there was no answer at all: mismatch, permission, not-loaded, or NVML's own words.
    problem: str = ""
    #: Qualified names in the CDI specs.
    cdi_names: frozenset[str] = frozenset()


class Source(Protocol):
    """Where units come from."""

    def read(self) -> Reading:
        """Look once. Never raises for what is wrong with cards: that is in the answer."""
        ...
