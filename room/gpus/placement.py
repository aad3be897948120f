"""Which units a request gets: a pure function of the inventory and what is taken."""

from __future__ import annotations

from collections.abc import Collection

from room.models import GPUUnit, Inventory, Reject


def place(inventory: Inventory, taken: Collection[str], count: int) -> tuple[GPUUnit, ...] | Reject:
    """Return ``count`` free units, lowest index first, or why there are none.

    ``taken`` holds the UUIDs of leased units.
    """
    total = len(inventory.units)
    if count > total:
        return Reject(
            "gpu-none" if total == 0 else "gpu-too-many",
            f"This profile needs {_gpus(count)} and this room has {_none_or(total)}. "
            "Choose a profile with fewer GPUs, or one without.",
        )
    free = sorted(
        (unit for unit in inventory.units if unit.uuid not in taken), key=lambda unit: unit.index
    )
    if len(free) < count:
        return Reject(
            "gpu-taken",
            f"{_taken(total, len(free))}, and this profile needs {count}. "
            "Try again when somebody stops a server, or choose a profile without a GPU.",
        )
    return tuple(free[:count])


def _gpus(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


def _none_or(count: int) -> str:
    return str(count) if count else "none"


def _taken(total: int, free: int) -> str:
    if free:
        return f"{total - free} of {total} GPUs are taken, {free} free"
    return "The room's only GPU is taken" if total == 1 else f"All {total} GPUs are taken"
