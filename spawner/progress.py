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
        self._readers = 0
        self.begin()

    def begin(self) -> None:
        """Forget the start before."""
        self.stage = "checking"
        self._more: dict[str, Any] = {}
        self._began = self._clock()
        #: With a number that rises, so that a reader knows what is new.
        self._events: list[tuple[int, dict[str, Any]]] = []
        self._changed = asyncio.Event()

    def enter(self, stage: str) -> None:
        self.stage, self._more = stage, {}
        self._say()

    def tell(self, message: str, **more: Any) -> None:
        """Say something new of the current stage; heartbeats say it again."""
        told = {"message": message, **more}
        if told != self._more:
            self._more = told
            self._say()

    @property
    def readers(self) -> int:
        """How many follow this start right now."""
        return self._readers

    def _say(self) -> None:
        last = self._events[-1] if self._events else (0, {})
        said = (last[0] + 1, self._event())
        # Who comes late needs each stage once, as it was told last.
        if last[1].get("stage") == self.stage:
            self._events[-1] = said
        else:
            self._events.append(said)
        self._changed.set()
        self._changed = asyncio.Event()

    def _event(self) -> dict[str, Any]:
        stage = BY_ID[self.stage]
        return {
            "progress": stage.progress,
            "message": stage.message,
            "stage": stage.id,
            "elapsed": round(self._clock() - self._began, 1),
            **self._more,
        }

    async def events(self, heartbeat: float = HEARTBEAT) -> AsyncIterator[dict[str, Any]]:
        """Yield every stage so far and to come, and the current one again as a heartbeat.

        JupyterHub closes the generator when the start is over.
        """
        seen, events = 0, self._events
        self._readers += 1
        try:
            while events is self._events:
                changed = self._changed
                for number, event in list(events):
                    if number > seen:
                        yield event
                        seen = number
                try:
                    await asyncio.wait_for(changed.wait(), heartbeat)
                except asyncio.TimeoutError:
                    yield self._event()
        finally:
            self._readers -= 1
