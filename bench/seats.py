"""One student's way to a usable notebook, timed: from asking for a server until ``1+1`` is 2."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cli.errors import Problem
from cli.kernel import Kernel
from cli.student import Student

#: How long a start may take before the benchmark gives up on it, in seconds.
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds since the server was asked for."""

    #: The server is said to be ready: a browser would open it now.
    ready: float
    #: A kernel has answered ``1+1``.
    usable: float


class Seat(Protocol):
    """Someone who can go the way again and again."""

    async def go(self) -> Times:
        """Ask for a server and use it. Raises ``Problem`` when there is none to use."""

    async def leave(self) -> None:
        """End the server and wait until it is gone, also after a way that failed."""


class Contender(Protocol):
    """A stack under test."""

    key: str

    async def open(self) -> None:
        """Start the stack and wait until people can log in."""

    async def seats(self, count: int) -> list[Seat]:
        """Return that many seats, logged in."""

    def close(self) -> None:
        """Remove everything that ``open`` and the seats made."""


class HubSeat:
    """A seat behind a JupyterHub: progress stream, OAuth, proxy, WebSocket."""

    def __init__(self, student: Student, options: Mapping[str, str] | None) -> None:
        self._server = student.server()
        self._options = options

    async def go(self) -> Times:
        began = time.monotonic()
        await self._server.ready(self._options)
        ready = time.monotonic() - began
        await self._server.open()
        async with self._server.kernel() as kernel:
            await add_one_and_one(kernel)
            return Times(ready, time.monotonic() - began)

    async def leave(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if await self._server.model() is not None:
                    await self._server.stop()
                return
            except Problem:
                # A start that failed goes on being pending for a while.
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(1)


async def add_one_and_one(kernel: Kernel) -> None:
    """Raise ``Problem`` unless the kernel can count."""
    outcome = await kernel.execute("1+1")
    if outcome.result != "2":
        raise Problem(f"1+1 is {outcome.result or outcome.error!r} in this kernel.")
