"""Ctrl-C and SIGTERM while something runs that has to tidy up after itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import click

from cli import steps


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run ``work``; Ctrl-C and SIGTERM end it once, and let it clean up."""

    async def main() -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        interrupted = False

        def interrupt() -> None:
            nonlocal interrupted
            if not interrupted and task is not None:
                steps.console.print("Interrupted. Cleaning up, a moment …")
                task.cancel()
            interrupted = True

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise click.Abort from None
