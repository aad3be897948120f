"""Whether the driver can cap a server's GPU memory, and the cap of a seat. Pure.

NVIDIA's hook reads two variables from a container's specification and tells the driver; from
inside nobody can change them. An old toolkit passes them over without a word, and an engine on
cgroup v1 refuses the container's start: so all three are looked at before they are set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from room.models import GPUUnit
from room.said import said

#: The oldest that can: NVIDIA/nvidia-container-toolkit's hook apply-cuda-memory-limits.
DRIVER, TOOLKIT, CGROUP = (615,), (1, 20, 1), "2"


@dataclass(frozen=True, slots=True)
class Preflight:
    """Whether memory can be capped; ``why`` not, for the admin."""

    binds: bool
    why: str = ""


def preflight(driver: str, toolkit: str, cgroup: str) -> Preflight:
    """Judge by the versions of driver, NVIDIA Container Toolkit and cgroups (``1`` or ``2``)."""
    if _older(driver, DRIVER):
        return Preflight(
            False,
            said("the driver is %(found)s, and 615 is needed", found=driver or said("not known")),
        )
    if _older(toolkit, TOOLKIT):
        return Preflight(
            False,
            said(
                "NVIDIA's Container Toolkit is %(found)s, and 1.20.1 is needed",
                found=toolkit or said("not known"),
            ),
        )
    if cgroup != CGROUP:
        return Preflight(
            False,
            said(
                "cgroups are version %(found)s, and 2 is needed", found=cgroup or said("not known")
            ),
        )
    return Preflight(True)


def cap(gpus: Iterable[GPUUnit]) -> int | None:
    """Return the MiB that a server on these units may use of each card; None: no seat, no cap.

    The driver knows one cap a container: the one of the smallest seat holds for all.
    """
    shares: dict[str, int] = {}
    for unit in gpus:
        if unit.kind == "seat":
            shares[unit.parent] = shares.get(unit.parent, 0) + unit.memory_mib
    return min(shares.values(), default=None)


def _older(version: str, minimum: tuple[int, ...]) -> bool:
    """Say whether a version is older; one that is not known is."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[: len(minimum)])
    return numbers < minimum
