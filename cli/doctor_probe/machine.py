"""Looking at the operating system, memory and clock."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from pathlib import Path

from cli.doctor_probe.ask import output, text
from room.doctor.facts import Machine


def look(*, ahead: float | None, synchronized: bool | None, now: float) -> Machine:
    """Return what this machine is. ``ahead`` is what a mirror's clock said, in seconds."""
    release = os_release(text("/etc/os-release"))
    memory = meminfo(text("/proc/meminfo"))
    return Machine(
        os=release.get("PRETTY_NAME", ""),
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        architecture=platform.machine(),
        kernel=platform.release(),
        python=(sys.version_info.major, sys.version_info.minor),
        cores=len(os.sched_getaffinity(0)),
        memory=memory.get("MemTotal", 0),
        available=memory.get("MemAvailable", 0),
        swap=memory.get("SwapTotal", 0),
        root=os.geteuid() == 0,
        systemd=Path("/run/systemd/system").is_dir(),
        selinux={"1": "enforcing", "0": "permissive"}.get(
            text("/sys/fs/selinux/enforce").strip(), ""
        ),
        clock_ahead=ahead,
        clock_synchronized=synchronized,
        now=now,
    )


def os_release(content: str) -> dict[str, str]:
    """Return the keys of /etc/os-release."""
    found = {}
    for line in content.splitlines():
        key, _, value = line.partition("=")
        if value and not key.startswith("#"):
            found[key.strip()] = "".join(shlex.split(value)[:1])
    return found


def meminfo(content: str) -> dict[str, int]:
    """Return the sizes of /proc/meminfo in bytes."""
    found = {}
    for line in content.splitlines():
        key, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            found[key] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return found


def clock_synchronized() -> bool | None:
    """Say whether something keeps the clock right; None where only systemd could tell."""
    said = output("timedatectl", "show", "--property=NTPSynchronized", "--value", timeout=2)
    return {"yes": True, "no": False}.get(said)
