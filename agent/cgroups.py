"""How much CPU time containers have used, as their control groups count it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

#: Where the host's groups are; in the agent's container they are mounted elsewhere.
ROOT = Path("/sys/fs/cgroup")
#: A container's group below the root: with systemd's driver, and with cgroupfs.
_GROUPS = ("system.slice/docker-{}.scope", "docker/{}")


def cpu_seconds(container: str, root: Path = ROOT) -> float | None:
    """Return the CPU seconds that a container has used since it began; None when nobody tells."""
    for group in (place.format(container) for place in _GROUPS):
        # Version 2 counts microseconds in one file of many lines, version 1 nanoseconds in its own.
        found = _field(root / group / "cpu.stat", "usage_usec")
        if found is not None:
            return found / 1e6
        found = _number(root / "cpuacct" / group / "cpuacct.usage")
        if found is not None:
            return found / 1e9
    return None


def reader(root: Path = ROOT) -> Callable[[Iterable[str]], dict[str, float]]:
    """Return what reads the CPU seconds of several containers; who is not told of is left out."""

    def read(containers: Iterable[str]) -> dict[str, float]:
        told = {container: cpu_seconds(container, root) for container in containers}
        return {container: seconds for container, seconds in told.items() if seconds is not None}

    return read


def _field(file: Path, name: str) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    values = dict(line.partition(" ")[::2] for line in lines)
    return int(values[name]) if name in values else None


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except OSError:
        return None
