"""What one execution amounts to, from the messages it caused."""

from __future__ import annotations

import asyncio

import pytest

from cli import wire
from cli.errors import Problem
from cli.kernel import Kernel, Outcome


def message(kind, content, parent=None):
    return wire.Message("iopub", {"msg_type": kind}, parent or {}, {}, content)


def test_outcome_gathers_streams_pictures_and_result():
    outcome = Outcome()
    for kind, content in [
        ("status", {"execution_state": "busy"}),
        ("stream", {"name": "stdout", "text": "a"}),
        ("stream", {"name": "stderr", "text": "warn"}),
        ("stream", {"name": "stdout", "text": "b"}),
        ("display_data", {"data": {"image/png": "…", "text/plain": "<Figure>"}}),
        ("execute_result", {"data": {"text/plain": "2"}}),
        ("execute_reply", {"status": "ok"}),
        ("status", {"execution_state": "idle"}),
    ]:
        assert not outcome.done
        outcome.add(message(kind, content))

    assert outcome.done
    assert outcome.ok
    assert (outcome.stdout, outcome.stderr, outcome.result) == ("ab", "warn", "2")
    assert [sorted(shown) for shown in outcome.shown] == [
        ["image/png", "text/plain"],
        ["text/plain"],
    ]


def test_outcome_of_an_error_keeps_its_name_and_words():
    outcome = Outcome()
    error = {"ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": ["line"]}
    outcome.add(message("error", error))
    outcome.add(message("execute_reply", {"status": "error"}))

    assert not outcome.ok
    assert not outcome.done, "the idle status is still to come"
    assert outcome.error == "ZeroDivisionError: division by zero"
    assert outcome.result == ""


class Line:
    """A connection whose other side answers an execution with the given messages."""

    def __init__(self, *answers):
        self.answers = answers
        self.queue = asyncio.Queue()

    async def send(self, frame):
        asked = wire.unpack(frame)
        for kind, content, own in self.answers:
            parent = asked.header if own else {"msg_id": "another"}
            self.queue.put_nowait(wire.pack(message(kind, content, parent)))

    async def recv(self, decode):
        return await self.queue.get()


async def no_interrupt():
    raise AssertionError("not asked for")


DONE = [
    ("execute_reply", {"status": "ok"}, True),
    ("status", {"execution_state": "idle"}, True),
]


async def test_only_own_messages_count():
    line = Line(
        ("stream", {"name": "stdout", "text": "theirs"}, False),
        ("stream", {"name": "stdout", "text": "ours"}, True),
        ("status", {"execution_state": "idle"}, False),
        *DONE,
    )
    outcome = await Kernel(line, "s", no_interrupt).execute("x")

    assert outcome.stdout == "ours"


async def test_a_dying_kernel_is_told_at_once():
    line = Line(("status", {"execution_state": "restarting"}, False), *DONE)

    with pytest.raises(Problem, match="kernel died") as caught:
        await Kernel(line, "s", no_interrupt).execute("x")
    assert "memory" in caught.value.remedy


async def test_an_endless_cell_names_its_first_line_and_the_limit():
    line = Line(("status", {"execution_state": "busy"}, True))

    with pytest.raises(Problem, match=r"'while True: pass' did not finish within 0\.05 s"):
        await Kernel(line, "s", no_interrupt).execute("while True: pass\n2", timeout=0.05)
