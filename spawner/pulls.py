"""Images that are being fetched: each once, for everybody who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Pulls:
    """One of these per hub process, on the hub's loop."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Future[None]] = {}

    async def pull(self, image: str, pull: Callable[[], Awaitable[None]]) -> None:
        """Wait until ``pull`` has fetched an image, or somebody else's does who asked earlier.

        It goes on when who waits gives up: the next start needs it. Raises what ``pull`` raises.
        """
        task = self._tasks.get(image)
        if task is None:
            task = asyncio.ensure_future(pull())
            self._tasks[image] = task
            task.add_done_callback(lambda done: self._over(image, done))
        await asyncio.shield(task)

    def _over(self, image: str, done: asyncio.Future[None]) -> None:
        del self._tasks[image]
        if not done.cancelled():
            done.exception()  # whoever waited has it; it is no news when nobody did
