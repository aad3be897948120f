"""What a user's server tells of work that nobody looks at."""

from __future__ import annotations

import asyncio

import pytest

from tests.utils.user_server import UserServer
from tests.utils.wait import wait_until

pytestmark = pytest.mark.images


async def test_a_kernel_that_computes_without_a_word_is_work(pytorch: str) -> None:
    with UserServer(pytorch) as server:
        await asyncio.to_thread(server.wait, timeout=90)
        await _is_work(server)


async def _is_work(server: UserServer) -> None:
    def busy() -> str:
        states = [kernel["execution_state"] for kernel in server.api("kernels")]
        return str(server.api("status")["last_activity"]) if "busy" in states else ""

    running = asyncio.ensure_future(server.run("import time; time.sleep(90)"))
    began = await asyncio.to_thread(wait_until, busy, timeout=60)
    # By then its own word of having begun is over: what comes later is ours.
    await asyncio.to_thread(wait_until, lambda: busy() > began, timeout=60, every=1)
    assert not running.done()
    running.cancel()
