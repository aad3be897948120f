"""What the agent tells of its host beside units and homes: cards, driver, the homes' disk."""

from __future__ import annotations

import os
from pathlib import Path

from agent.disk.drivers import MOUNTINFO
from agent.snapshot import Snapshot
from room.doctor.facts import GPUs, Place
from room.doctor.live import Host
from room.mounts import mount_of


def look(snapshot: Snapshot, homes: Path, mountinfo: Path = MOUNTINFO) -> Host:
    """Return what can be seen now. A disk that cannot be looked at stays unknown."""
    cards = snapshot.cards
    simulated = sum(card.simulated for card in cards)
    gpus = GPUs(
        cards=() if simulated else cards,
        driver=snapshot.inventory.driver_version,
        problem=snapshot.problem,
        cdi_names=snapshot.cdi_names,
        simulated=simulated,
    )
    return Host(gpus, _place(homes, mountinfo))


def _place(homes: Path, mountinfo: Path) -> Place | None:
    try:
        disk, device = os.statvfs(homes), homes.stat().st_dev
        kind = mount_of(mountinfo.read_text(), homes.resolve()).kind
    except OSError:
        return None
    return Place.of(str(homes), device, disk, kind)
