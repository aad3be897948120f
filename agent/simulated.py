"""GPUs that are not there, to try a GPU room on any machine; tests say how they fare.

``simulated.json`` in the agent's state directory may say, by UUID or index::

    {"0": {"health": "sick", "why": "fan broken"},
     "1": {"lost": true},
     "3": {"xid": 79, "report": "monday"},
     "2": {"utilisation": 97, "memory_mib": 9000, "servers": {"alice": 8000, "bob/two": 1000}}}

``health`` is any that a unit can have. ``lost``: the card is not listed any more. ``xid`` is a
fatal one that the card reports; another ``report`` is another event of the same kind.
``utilisation`` in percent, memory in MiB; ``servers`` is who uses how much, None for untold.
``"all"`` holds for every card; ``{"problem": "mismatch"}`` is a driver that answers nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.reading import Process, Reading
from room.gpus import inventory
from room.gpus.use import UnitUse
from room.models import GPUUnit, Owner, Xid

FILE = "simulated.json"
#: Of a card that nobody has marked: what an idle one shows.
IDLE_TEMPERATURE, IDLE_POWER = 30.0, 25.0


class SimulatedSource:
    """``count`` simulated cards, marked in ``file``."""

    def __init__(self, count: int, file: Path | None = None) -> None:
        self._units = inventory.simulated(count).units
        self._file = file

    def read(self) -> Reading:
        marks = self._marks()
        if "problem" in marks:
            return Reading(problem=str(marks["problem"]))
        marked = [(unit, _mark(unit, marks)) for unit in self._units]
        present = [(unit, mark) for unit, mark in marked if not mark.get("lost")]
        return Reading(
            units=tuple(_unit(unit, mark) for unit, mark in present),
            uses=tuple(_use(unit, mark) for unit, mark in present),
            processes=tuple(
                _process(unit, number, name, memory)
                for unit, mark in present
                for number, (name, memory) in enumerate(mark.get("servers", {}).items(), 1)
            ),
            cards=frozenset(unit.uuid for unit, _mark in present),
            xids={
                unit.uuid: Xid(int(mark["xid"]), str(mark.get("report", "")))
                for unit, mark in marked
                if "xid" in mark
            },
        )

    def _marks(self) -> Mapping[str, Any]:
        if self._file is None:
            return {}
        try:
            found = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}  # there is none, or somebody is writing it right now
        return found if isinstance(found, dict) else {}


def _mark(unit: GPUUnit, marks: Mapping[str, Any]) -> dict[str, Any]:
    return {**marks.get("all", {}), **marks.get(str(unit.index), {}), **marks.get(unit.uuid, {})}


def _unit(unit: GPUUnit, mark: Mapping[str, Any]) -> GPUUnit:
    return replace(unit, health=mark.get("health", "ok"), why=mark.get("why", ""))


def _use(unit: GPUUnit, mark: Mapping[str, Any]) -> UnitUse:
    used = sum(memory or 0 for memory in mark.get("servers", {}).values())
    return UnitUse(
        unit.uuid,
        utilisation=float(mark.get("utilisation", 0)),
        memory_used_mib=int(mark.get("memory_mib", used)),
        memory_total_mib=unit.memory_mib,
        temperature=IDLE_TEMPERATURE,
        power=IDLE_POWER,
    )


def _process(unit: GPUUnit, number: int, name: str, memory: int | None) -> Process:
    user, _, server = name.partition("/")
    return Process(unit.index * 1000 + number, unit.uuid, memory, Owner(user, server))
