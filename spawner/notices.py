"""What the room tells who works in a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Notice:
    """Words for who works in a server. Pages show an ``id`` until it is hidden or told no more."""

    id: str
    text: str
    level: Literal["info", "warning"] = "warning"
    #: stay: the page has a button with which its reader says that somebody is there. cpu: one that
    #: gives the GPU back, and one that keeps it.
    action: Literal["", "stay", "cpu"] = ""
