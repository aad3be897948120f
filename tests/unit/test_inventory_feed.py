"""The hub's inventory: the agent's answers, and what its silence means."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from room.gpus import inventory
from room.models import Inventory
from spawner.agent import AgentSilentError
from spawner.inventory_feed import SILENCE, InventoryFeed

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
TWO = inventory.simulated(2)
LOG = logging.getLogger("test")


class Agent:
    """Answers as it is told; the clock moves only when a test moves it."""

    def __init__(self) -> None:
        self.answer: Inventory | None = TWO
        self.told: list[Inventory] = []
        self.refuses = False
        self.seconds = 0.0
        self.revived: list[float] = []
        self.stays_down = False

    async def ask(self) -> Inventory:
        if self.answer is None:
            raise AgentSilentError("connection refused")
        return self.answer

    async def take(self, found: Inventory) -> None:
        if self.refuses:
            raise RuntimeError("database is locked")
        self.told.append(found)

    async def revive(self) -> None:
        self.revived.append(self.seconds)
        if self.stays_down:
            raise OSError("the engine does not answer")

    def feed(self, memory: Path | None = None) -> InventoryFeed:
        return InventoryFeed(
            self.ask,
            self.take,
            LOG,
            memory=memory,
            revive=self.revive,
            clock=lambda: self.seconds,
            now=lambda: NOON + timedelta(seconds=self.seconds),
        )

    def health(self) -> list[set[str]]:
        return [{unit.health for unit in each.units} for each in self.told]


async def test_what_changed_is_told_once() -> None:
    agent = Agent()
    feed = agent.feed()
    await feed.once()
    agent.answer = replace(TWO, read_at=NOON)
    await feed.once()
    assert agent.told == [TWO]
    agent.answer = inventory.simulated(3)
    await feed.once()
    assert [len(each.units) for each in agent.told] == [2, 3]
    assert feed.latest == inventory.simulated(3)


@pytest.mark.parametrize(
    ("silent_for", "told"),
    [
        pytest.param(SILENCE, [{"ok"}], id="a-restart-of-the-agent"),
        pytest.param(SILENCE + 0.1, [{"ok"}, {"unknown"}], id="too-long"),
    ],
)
async def test_silence_makes_units_unknown(silent_for: float, told: list[set[str]]) -> None:
    agent = Agent()
    feed = agent.feed()
    await feed.once()
    agent.answer, agent.seconds = None, silent_for
    await feed.once()
    await feed.once()
    assert agent.health() == told


async def test_silence_says_since_when_and_ends_with_an_answer() -> None:
    agent = Agent()
    feed = agent.feed()
    agent.seconds = 61.0
    await feed.once()
    agent.answer, agent.seconds = None, 100.0
    await feed.once()
    assert feed.latest.units[0].why == "the agent has not answered since 12:01:01 UTC"
    agent.answer = TWO
    await feed.once()
    assert agent.health() == [{"ok"}, {"unknown"}, {"ok"}]


async def test_after_a_restart_the_remembered_units_are_unknown_and_not_gone(
    tmp_path: Path,
) -> None:
    memory = tmp_path / "inventory.json"
    await Agent().feed(memory).once()
    agent = Agent()
    agent.answer = None
    feed = agent.feed(memory)
    assert {unit.health for unit in feed.latest.units} == {"unknown"}
    await feed.once()
    assert agent.health() == [{"unknown"}]
    agent.answer = TWO
    await feed.once()
    assert agent.health() == [{"unknown"}, {"ok"}]


@pytest.mark.parametrize("stays_down", [False, True])
@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        pytest.param(True, [16.0, 32.0], id="fell-silent"),
        pytest.param(False, [16.0, 32.0], id="never-came"),
    ],
)
async def test_an_agent_that_is_silent_is_started_now_and_then(
    heard: bool, expected: list[float], stays_down: bool
) -> None:
    agent = Agent()
    agent.stays_down = stays_down
    feed = agent.feed()
    if heard:
        await feed.once()
    agent.answer = None
    for second in range(0, 34, 2):
        agent.seconds = float(second)
        await feed.once()
    assert agent.revived == expected


async def test_a_broken_memory_is_none(tmp_path: Path) -> None:
    memory = tmp_path / "inventory.json"
    memory.write_text("{")
    agent = Agent()
    feed = agent.feed(memory)
    assert feed.latest == Inventory()
    await feed.once()
    assert inventory.loads(memory.read_text()) == TWO


async def test_what_could_not_be_taken_is_told_again() -> None:
    agent = Agent()
    feed = agent.feed()
    agent.refuses = True
    with pytest.raises(RuntimeError):
        await feed.once()
    agent.refuses = False
    await feed.once()
    assert agent.told == [TWO]


async def test_once_started_it_goes_on_whatever_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("spawner.inventory_feed.EVERY", 0.0)
    agent, seen = Agent(), asyncio.Event()
    take: Callable[[Inventory], Awaitable[None]] = agent.take
    failures = 0

    async def fail_twice(found: Inventory) -> None:
        nonlocal failures
        failures += 1
        if failures <= 2:
            raise RuntimeError("database is locked")
        await take(found)
        seen.set()

    agent.take = fail_twice  # type: ignore[method-assign]
    feed = agent.feed()
    feed.start()
    feed.start()
    await asyncio.wait_for(seen.wait(), 10)
    assert agent.told == [TWO]
