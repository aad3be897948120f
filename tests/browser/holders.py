"""Students of a test who hold GPUs while a browser looks on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cli.student import Student
from tests.utils.room import ComposedRoom


@contextmanager
def holding_gpus(room: ComposedRoom, count: int) -> Iterator[Callable[[int], None]]:
    """Let ``count`` students have a GPU each, until the block ends; give what lets one leave.

    In a thread: Playwright's own loop runs in this one.
    """
    tokens = [(f"holder{number}", room.token(f"holder{number}")) for number in range(count)]
    _in_thread(_start(room.address, tokens))
    try:
        yield lambda number: _in_thread(_stop(room.address, [tokens[number]]))
    finally:
        _in_thread(_stop(room.address, tokens))


async def _start(address: str, tokens: list[tuple[str, str]]) -> None:
    async def one(token: str) -> None:
        async with Student(address) as student:
            await student.log_in(token)
            await student.server().ready({"profile": "gpu"})

    await asyncio.gather(*(one(token) for _, token in tokens))


async def _stop(address: str, tokens: list[tuple[str, str]]) -> None:
    async def one(token: str) -> None:
        async with Student(address) as student:
            await student.log_in(token)
            if await student.server().model() is not None:
                await student.server().stop()

    await asyncio.gather(*(one(token) for _, token in tokens))


def _in_thread(work) -> None:  # type: ignore[no-untyped-def]
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work)
        except BaseException as error:  # noqa: BLE001 - raised again by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
