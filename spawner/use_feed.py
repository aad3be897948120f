"""How the GPUs are used, as the agent tells it: asked only when somebody wants to know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from room.gpus.use import Use
from spawner.agent import AgentSilentError

#: Seconds for which an answer is good: less than the agent takes from one look to the next.
KEEP = 1.0

NO_AGENT = Use(problem="this hub has no agent to ask")


class UseFeed:
    """Asks the agent, one question at a time: whoever wants to know meanwhile has its answer."""

    def __init__(
        self, ask: Callable[[], Awaitable[Use]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._heard: tuple[float, Use] | None = None
        self._turn = asyncio.Lock()

    async def latest(self) -> tuple[float, Use]:
        """Return the newest answer, and when it came on a clock that never jumps, in seconds.

        Why there is none is the use's ``problem``.
        """
        async with self._turn:
            if self._heard is None or self._clock() - self._heard[0] >= KEEP:
                use = await self._answer()
                self._heard = self._clock(), use
            return self._heard

    async def _answer(self) -> Use:
        try:
            use = await self._ask()
        except AgentSilentError as error:
            return Use(problem=f"the agent does not answer ({error})")
        if use.read_at is None and not use.problem:
            return Use(problem="the agent has not looked at the GPUs yet")
        return use
