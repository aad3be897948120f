"""Whose the processes on the cards are: host PID → container → server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from agent.reading import Process
from room.gpus.use import ServerUse
from room.models import Owner

#: /docker/<id> with the cgroupfs driver, docker-<id>.scope with systemd's, and /../<id> when it is
#: seen from another container's cgroup namespace.
_CONTAINER = re.compile(r"(?:^|[/-])([0-9a-f]{64})(?=$|[/.])", re.MULTILINE)


def container_ids(cgroup: str) -> tuple[str, ...]:
    """Return the containers in the text of /proc/<pid>/cgroup, the innermost first."""
    return tuple(reversed(dict.fromkeys(_CONTAINER.findall(cgroup))))


def cgroup_of(pid: int, proc: Path = Path("/proc")) -> str:
    """Return the text of a process's cgroup file; empty when the process is gone."""
    try:
        return (proc / str(pid) / "cgroup").read_text()
    except OSError:
        return ""


def join(
    processes: Iterable[Process],
    servers: Mapping[str, Owner],
    cgroup: Callable[[int], str] = cgroup_of,
) -> tuple[tuple[ServerUse, ...], dict[str, int]]:
    """Return what each server does, and how many processes on each unit are nobody's here.

    ``servers`` are the room's containers by id, with their owners.
    """
    containers = {owner: container for container, owner in servers.items()}
    pids: dict[Owner, set[int]] = {}
    memory: dict[Owner, dict[str, int | None]] = {}
    strangers: dict[str, int] = {}
    for process in processes:
        owner = process.owner or _owner(cgroup(process.pid), servers)
        if owner is None or owner not in containers:
            strangers[process.unit] = strangers.get(process.unit, 0) + 1
            continue
        pids.setdefault(owner, set()).add(process.pid)
        on = memory.setdefault(owner, {})
        on[process.unit] = _sum(on.get(process.unit), process.memory_mib)
    found = tuple(
        ServerUse(owner, containers[owner], len(pids[owner]), memory[owner])
        for owner in sorted(pids, key=str)
    )
    return found, strangers


def _owner(cgroup: str, servers: Mapping[str, Owner]) -> Owner | None:
    return next((servers[name] for name in container_ids(cgroup) if name in servers), None)


def _sum(one: int | None, other: int | None) -> int | None:
    """Add what is told; what none of a server's processes tells stays untold."""
    return one if other is None else (one or 0) + other
