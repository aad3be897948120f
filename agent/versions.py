"""Versions that the room has retired: which of them are in use, and removing their files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from publishing import upkeep
from publishing.job import Desk
from publishing.shelf import Shelf

#: Name and digest of a version.
Which = tuple[str, str]


class Versions:
    """Those of one host. ``mounted``: what the containers of servers have; raises when nobody says.

    Only retired versions come here: no start can come to have one meanwhile.
    """

    def __init__(self, datasets: Path, mounted: Callable[[], set[Which]]) -> None:
        self._desk = Desk(Shelf(datasets))
        self._mounted = mounted

    def open(self) -> None:
        """Remove what a removal that was cut short has left."""
        threading.Thread(target=upkeep.tidy, args=(self._desk,), name="tidy").start()

    def in_use(self) -> tuple[int, set[Which]]:
        """Return as of when (nanoseconds since 1970) the files of which versions are in use.

        Raises ``ServersUnknownError``.
        """
        now = time.time_ns()
        return now, upkeep.in_use(self._desk, self._mounted())

    def remove(self, which: Which, looked_at: int) -> None:
        """Begin to remove files that were not in use at that time. Raises ``ServersUnknownError``.

        Large ones take longer than anybody waits for an answer.
        """
        arguments = (self._desk, *which, self._mounted(), looked_at)
        threading.Thread(target=upkeep.remove, args=arguments, name="remove").start()
