"""How many GPUs a profile could have right now, and how long one would wait. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Availability:
    """What one card of the start page says of its GPUs; ``wait`` is in seconds."""

    free: int
    total: int
    #: How long somebody who asked now would wait; None when nobody can tell.
    wait: float | None = None
    #: Why this person may never start the profile, in words; nothing when they may.
    forbidden: str = ""
    #: It is a seat of a GPU that others use at the same time.
    seat: bool = False

    def waits(self, needed: int) -> bool:
        """Say whether who asks for ``needed`` units now has to stand in line."""
        return self.free < needed or bool(self.wait)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def rough(seconds: float) -> tuple[str, float]:
    """Return a wait as people say it: ``("minutes", 12)``. static/about.js rounds the same way."""
    if seconds < 60:
        return "moment", 0
    if seconds < 90 * 60:
        return "minutes", int(seconds / 60 + 0.5)
    return "hours", int(seconds / 1800 + 0.5) / 2
