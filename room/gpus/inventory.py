"""The inventory file: what GPU units a host has, as the host's own command wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from room.models import GPUUnit, Inventory


def dumps(inventory: Inventory) -> str:
    """Return the inventory as JSON; memory in MiB, time in ISO 8601."""
    data = asdict(inventory)
    data["read_at"] = inventory.read_at.isoformat() if inventory.read_at else None
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def loads(text: str) -> Inventory:
    """Read back what ``dumps`` wrote. Raises ``ValueError`` for anything else."""
    data: dict[str, Any] = json.loads(text)
    try:
        return Inventory(
            units=tuple(GPUUnit(**unit) for unit in data["units"]),
            driver_version=data["driver_version"],
            cuda_version=data["cuda_version"],
            read_at=datetime.fromisoformat(data["read_at"]) if data["read_at"] else None,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an inventory: {error}") from error


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
