"""The keys of ``room.yaml`` on what the host can do at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from room.settings.base import Section
from room.settings.values import Count, Size

MIB, GIB = 1024**2, 1024**3


class HostSection(Section):
    """What the host does at once, and what it keeps for itself."""

    boots: Annotated[Count, Field(ge=0, le=1000)] = Field(
        0,
        description="Servers that start at the same time; the others wait for their turn. 0: one "
        "more than the host has cores.",
    )
    memory_reserve: Annotated[Size, Field(ge=0)] = Field(
        GIB, description="Memory that the host keeps for itself. A server that would need it waits."
    )
    memory_headroom: Annotated[Size, Field(ge=0)] = Field(
        512 * MIB,
        description="Memory that has to be available for each server that starts: what it takes "
        "soon, and not its limit.",
    )
