"""Looks at the agent again and again: what it has done is written down, and more is asked."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress

from console.agent import AgentError

#: Seconds between two looks, while something is under way and else.
BUSY, QUIET = 2.0, 30.0


class Lookout(ABC):
    """One of each kind per console."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._log = logging.getLogger(type(self).__module__)

    def wake(self) -> None:
        """Look at once: something was begun, or is to go on."""
        self._woken.set()

    async def run(self) -> None:
        """Look for as long as the console runs."""
        while True:
            self._woken.clear()
            try:
                pause = BUSY if await self.look() else QUIET
            except AgentError:
                # It is being started anew, and is there when it is asked again.
                pause = BUSY
            except Exception:  # noqa: BLE001 - it is logged, and the next look may succeed
                self._log.exception("Could not write down what the agent has done")
                pause = QUIET
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)

    @abstractmethod
    async def look(self) -> bool:
        """Do what there is to do; say whether anything is under way still."""
