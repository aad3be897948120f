"""The inventory as JSON: what GPU units a host has, as its agent answers and files keep it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from room.models import GPUUnit, Inventory, Xid

#: What a unit's JSON says beside its fields, for who reads it: loads makes it anew.
_SAID = "cooperative"


def dumps(inventory: Inventory) -> str:
    """Return the inventory as JSON; memory in MiB, time in ISO 8601."""
    return json.dumps(as_dict(inventory), indent=2, sort_keys=True) + "\n"


def as_dict(inventory: Inventory) -> dict[str, Any]:
    """Return what JSON can hold of an inventory. A seat says that it is cooperative."""
    data = asdict(inventory)
    data["units"] = [{**asdict(unit), _SAID: unit.kind == "seat"} for unit in inventory.units]
    data["read_at"] = inventory.read_at.isoformat() if inventory.read_at else None
    return data


def loads(text: str) -> Inventory:
    """Read back what ``dumps`` wrote, also years ago. Raises ``ValueError`` for anything else."""
    return from_dict(json.loads(text))


def from_dict(data: Any) -> Inventory:
    """Read back what ``as_dict`` returned. Raises ``ValueError`` for anything else."""
    try:
        return Inventory(
            units=tuple(_unit(unit) for unit in data["units"]),
            driver_version=data["driver_version"],
            cuda_version=data["cuda_version"],
            read_at=datetime.fromisoformat(data["read_at"]) if data["read_at"] else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an inventory: {error}") from error


def _unit(said: Mapping[str, Any]) -> GPUUnit:
    fields = {name: value for name, value in said.items() if name != _SAID}
    xid = fields.get("xid")
    # JSON knows no tuples, and units have to be hashable.
    links = tuple(fields.get("links", ()))
    return GPUUnit(**{**fields, "links": links, "xid": Xid(**xid) if xid else None})


def unknown(inventory: Inventory, why: str) -> Inventory:
    """Return the inventory with every unit unknown: leases stay, and nothing new is granted.

    What is wrong with a unit for sure stays known.
    """
    return replace(
        inventory,
        units=tuple(
            replace(unit, health="unknown", why=why) if unit.usable else unit
            for unit in inventory.units
        ),
    )


def same(one: Inventory, other: Inventory) -> bool:
    """Say whether two inventories tell the same, whenever they were read."""
    return replace(one, read_at=None) == replace(other, read_at=None)


def simulated(count: int, cdi_kind: str = "room.sim/gpu") -> Inventory:
    """Return ``count`` units that exist only as CDI devices on ``/dev/null``."""
    return Inventory(
        units=tuple(
            GPUUnit(
                uuid=(uuid := simulated_uuid(index)),
                index=index,
                model="Simulated GPU",
                memory_mib=16384,
                compute_capability="9.0",
                cdi_name=f"{cdi_kind}={uuid}",
                simulated=True,
            )
            for index in range(count)
        )
    )


def simulated_uuid(index: int) -> str:
    """Return the UUID of simulated unit ``index``; the same in every room and at every start."""
    return f"GPU-51300000-0000-4000-8000-{index:012x}"


def file_reader(path: Path) -> Callable[[], Inventory]:
    """Return a function that reads ``path`` again only when it has changed.

    No file means no GPUs: a room without them writes none.
    """
    seen: tuple[int, int, int] | None = None
    inventory = Inventory()

    def read() -> Inventory:
        nonlocal seen, inventory
        try:
            status = path.stat()
        except FileNotFoundError:
            return Inventory()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp != seen:
            inventory, seen = loads(path.read_text()), stamp
        return inventory

    return read
