"""Wait for a condition, and say what was seen when it does not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    predicate: Callable[[], T],
    *,
    timeout: float,
    explain: Callable[[], str] = lambda: "",
    every: float = 0.1,
) -> T:
    """Return the first true value of ``predicate``; fail with ``explain()`` after ``timeout`` s."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not true within {timeout:.0f} s: {predicate}; last value {value!r}\n{explain()}"
            )
        time.sleep(every)
