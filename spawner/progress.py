"""The stages of one start as events, for any number of readers who may come late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from spawner.stages import BY_ID

#: Seconds without an event after which the current stage is said again.
HEARTBEAT = 5.0


class Progress:
    """Which stage a start is in, since when, and what came before."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Forget the start before."""
        self.stage = "checking"
        self._began = self._clock()
        self._events: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    def enter(self, stage: str) -> None:
        self.stage = stage
        self._events.append(self._event())
        self._changed.set()
        self._changed = asyncio.Event()

    def _event(self) -> dict[str, Any]:
        stage = BY_ID[self.stage]
        return {
            "progress": stage.progress,
            "message": stage.message,
            "stage": stage.id,
            "elapsed": round(self._clock() - self._began, 1),
        }

    async def events(self, heartbeat: float = HEARTBEAT) -> AsyncIterator[dict[str, Any]]:
        """Yield every stage so far and to come, and the current one again as a heartbeat.

        JupyterHub closes the generator when the start is over.
        """
        seen, events = 0, self._events
        while events is self._events:
            changed = self._changed
            for event in events[seen:]:
                yield event
            seen = len(events)
            try:
                await asyncio.wait_for(changed.wait(), heartbeat)
            except asyncio.TimeoutError:
                yield self._event()
