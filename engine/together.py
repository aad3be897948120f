"""Jobs side by side that say what they do: when one fails, the others do not run on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial

__all__ = ["Job", "together"]

Say = Callable[[str], None]
Job = Callable[[Say], None]

#: A build unpacks and compiles while another downloads; a third would only share the same line.
AT_ONCE = 2


class _OverError(Exception):
    """Another job has failed; what this one says is heard by nobody."""


def together(jobs: Sequence[Job], say: Say) -> None:
    """Run ``jobs``, two at a time in their order, and raise what the first failing one raised.

    A job gets what it says its words with. After a failure, or when the caller is interrupted,
    that raises in the job, which so ends at its next word, and no other one begins.
    """
    if len(jobs) == 1:
        jobs[0](say)
        return
    over = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        running = [threads.submit(_run, job, partial(_heard, over, say), over) for job in jobs]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            over.set()
    for future in running:
        error = future.exception()
        if error is not None and not isinstance(error, _OverError):
            raise error


def _run(job: Job, say: Say, over: threading.Event) -> None:
    if over.is_set():
        return
    try:
        job(say)
    except BaseException:
        over.set()
        raise


def _heard(over: threading.Event, say: Say, line: str) -> None:
    if over.is_set():
        raise _OverError
    say(line)
