"""Rules on the machine itself: system, memory, cores, clock."""

from __future__ import annotations

from collections.abc import Iterator

from room.admission import Rules
from room.doctor.facts import Facts
from room.doctor.finding import Finding, ok
from room.settings import Settings
from room.values import format_size

MIB, GIB = 1024**2, 1024**3

#: What ``make up`` can prepare.
SYSTEMS = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04")}
#: Hub, agent, proxy and front of an empty room hold 175 MiB, `import torch` 524 MiB.
MEMORY_FATAL = 1 * GIB
CONTROL_PLANE = 512 * MIB
#: Logins last minutes and certificates days: a clock may be this many seconds off.
CLOCK_WARNING, CLOCK_FATAL = 30, 24 * 3600


def system(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The room has been tried on a system like this one."""
    machine = facts.machine
    if machine.architecture != "x86_64":
        yield Finding(
            "architecture",
            "fatal",
            f"This machine is {machine.architecture}",
            "The image's PyTorch with CUDA is for x86_64 only.",
            "Run the room on an x86_64 machine.",
        )
    if machine.os_version in SYSTEMS.get(machine.os_id, ()):
        yield ok("system", machine.os)
    else:
        yield Finding(
            "system",
            "warning",
            f"{machine.os or 'This system'} is not one that make up prepares",
            "It installs packages on Debian 12 and 13, Ubuntu 22.04 and 24.04. Elsewhere the room "
            "may run, on an engine that is there already.",
            "Install Docker Engine 25 or newer with Compose v2 and buildx by yourself, then make "
            "up.",
        )
    if not machine.root:
        yield Finding(
            "root",
            "warning",
            "Not everything could be looked at",
            "Without root neither the packet filter nor other users' ports and files can be seen.",
            "sudo .venv/bin/room doctor",
        )
    if not machine.systemd:
        yield ok(
            "systemd",
            "No systemd here",
            "After a reboot the engine has to be started by hand; the room starts with it.",
        )


def memory(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """There is memory for the room and for at least one server."""
    total, limit = facts.machine.memory, settings.limits.memory
    if not total:
        return
    if total < MEMORY_FATAL:
        yield Finding(
            "memory-small",
            "fatal",
            f"This machine has {total // MIB} MiB of memory",
            "The room and one server that has imported PyTorch take 700 MiB; nothing is left to "
            "work with.",
            "Give it 4 GB or more.",
        )
    elif Rules(1, settings.host.memory_reserve, settings.host.memory_headroom).never(total):
        yield Finding(
            "memory-never",
            "fatal",
            f"The host keeps {format_size(settings.host.memory_reserve)} of memory and a server "
            f"needs {format_size(settings.host.memory_headroom)} to start, and this machine has "
            f"{total / GIB:.1f} GiB",
            "No server can ever start: each is refused.",
            "Lower host.memory_reserve or host.memory_headroom in room.yaml.",
        )
    elif total < limit + CONTROL_PLANE:
        yield Finding(
            "memory-limit",
            "warning",
            f"One server may take {format_size(limit)}, and this machine has {total / GIB:.1f} GiB",
            "A single server can use up all memory: the kernel then ends servers before they reach "
            "their limit.",
            f"Lower limits.memory in room.yaml to {max(256, (total - CONTROL_PLANE) // MIB)}M or "
            "less.",
        )
    else:
        fit = (total - CONTROL_PLANE) // limit
        yield ok(
            "memory",
            f"{total / GIB:.1f} GiB of memory: {fit} servers of {format_size(limit)} fill it",
        )


def profiles(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """No profile's limit is more than the memory there is."""
    total = facts.machine.memory
    over = {p.display_name: p.memory for p in settings.profiles if p.memory > total}
    if total and over:
        named = ", ".join(f"{name} ({format_size(size)})" for name, size in over.items())
        yield Finding(
            "memory-profile",
            "warning",
            f"This machine has {total / GIB:.1f} GiB of memory, less than these profiles: {named}",
            "Their servers start, and never get what the profile says: the kernel ends them, or "
            "others' servers, before they reach their limit.",
            "Lower the mem_limit of these profiles in room.yaml.",
        )


def cores(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """A server's CPU limit is less than everything there is."""
    have, limit = facts.machine.cores, settings.limits.cpu
    if not have:
        return
    if limit > have:
        yield Finding(
            "cpu-limit",
            "warning",
            f"One server may take {limit:g} cores, and this machine has {have}",
            "The limit never holds: one server can take the whole machine, hub and proxy included.",
            f"Set limits.cpu in room.yaml to {have} or less.",
        )
    else:
        yield ok("cpu", f"{have} cores; a server may take {limit:g}")


def clock(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The clock is right: tokens, certificates and single sign-on depend on it."""
    ahead = facts.machine.clock_ahead
    if ahead is not None and abs(ahead) > CLOCK_WARNING:
        off = f"{abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"
        yield Finding(
            "clock-off",
            "fatal" if abs(ahead) > CLOCK_FATAL else "warning",
            f"The clock is {off}",
            "Login links end too early or too late, a provider's logins are refused, and far "
            "enough off no certificate is valid: downloads fail.",
            "Set it and keep it right: sudo timedatectl set-ntp true (package systemd-timesyncd or "
            "chrony). In a virtual machine, correct the host's clock.",
        )
    elif facts.machine.clock_synchronized is False:
        yield Finding(
            "clock-free",
            "warning",
            "Nothing keeps the clock right",
            "It is right now, and will drift: logins of a provider are refused when it is minutes "
            "off.",
            "sudo timedatectl set-ntp true (package systemd-timesyncd or chrony)",
        )
    elif ahead is not None:
        yield ok("clock", f"The clock is right to {max(1, round(abs(ahead)))} s")
