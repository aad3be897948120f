"""What a rehearsal has measured, as values and as JSON. Sizes in bytes, times in seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

#: Of the JSON: what reads it knows no other.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Start:
    """One start: how long each stage took, and since it was asked for, two moments of it.

    ``ready``: the hub said so. ``usable``: a kernel had answered. ``queued``: it waited for a GPU.
    """

    stages: Mapping[str, float]
    ready: float
    usable: float
    queued: bool = False

    @property
    def waited(self) -> float:
        """Seconds in a line: for a GPU, and for the turn to boot."""
        return (self.stages.get("gpu", 0.0) if self.queued else 0.0) + self.stages.get("turn", 0.0)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a cell. ``error``: what it said when it failed; empty: it did not."""

    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Peaks:
    """The most that one server had at once. None: nobody could tell.

    ``memory`` is its own: programs, and files in memory; without the cache of other files, which
    the kernel can drop. ``charged`` is with it, and the kernel's own figure where it keeps one.
    """

    memory: int | None = None
    charged: int | None = None
    shm: int | None = None
    gpu: int | None = None
    #: How often the kernel ended a process because there was no more memory.
    killed: int = 0


@dataclass(frozen=True, slots=True)
class Student:
    """How it went for one. ``problem``: what ended it early. ``cpu``: CPU-seconds of the cells."""

    number: int
    start: Start | None = None
    cells: tuple[Cell, ...] = ()
    peaks: Peaks = field(default_factory=Peaks)
    cpu: float | None = None
    problem: str = ""

    @property
    def lesson(self) -> float:
        """Seconds that all its cells took."""
        return sum(cell.seconds for cell in self.cells)

    @property
    def fine(self) -> bool:
        return not self.problem and not any(cell.error for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Host:
    """What the host has, and had free before the rehearsal began.

    ``gpus``: units of the kind that the profile asks for; ``gpus_each``: how many a server gets.
    ``gpu_memory``: of one card; ``cards``: how many these units are on; 0 for both: not to be told,
    as of simulated ones.
    """

    cores: int
    memory: int
    available: int
    reserve: int
    headroom: int
    gpus: int = 0
    gpus_each: int = 0
    gpu_memory: int = 0
    cards: int = 0
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server of the profile may have; 0: no limit."""

    cpu: float = 0.0
    memory: int = 0
    shm: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the host while it went on; ``at`` since the beginning.

    ``students``: their servers' own memory together. ``files``: the cache of theirs that is in use.
    ``busy``: the part of all cores that computed since the look before; ``read``: bytes a second
    from disks.
    """

    at: float
    students: int
    files: int
    available: int
    busy: float
    read: float


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A whole rehearsal. ``spread``: seconds over which they came; 0: all at once.

    ``sampled``: seconds between two looks. ``others``: servers of other people that ran before.
    """

    id: str
    class_name: str
    at: datetime
    seconds: float
    profile: str
    notebook: str
    spread: float
    cells: tuple[str, ...]
    students: tuple[Student, ...]
    host: Host
    limits: Limits = field(default_factory=Limits)
    looks: tuple[Look, ...] = ()
    datasets: tuple[str, ...] = ()
    sampled: float = 0.0
    #: How long the class will work on it; 0: as long as here.
    lesson: float = 0.0
    others: int = 0

    @property
    def fine(self) -> bool:
        return all(student.fine for student in self.students)


def dumps(rehearsal: Rehearsal, **more: Any) -> str:
    """Return it as JSON; ``more`` is what was worked out of it, which nobody reads back."""
    found = asdict(rehearsal) | {"at": rehearsal.at.isoformat(), "format": FORMAT, **more}
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def loads(text: str) -> Rehearsal:
    """Read back the JSON of ``dumps``. Raises ``ValueError`` for anything else."""
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise ValueError(f"a rehearsal of format {data['format']!r}")
        known = {name: data[name] for name in Rehearsal.__dataclass_fields__}
        known |= {
            "at": datetime.fromisoformat(data["at"]),
            "cells": tuple(data["cells"]),
            "datasets": tuple(data["datasets"]),
            "students": tuple(map(_student, data["students"])),
            "host": Host(**data["host"]),
            "limits": Limits(**data["limits"]),
            "looks": tuple(Look(**each) for each in data["looks"]),
        }
        return Rehearsal(**known)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no rehearsal: {error}") from error


def _student(data: Mapping[str, Any]) -> Student:
    start = data["start"]
    return Student(
        **{
            **data,
            "start": None if start is None else Start(**start),
            "cells": tuple(Cell(**each) for each in data["cells"]),
            "peaks": Peaks(**data["peaks"]),
        }
    )
