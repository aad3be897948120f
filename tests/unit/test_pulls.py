"""An image is fetched once, for everybody who waits for it."""

from __future__ import annotations

import asyncio

import pytest

from spawner.pulls import Pulls


class Registry:
    def __init__(self) -> None:
        self.asked = 0
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def pull(self) -> None:
        self.asked += 1
        await asyncio.shield(self.answer)


async def test_two_who_need_an_image_make_one_pull_which_who_gives_up_does_not_end():
    registry, pulls = Registry(), Pulls()
    ann, bob = (asyncio.ensure_future(pulls.pull("a:1", registry.pull)) for _ in range(2))
    await asyncio.sleep(0)
    ann.cancel()
    await asyncio.wait([ann])
    registry.answer.set_result(None)
    await bob
    assert registry.asked == 1
    await pulls.pull("a:1", registry.pull)
    assert registry.asked == 2, "what is over is asked for anew"


async def test_a_pull_that_fails_fails_for_everybody_who_waits():
    registry, pulls = Registry(), Pulls()
    waiting = [asyncio.ensure_future(pulls.pull("a:1", registry.pull)) for _ in range(2)]
    other = asyncio.ensure_future(pulls.pull("b:1", registry.pull))
    await asyncio.sleep(0)
    registry.answer.set_exception(OSError("no route"))
    for each in (*waiting, other):
        with pytest.raises(OSError, match="no route"):
            await each
    assert registry.asked == 2
