"""Rules on the machine itself: system, memory, cores, clock."""

from __future__ import annotations

from collections.abc import Iterator

from room.admission import Rules
from room.doctor.facts import Facts
from room.doctor.finding import Finding, ok
from room.said import said
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
            said("This machine is %(architecture)s", architecture=machine.architecture),
            said("The image's PyTorch with CUDA is for x86_64 only."),
            said("Run the room on an x86_64 machine."),
        )
    if machine.os_version in SYSTEMS.get(machine.os_id, ()):
        yield ok("system", machine.os)
    else:
        yield Finding(
            "system",
            "warning",
            said("%(os)s is not one that make up prepares", os=machine.os or said("This system")),
            said(
                "It installs packages on Debian 12 and 13, Ubuntu 22.04 and 24.04. Elsewhere the "
                "room may run, on an engine that is there already."
            ),
            said(
                "Install Docker Engine 25 or newer with Compose v2 and buildx by yourself, then "
                "make up."
            ),
        )
    if not machine.root:
        yield Finding(
            "root",
            "warning",
            said("Not everything could be looked at"),
            said(
                "Without root neither the packet filter nor other users' ports and files can be "
                "seen."
            ),
            said("sudo .venv/bin/room doctor"),
        )
    if not machine.systemd:
        yield ok(
            "systemd",
            said("No systemd here"),
            said("After a reboot the engine has to be started by hand; the room starts with it."),
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
            said("This machine has %(total)s MiB of memory", total=total // MIB),
            said(
                "The room and one server that has imported PyTorch take 700 MiB; nothing is left "
                "to work with."
            ),
            said("Give it 4 GB or more."),
        )
    elif Rules(1, settings.host.memory_reserve, settings.host.memory_headroom).never(total):
        yield Finding(
            "memory-never",
            "fatal",
            said(
                "The host keeps %(reserve)s of memory and a server needs "
                "%(headroom)s to start, and this machine has %(total)s GiB",
                reserve=format_size(settings.host.memory_reserve),
                headroom=format_size(settings.host.memory_headroom),
                total=f"{total / GIB:.1f}",
            ),
            said("No server can ever start: each is refused."),
            said("Lower host.memory_reserve or host.memory_headroom in room.yaml."),
        )
    elif total < limit + CONTROL_PLANE:
        yield Finding(
            "memory-limit",
            "warning",
            said(
                "One server may take %(limit)s, and this machine has %(total)s GiB",
                limit=format_size(limit),
                total=f"{total / GIB:.1f}",
            ),
            said(
                "A single server can use up all memory: the kernel then ends servers before they "
                "reach their limit."
            ),
            said(
                "Lower limits.memory in room.yaml to %(total)sM or less.",
                total=max(256, (total - CONTROL_PLANE) // MIB),
            ),
        )
    else:
        fit = (total - CONTROL_PLANE) // limit
        yield ok(
            "memory",
            said(
                "%(total)s GiB of memory: %(fit)s servers of %(limit)s fill it",
                total=f"{total / GIB:.1f}",
                fit=fit,
                limit=format_size(limit),
            ),
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
            said(
                "This machine has %(total)s GiB of memory, less than these profiles: %(named)s",
                total=f"{total / GIB:.1f}",
                named=named,
            ),
            said(
                "Their servers start, and never get what the profile says: the kernel ends them, "
                "or others' servers, before they reach their limit."
            ),
            said("Lower the mem_limit of these profiles in room.yaml."),
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
            said(
                "One server may take %(limit)s cores, and this machine has %(have)s",
                limit=f"{limit:g}",
                have=have,
            ),
            said(
                "The limit never holds: one server can take the whole machine, hub and proxy "
                "included."
            ),
            said("Set limits.cpu in room.yaml to %(have)s or less.", have=have),
        )
    else:
        yield ok(
            "cpu",
            said("%(have)s cores; a server may take %(limit)s", have=have, limit=f"{limit:g}"),
        )


def clock(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The clock is right: tokens, certificates and single sign-on depend on it."""
    ahead = facts.machine.clock_ahead
    if ahead is not None and abs(ahead) > CLOCK_WARNING:
        seconds = f"{abs(ahead):.0f}"
        yield Finding(
            "clock-off",
            "fatal" if abs(ahead) > CLOCK_FATAL else "warning",
            said("The clock is %(seconds)s s ahead", seconds=seconds)
            if ahead > 0
            else said("The clock is %(seconds)s s behind", seconds=seconds),
            said(
                "Login links end too early or too late, a provider's logins are refused, and far "
                "enough off no certificate is valid: downloads fail."
            ),
            said(
                "Set it and keep it right: sudo timedatectl set-ntp true (package "
                "systemd-timesyncd or chrony). In a virtual machine, correct the host's clock."
            ),
        )
    elif facts.machine.clock_synchronized is False:
        yield Finding(
            "clock-free",
            "warning",
            said("Nothing keeps the clock right"),
            said(
                "It is right now, and will drift: logins of a provider are refused when it is "
                "minutes off."
            ),
            said("sudo timedatectl set-ntp true (package systemd-timesyncd or chrony)"),
        )
    elif ahead is not None:
        yield ok(
            "clock", said("The clock is right to %(seconds)s s", seconds=max(1, round(abs(ahead))))
        )
