"""The hub asks for what servers use while one runs, and writes what is worth a row."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from room import usage, used
from room.accounting import Reading
from room.models import Owner
from room.store import Store, migrate
from room.usage import Ran
from spawner import accounting
from spawner.accounting import ALL_EVERY, WORTH, Accounting
from spawner.agent import AgentSilentError
from tests.utils.wait import wait_until

NOON = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)


def read(container: str, cpu: float) -> Reading:
    at = NOON + timedelta(seconds=cpu)
    return Reading(container, "1", "e", at, cpu, cpu, cpu)


@dataclass
class Hub:
    """A hub's store with a server each of ann and bob, and an agent that says what it is told."""

    store: Store
    answer: list[Reading] | None = field(default_factory=list)
    asked: int = 0
    noted_before_asking: int | None = None
    runs: bool = True
    seconds: float = 0.0
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        with self.store.decide() as connection:
            for container, user in (("c1", "ann"), ("c2", "bob")):
                usage.note(connection, Ran(container, Owner(user), "", "cpu", 1.0, 0, NOON))
        logger = logging.getLogger("test-accounting")
        logger.handlers = [_Into(self.log)]
        services: Any = SimpleNamespace(
            store=self.store,
            running=lambda: {"ann": None} if self.runs else {},
            sessions=self.note_who_runs,
            plans=SimpleNamespace(zone=timezone.utc),
            log=logger,
        )
        self.accounting = Accounting(services, self.ask, clock=lambda: self.seconds)

    async def note_who_runs(self) -> dict[Owner, Any]:
        self.noted_before_asking = self.asked
        return {}

    async def ask(self) -> tuple[Reading, ...]:
        self.asked += 1
        if self.answer is None:
            raise AgentSilentError("connection refused")
        return tuple(self.answer)

    def cpu(self) -> dict[str, float]:
        with self.store.read() as connection:
            return {user: amounts.cpu for (user, _, _), amounts in used.by_day(connection).items()}


class _Into(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    migrate.upgrade(store)
    yield Hub(store)
    store.close()


async def test_who_used_next_to_nothing_is_written_with_the_others_once_in_a_while(
    hub: Hub,
) -> None:
    hub.answer = [read("c1", 5), read("c2", WORTH / 2)]
    assert await hub.accounting.collect(every=False)
    assert hub.cpu() == {"ann": 5}
    hub.answer = [read("c1", 5 + WORTH / 2), read("c2", WORTH)]
    await hub.accounting.collect(every=False)
    assert hub.cpu() == {"ann": 5, "bob": WORTH}
    assert hub.noted_before_asking is None
    await hub.accounting.collect()
    assert hub.cpu() == {"ann": 5 + WORTH / 2, "bob": WORTH}
    assert hub.noted_before_asking == 2, "who runs stands in the ledger before all are counted"


def test_readings_of_days_before_come_with_their_container() -> None:
    late = [read("c1", 5), read("c1", 7), read("c2", 9)]
    assert accounting.worth(late, {used.key_of(late[2]): 9}) == late[:2]


async def test_what_could_not_be_told_is_told_again_and_said_once(hub: Hub) -> None:
    hub.answer = None
    assert not await hub.accounting.collect()
    assert not await hub.accounting.collect()
    assert hub.log == ["What servers use could not be counted: connection refused"]
    hub.answer = [read("c1", 5)]
    assert await hub.accounting.collect()
    assert hub.cpu() == {"ann": 5}


async def asked(hub: Hub, times: int) -> None:
    """Wait until the hub has asked so often, and has written what it was told."""
    await asyncio.to_thread(wait_until, lambda: hub.asked >= times, timeout=20)
    await hub.store.run(lambda: None)


async def test_an_end_is_written_a_moment_later_and_those_that_end_together_at_once(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounting, "TOGETHER", 0.05)
    hub.runs = False
    hub.answer = [read("c1", 0.25)]
    task = asyncio.ensure_future(hub.accounting.run())
    await asked(hub, 1)
    assert hub.cpu() == {"ann": 0.25}, "what ended while no hub was there"
    hub.answer = [read("c1", 0.5), read("c2", 0.5)]
    for times in (2, 3):
        hub.accounting.soon()
        hub.accounting.soon()
        await asked(hub, times)
        assert hub.asked == times
    assert hub.cpu() == {"ann": 0.5, "bob": 0.5}
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_nothing_is_asked_while_nothing_runs(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = 0

    async def waited(event: Any, seconds: float) -> None:
        nonlocal rounds
        event.close()
        rounds += 1
        hub.seconds += seconds
        hub.runs = rounds > 20
        await real_sleep(0)
        raise asyncio.TimeoutError

    real_sleep = asyncio.sleep
    monkeypatch.setattr(accounting.asyncio, "wait_for", waited)
    hub.runs = False
    task = asyncio.ensure_future(hub.accounting.run())
    while rounds <= 20:
        await real_sleep(0)
    assert hub.asked == 1, "once, for what ended before"
    while rounds < 20 + ALL_EVERY / accounting.EVERY:
        await real_sleep(0)
    task.cancel()
    assert hub.asked >= ALL_EVERY / accounting.EVERY - 2
