"""How the GPUs are used: the agent is asked for who wants to know, and once for many."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone

import pytest

from room.gpus.use import Use
from spawner.agent import AgentSilentError
from spawner.use_feed import KEEP, UseFeed

LOOK = Use(read_at=datetime(2026, 11, 24, 12, tzinfo=timezone.utc))


class Agent:
    """Answers as it is told; the clock moves only when a test moves it."""

    def __init__(self, answer: Use | None = LOOK) -> None:
        self.answer = answer
        self.asked = 0
        self.seconds = 100.0
        self.feed = UseFeed(self.ask, clock=lambda: self.seconds)

    async def ask(self) -> Use:
        self.asked += 1
        await asyncio.sleep(0)
        if self.answer is None:
            raise AgentSilentError("connection refused")
        return self.answer


@pytest.mark.parametrize(
    ("after", "asked"),
    [pytest.param(KEEP - 0.1, 1, id="kept"), pytest.param(KEEP, 2, id="old")],
)
async def test_an_answer_is_kept_for_a_moment(after: float, asked: int) -> None:
    agent = Agent()
    assert await agent.feed.latest() == (100.0, LOOK)
    agent.seconds += after
    await agent.feed.latest()
    assert agent.asked == asked


async def test_many_who_want_to_know_are_one_question() -> None:
    agent = Agent()
    answers = await asyncio.gather(*(agent.feed.latest() for _ in range(20)))
    assert agent.asked == 1
    assert set(map(id, answers)) == {id(answers[0])}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(None, "the agent does not answer (connection refused)", id="silent"),
        pytest.param(Use(), "the agent has not looked at the GPUs yet", id="just-started"),
        pytest.param(Use(problem="no engine"), "no engine", id="its-own-words"),
        pytest.param(LOOK, "", id="told"),
    ],
)
async def test_why_nothing_is_known_is_said(answer: Use | None, problem: str) -> None:
    _, use = await Agent(answer).feed.latest()
    assert use.problem == problem


async def test_an_agent_that_comes_back_is_heard() -> None:
    agent = Agent(None)
    await agent.feed.latest()
    agent.answer, agent.seconds = LOOK, 102.0
    assert await agent.feed.latest() == (102.0, LOOK)
