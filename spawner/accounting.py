"""Brings what servers have used from the agent's counters into the ledger.

The hub asks once a minute while a server runs, and a moment after one has ended. Both sides only
ever tell how far a counter is: what one answer misses is in the next, whoever was away meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from room import used
from room.accounting import Reading
from spawner.agent import AgentSilentError

if TYPE_CHECKING:
    from spawner.services import Services

#: Seconds between two questions while a server runs.
EVERY = 60.0
#: Seconds after which also those are written that have used next to nothing: each is a row.
ALL_EVERY = 600.0
#: CPU-seconds from which a server is written at once.
WORTH = 1.0
#: Seconds from an end to the question: what ends together is one.
TOGETHER = 2.0


def worth(readings: Iterable[Reading], counted: Mapping[used.Key, float]) -> list[Reading]:
    """Return the readings of those that have used something since they were counted."""
    told = list(readings)
    most = {used.key_of(each): each.cpu for each in sorted(told, key=lambda each: each.cpu)}
    grown = {key for key, cpu in most.items() if cpu - counted.get(key, 0.0) >= WORTH}
    return [each for each in told if used.key_of(each) in grown]


class Accounting:
    """One of these per hub. ``ask`` brings every container's readings."""

    def __init__(
        self,
        services: Services,
        ask: Callable[[], Awaitable[tuple[Reading, ...]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._ask = ask
        self._clock = clock
        #: How many CPU-seconds of each were written last.
        self._counted: dict[used.Key, float] = {}
        self._all_at = clock()
        self._ended = asyncio.Event()
        self._silent = False

    def soon(self) -> None:
        """A server has ended: what it used is written in a moment."""
        self._ended.set()

    async def run(self) -> None:
        """Ask again and again, for as long as the hub runs."""
        # What ended while no hub was there is told first.
        due = True
        while True:
            if due or self._services.running():
                due = not await self.collect(every=due or self._clock() >= self._all_at)
            try:
                await asyncio.wait_for(self._ended.wait(), EVERY)
            except asyncio.TimeoutError:
                continue
            await asyncio.sleep(TOGETHER)
            self._ended.clear()
            due = True

    async def collect(self, *, every: bool = True) -> bool:
        """Ask once, and write it down. False: it could not be, and what was told is told again.

        ``every``: also of those that have used next to nothing.
        """
        services = self._services
        try:
            if every:
                # Who runs has to stand in the ledger before anything is counted there.
                await services.sessions()
            told = await self._ask()
            readings = told if every else worth(told, self._counted)
            if readings:
                await services.store.run(self._record, tuple(readings))
        except (AgentSilentError, SQLAlchemyError) as error:
            if not self._silent:
                services.log.warning("What servers use could not be counted: %s", error)
            self._silent = True
            return False
        self._silent = False
        if every:
            self._counted = {}
            self._all_at = self._clock() + ALL_EVERY
        self._counted |= {used.key_of(each): each.cpu for each in readings}
        return True

    def _record(self, readings: tuple[Reading, ...]) -> None:
        with self._services.store.decide() as connection:
            used.record(connection, readings, self._services.plans.zone)
