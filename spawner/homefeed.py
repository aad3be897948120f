"""How full homes are, for those who look: the pages, and servers that show it to who works there.

Nobody waits for the agent but who opened the page of a home: all others have what was told last.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from room.homeuse import HomeUse, Level, level
from room.models import Reject
from spawner import stages
from spawner.agent import AgentSilentError
from spawner.notices import Notice

#: Seconds for which an answer is good, and after which nobody's is kept any more.
KEEP, FORGET = 60.0, 3600.0
#: Seconds that who opens a page waits: for the start page's word, and for a new measure.
GLANCE, LOOK = 1.0, 3.0


@dataclass(frozen=True, slots=True)
class Told:
    """The agent's last answer on one home, on a clock that never jumps."""

    use: HomeUse | None
    at: float
    #: Of the words that are shown of it: new ones are seen again by who hid the old ones.
    id: str


class HomeFeed:
    """Asks the agent with ``ask(user, patience)``: one question a home at a time."""

    def __init__(
        self,
        ask: Callable[[str, float], Awaitable[HomeUse | None]],
        log: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._log = log
        self._clock = clock
        self._told: dict[str, Told] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def look(self, user: str) -> HomeUse | None:
        """Return how full a home is now; None: there is none. Raises ``AgentSilentError``."""
        use = await self._ask(user, LOOK)
        self._keep(user, use)
        return use

    async def glance(self, user: str) -> HomeUse | None:
        """Return how full a home is, if that is known or told within a second."""
        task = self._refresh(user)
        if task is not None:
            await asyncio.wait([task], timeout=GLANCE)
        told = self._told.get(user)
        return told.use if told else None

    def notices(self, user: str) -> tuple[Notice, ...]:
        """Return what is to be told of what is known, and ask anew for the next time."""
        self._refresh(user)
        told = self._told.get(user)
        warned = warning(told.use) if told and told.use else None
        return (Notice(told.id, warned.message),) if told and warned else ()

    def _refresh(self, user: str) -> asyncio.Task[None] | None:
        """Ask the agent unless its last answer is good; return the question under way."""
        told, running = self._told.get(user), self._asking.get(user)
        if running is None and (told is None or self._clock() - told.at >= KEEP):
            running = self._asking[user] = asyncio.ensure_future(self._once(user))
        return running

    async def _once(self, user: str) -> None:
        try:
            self._keep(user, await self._ask(user, 0.0))
        except AgentSilentError as error:
            self._log.warning("How full the home of %s is, is not known: %s", user, error)
        finally:
            del self._asking[user]

    def _keep(self, user: str, use: HomeUse | None) -> None:
        now, before = self._clock(), self._told.get(user)
        same = before is not None and _level(before.use) == _level(use)
        id = before.id if before is not None and same else f"home-{secrets.token_hex(8)}"
        self._told[user] = Told(use, now, id)
        old = [each for each, told in self._told.items() if now - told.at > FORGET]
        for each in old:
            del self._told[each]


def _level(use: HomeUse | None) -> Level:
    return level(use) if use else "ok"


def warning(use: HomeUse) -> Reject | None:
    """Return the words on a home that is near its limit or full; None: it is neither. Pure."""
    at = level(use)
    if at == "ok":
        return None
    if at == "near":
        return stages.home_near(use.used or 0, use.soft, use.hard)
    own = use.enforced and use.used is not None and use.left == max(0, use.hard - use.used)
    return stages.home_full(use.used or 0, use.hard) if own else stages.disk_full()
