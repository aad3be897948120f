"""What can never be served, and is refused at once: everything else waits."""

from __future__ import annotations

from collections import Counter

from room.gpus.requests import GPURequest
from room.models import Inventory, Reject

_CHOOSE = "Choose a profile with fewer GPUs, or one without."


def refuse(request: GPURequest, inventory: Inventory, cap: int | None = None) -> Reject | None:
    """Say why a request can never be served, or None.

    A unit that is ill, or that nobody can see now, counts: it may come back. ``cap`` is the
    number of units that the user may hold at once.
    """
    if cap is not None and request.count > cap:
        return Reject(
            "gpu-cap",
            f"This profile needs {_gpus(request.count)} and you may hold {cap} at once. {_CHOOSE}",
        )
    hosts = Counter(unit.host for unit in inventory.units if request.takes(unit))
    most = max(hosts.values(), default=0)
    if request.count <= most:
        return None
    return Reject(
        "gpu-none" if most == 0 else "gpu-too-many",
        f"This profile needs {_wanted(request)} and this room has {most or 'none'}. {_CHOOSE}",
    )


def still_held(count: int) -> Reject:
    """Say that somebody's last server has not given its units back yet."""
    return Reject(
        "gpu-still-held",
        f"The GPU of your last server is not free yet ({count} held). "
        "It comes back when that server's container is gone; try again in a minute.",
    )


def _wanted(request: GPURequest) -> str:
    plain = request == GPURequest(request.count)
    return _gpus(request.count) if plain else str(request)


def _gpus(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"
