"""What a unit is called where a person sees it. Listed in spawner/words.py."""

from __future__ import annotations

from room.models import GPUUnit
from room.said import said


def label(unit: GPUUnit) -> str:
    """Return a unit's name for people; a seat is always called cooperative."""
    if unit.kind == "seat":
        return said("%(model)s, seat of a shared GPU (cooperative)", model=unit.model)
    if unit.kind == "mig" and unit.mig_profile:
        return f"{unit.model} MIG {unit.mig_profile}"
    return unit.model
