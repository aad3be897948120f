"""The units a host is known to have: a card that stops answering is not a card that is gone."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agent import xid
from agent.reading import Reading
from room.gpus import inventory
from room.models import GPUUnit, Inventory, Xid

log = logging.getLogger(__name__)

#: Changes with every boot of the host.
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_PROBLEMS = {
    "mismatch": "the driver was upgraded and the old one still runs: reboot the host",
    "permission": "the agent may not open the driver's devices: run room up",
    "not-loaded": "no NVIDIA driver is loaded, or the agent cannot see it: room doctor says more",
}
_GONE = "NVML does not list the GPU any more: it was lost; reboot the host"


def silence(problem: str) -> str:
    """Return a reading's ``problem`` in words for the admin; none when it has none."""
    return f"NVML does not answer: {_PROBLEMS.get(problem, problem)}" if problem else ""


def complete(reading: Reading, known: tuple[GPUUnit, ...], same_boot: bool) -> tuple[GPUUnit, ...]:
    """Return the units of a reading and of those known before it that did not answer. Pure.

    A card can leave a machine only while that is off: one that is missing since then is gone,
    any other is sick. Partitions of a card that answers are what it says they are.
    """
    if reading.problem:
        why = silence(reading.problem)
        unknown = (replace(unit, health="unknown", why=why) for unit in known)
        return tuple(_condemned(unit, reading.xids) for unit in unknown)
    units = {unit.uuid: unit for unit in reading.units}
    faulty = {fault.uuid: fault for fault in reading.faults if fault.uuid}
    nameless = {fault.index: fault for fault in reading.faults if not fault.uuid}
    for unit in known:
        card = unit.parent or unit.uuid
        if card in faulty:
            fault = faulty[card]
            units[unit.uuid] = replace(unit, health=fault.health, why=fault.why)
        elif card not in reading.cards and unit.index in nameless:
            fault = nameless[unit.index]
            units[unit.uuid] = replace(unit, health=fault.health, why=fault.why)
        elif card not in reading.cards and same_boot:
            units[unit.uuid] = replace(unit, health="sick", why=_GONE)
    remembered = {unit.parent or unit.uuid for unit in known}
    for uuid, fault in faulty.items():
        if uuid not in remembered:
            units[uuid] = GPUUnit(uuid, fault.index, "GPU", 0, health=fault.health, why=fault.why)
    told = (_condemned(unit, reading.xids) for unit in units.values())
    return tuple(sorted(told, key=lambda unit: (unit.index, unit.uuid)))


def _condemned(unit: GPUUnit, xids: Mapping[str, Xid]) -> GPUUnit:
    """Return the unit as its GPU's fatal Xid makes it: that is known for sure, and says most.

    A card that has fallen off the bus is lost too, and may be well again after a reboot.
    """
    found = xids.get(unit.parent or unit.uuid)
    if found is None:
        return unit
    return replace(unit, health="sick", why=xid.words(found.number), xid=found)


class Known:
    """Remembers units in ``file``, over restarts of the agent; without one, while it runs."""

    def __init__(self, file: Path | None = None, boot_id: Path = BOOT_ID) -> None:
        self._file = file
        self._boot = _text(boot_id).strip()
        self._units: tuple[GPUUnit, ...] = ()
        self._same_boot = True
        self._load()

    def complete(self, reading: Reading) -> tuple[GPUUnit, ...]:
        """Return all units there are, and remember them."""
        units = complete(reading, self._units, self._same_boot)
        if not reading.problem:
            # What did not even tell its model is worth nothing tomorrow.
            told = tuple(
                replace(unit, health="ok", why="", xid=None) for unit in units if unit.memory_mib
            )
            if told != self._units or not self._same_boot:
                self._units, self._same_boot = told, True
                self._save()
        return units

    def _load(self) -> None:
        if self._file is None or not self._file.exists():
            return
        try:
            data = json.loads(_text(self._file))
            self._units = inventory.from_dict(data["inventory"]).units
            self._same_boot = data["boot"] == self._boot
        except (ValueError, KeyError, TypeError):
            self._units = ()  # half a file is no memory

    def _save(self) -> None:
        if self._file is None:
            return
        data = {"boot": self._boot, "inventory": inventory.as_dict(Inventory(self._units))}
        beside = self._file.with_name(f".{self._file.name}.new")
        try:
            beside.write_text(json.dumps(data, indent=2) + "\n")
            beside.replace(self._file)
        except OSError as error:
            # A full disk must not hide the cards: they are remembered as long as the agent runs.
            log.warning("The known GPUs could not be written down: %s", error)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
