"""Jobs side by side: how many, in which order, and what one's failure does to the others."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from engine.together import AT_ONCE, Say, together

PATIENCE = 20.0


def test_as_many_run_at_once_as_are_meant_to_and_all_are_heard() -> None:
    meeting = threading.Barrier(AT_ONCE)
    said: list[str] = []

    def job(name: str, say: Say) -> None:
        meeting.wait(PATIENCE)
        say(name)

    names = [str(number) for number in range(2 * AT_ONCE)]
    together([partial(job, name) for name in names], said.append)
    assert sorted(said) == names


def test_a_failure_is_raised_and_the_others_end_at_their_next_word() -> None:
    meeting = threading.Barrier(2)
    done: list[str] = []

    def fails(say: Say) -> None:
        meeting.wait(PATIENCE)
        raise ValueError("no mirror answers")

    def works(say: Say) -> None:
        meeting.wait(PATIENCE)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            say("step 1 of 2")
        done.append("works")

    def comes_later(say: Say) -> None:
        done.append("comes later")

    with pytest.raises(ValueError, match="no mirror answers"):
        together([works, fails, comes_later], lambda line: None)
    assert done == []


def test_one_alone_runs_where_it_was_asked_for() -> None:
    """So that an interrupt reaches it at once."""
    where: list[threading.Thread] = []
    together([lambda say: where.append(threading.current_thread())], lambda line: None)
    assert where == [threading.current_thread()]
