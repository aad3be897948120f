"""The GPUs of this host, as the agent's reader tells of them, and what the agent needs there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli import context
from cli.errors import Problem
from room.gpus import inventory
from room.models import Inventory

SIMULATED_SPEC = Path("/etc/cdi/room-sim.json")
#: The name by which the engine gives every card of the host.
ALL = "nvidia.com/gpu=all"
#: Seconds that a look may take: a driver that has lost a card can hang.
TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Looked:
    """What there is. ``problem``: mismatch, permission, not-loaded, or NVML's own words."""

    inventory: Inventory = field(default_factory=Inventory)
    problem: str = ""
    cdi_names: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """Return the number of units that can be leased."""
        return len(self.inventory.units)


def needed(simulate: int) -> set[str]:
    """Return what has to be prepared for this many simulated GPUs."""
    if not simulate:
        return set()
    known = SIMULATED_SPEC.read_text() if SIMULATED_SPEC.exists() else ""
    have = all(inventory.simulated_uuid(index) in known for index in range(simulate))
    return set() if have else {"sim-gpu"}


def look(simulate: int = 0, config: Path | None = None) -> Looked:
    """Ask the agent's reader, in a process of its own: a driver that hangs must not hang us.

    ``config`` is room.yaml, for what it says of shared GPUs. Raises ``Problem``.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "agent", "--once"],
            cwd=context.project_root(),
            env=_environment(simulate, config),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
    except (subprocess.SubprocessError, OSError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
        raise Problem(
            f"The GPUs could not be looked at: {''.join(said)}", "See: sudo dmesg | grep -i nvrm"
        ) from error
    return parse(done.stdout)


def parse(text: str) -> Looked:
    """Read what ``python -m agent --once`` prints."""
    data: dict[str, Any] = json.loads(text)
    return Looked(
        inventory.from_dict(data["inventory"]), data["problem"], frozenset(data["cdi_names"])
    )


def _environment(simulate: int, config: Path | None) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != context.VARIABLE}
    named = {context.VARIABLE: str(config)} if config is not None else {}
    return {**kept, **named, "ROOM_SIMULATE_GPUS": str(simulate)}


def for_agent(looked: Looked, simulate: int, *, cdi: bool, hook: bool) -> Mapping[str, object]:
    """Return what the agent's service needs beside docker-compose.yml. Pure.

    ``cdi``: the engine reads CDI specs. ``hook``: it has NVIDIA's older one. Without either, and
    without cards, the agent gets nothing: it then tells of no GPU.
    """
    agent: dict[str, Any] = {"environment": {"ROOM_SIMULATE_GPUS": str(simulate)}}
    real = not simulate and any(not unit.simulated for unit in looked.inventory.units)
    if real and cdi and ALL in looked.cdi_names:
        agent |= _devices("cdi", device_ids=[ALL])
        # Specs change while it runs: a card without a name in them cannot be given to a server.
        agent["volumes"] = ["/etc/cdi:/etc/cdi:ro", "/var/run/cdi:/var/run/cdi:ro"]
    elif real and hook:
        agent |= _devices("nvidia", count="all")
    return {"agent": agent}


def _devices(driver: str, **which: object) -> dict[str, Any]:
    # utility is NVML alone, where the driver takes it: the agent computes nothing.
    device = {"driver": driver, "capabilities": ["utility"], **which}
    return {"deploy": {"resources": {"reservations": {"devices": [device]}}}}
