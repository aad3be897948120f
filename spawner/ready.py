"""Wait until a server answers HTTP: probed closely, given up early when its container died."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from tornado.httpclient import AsyncHTTPClient, HTTPClientError

T = TypeVar("T")

#: Seconds between probes: close at first, since most of the wait is the server's own boot.
PROBE_FIRST, PROBE_LAST = 0.05, 0.5
#: Seconds one probe may take.
PROBE_TIMEOUT = 2.0
#: Seconds between looks at the container itself.
LOOK_EVERY = 1.0


class NotReadyError(Exception):
    """The server did not answer within its boot timeout."""


async def wait_ready(url: str, timeout: float, still_alive: Callable[[], Awaitable[None]]) -> None:
    """Return at the first HTTP answer of ``url``.

    ``still_alive`` raises when the container has ended; that comes through.
    Raises ``NotReadyError`` after ``timeout`` seconds.
    """
    client = AsyncHTTPClient()
    deadline = time.monotonic() + timeout
    look_at = time.monotonic() + LOOK_EVERY
    pause = PROBE_FIRST
    while True:
        if await _answers(client, url):
            return
        now = time.monotonic()
        if now >= look_at:
            await still_alive()
            look_at = now + LOOK_EVERY
        if now >= deadline:
            raise NotReadyError(url)
        await asyncio.sleep(pause)
        pause = min(pause * 1.2, PROBE_LAST)


async def while_alive(
    wait: Coroutine[Any, Any, T], still_alive: Callable[[], Awaitable[None]]
) -> T:
    """Await ``wait`` as long as the server lives; what ``still_alive`` raises comes through."""
    waiting = asyncio.ensure_future(wait)
    try:
        while not (await asyncio.wait([waiting], timeout=LOOK_EVERY))[0]:
            await still_alive()
        return waiting.result()
    finally:
        waiting.cancel()


async def _answers(client: AsyncHTTPClient, url: str) -> bool:
    try:
        await client.fetch(
            url,
            follow_redirects=False,
            request_timeout=PROBE_TIMEOUT,
            connect_timeout=PROBE_TIMEOUT,
        )
    except HTTPClientError as error:
        # Any status but tornado's own 599 and a gateway's is the server itself speaking.
        return error.code < 500
    except OSError:
        return False
    return True
