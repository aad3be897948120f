"""What a room needs of a machine, as rules: facts in, findings out. Pure.

Gathering the facts is ``cli.doctor_probe``'s; every finding is explained in
docs/how-to/troubleshooting.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from room.doctor import disk, engine, files, gpu, machine, network, toolkit
from room.doctor.facts import Facts
from room.doctor.finding import Finding, Level, status
from room.settings import Settings

__all__ = ["GROUPS", "Facts", "Finding", "Level", "check", "check_groups", "status"]

Rule = Callable[[Facts, Settings], Iterator[Finding]]

#: In the order in which a person would look.
GROUPS: Mapping[str, tuple[Rule, ...]] = {
    "Machine": (machine.system, machine.memory, machine.profiles, machine.cores, machine.clock),
    "Docker Engine": (
        engine.answers,
        engine.kind,
        engine.age,
        engine.plugins,
        engine.limits,
        engine.storage,
    ),
    "GPUs": (
        gpu.driver,
        gpu.driver_age,
        gpu.architecture,
        toolkit.toolkit,
        toolkit.cdi,
        toolkit.specs,
        toolkit.runtime,
        gpu.health,
        gpu.seats,
        gpu.profiles,
    ),
    "Disk": (disk.data_root, disk.space, disk.inodes, disk.homes, disk.bootstrap),
    "Network": (network.ports, network.name, network.mirrors, network.forwarding, network.bridges),
    "Files": (files.named_files, files.certificate),
}


def check_groups(facts: Facts, settings: Settings) -> dict[str, list[Finding]]:
    """Return what every rule says, by group."""
    return {
        name: [finding for rule in rules for finding in rule(facts, settings)]
        for name, rules in GROUPS.items()
    }


def check(facts: Facts, settings: Settings) -> list[Finding]:
    """Return what every rule says."""
    return [found for group in check_groups(facts, settings).values() for found in group]
