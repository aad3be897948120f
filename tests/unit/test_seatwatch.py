"""What the watchdog says is done: words for who is over the share, an end, and to nobody else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from engine.client import EngineUnavailableError
from room.gpus import watchdog
from room.gpus.seats import Sharing, split
from room.gpus.use import ServerUse, Use
from room.gpus.watchdog import GAP, Action, Times
from room.models import GPUUnit, Inventory, Lease, Owner
from spawner.seatwatch import SeatWatch
from tests.utils.wait import wait_until

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
CARD = GPUUnit("GPU-a", 0, "Tesla T4", 16000)
SEATS = split((CARD,), (Sharing(2, model="T4"),))
OVER, WITHIN = 9000, 7000
ALICE, BOB = Owner("alice"), Owner("bob", "two")


class Spawner:
    """A server; ``capped`` by the driver or not. ``stays``: the engine does not end it."""

    def __init__(self, capped: bool = False, stays: bool = False) -> None:
        self.capped = capped
        self.stays = stays
        self.ended: list[Action] = []
        self.goes_on = asyncio.Event()

    def shares_watched(self, units: Iterable[GPUUnit]) -> dict[str, int]:
        return {} if self.capped else watchdog.shares(units)

    async def end_for_share(self, action: Action) -> bool:
        self.ended.append(action)
        if self.stays:
            raise EngineUnavailableError("the engine is away")
        await self.goes_on.wait()
        return True


class Room:
    """Two servers on the seats of one card; a look every two seconds, as a test lets it be."""

    def __init__(self, **alice: bool) -> None:
        self.spawners = {ALICE: Spawner(**alice), BOB: Spawner()}
        self.leases = [
            Lease(str(n), owner, (SEATS[n].uuid,), NOON, ready_at=NOON)
            for n, owner in enumerate(self.spawners)
        ]
        self.noted: list[tuple[str, ...]] = []
        self.asked = 0
        self.seconds = 100.0
        self.use = Use()
        self.services: Any = SimpleNamespace(
            store=self,
            broker=SimpleNamespace(
                leases=lambda: self.leases,
                inventory=Inventory(SEATS),
                note=lambda *said: self.noted.append(said),
            ),
            spawners=self.spawners,
            moving=set,
            notices={},
            log=logging.getLogger("test"),
        )
        self.watch = SeatWatch(self.services, self, Times(patience=4, grace=6))  # type: ignore[arg-type]

    async def run(self, function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    async def latest(self) -> tuple[float, Use]:
        self.asked += 1
        return self.seconds, self.use

    async def look(
        self, alice: int | None = WITHIN, problem: str = "", again: bool = False
    ) -> None:
        """Let two seconds pass and look; ``again`` at what the agent saw the last time."""
        self.seconds += 2
        if not again:
            servers = [ServerUse(ALICE, "a", 1, {"GPU-a": alice})]
            servers.append(ServerUse(BOB, "b", 1, {"GPU-a": WITHIN}))
            read_at = NOON + timedelta(seconds=self.seconds)
            self.use = Use((), tuple(servers), read_at, problem)
        await self.watch.look()
        # What ends a server has its turn too.
        await asyncio.sleep(0)

    async def looks(self, count: int, alice: int) -> None:
        for _ in range(count):
            await self.look(alice)

    def told(self, owner: Owner = ALICE) -> list[str]:
        return [notice.text for notice in self.services.notices.get(owner, ())]


async def test_who_is_over_is_warned_then_stopped_and_the_neighbour_hears_nothing() -> None:
    room = Room()
    await room.looks(2, OVER)
    assert room.told() == []
    await room.look(OVER)
    (warning,) = room.told()
    assert warning.startswith("Your programs use 8.8 GiB of the shared GPU's memory")
    assert "within 6 seconds" in warning
    await room.looks(2, OVER)
    assert room.told() == [warning]
    await room.look(OVER)
    (words,) = room.told()
    assert "Your server was stopped" in words
    assert [action.message for action in room.spawners[ALICE].ended] == [words]
    room.spawners[ALICE].goes_on.set()
    await asyncio.sleep(0)
    await room.look(WITHIN)
    assert room.noted == [("the room", "seat-stop", "alice", words)]
    assert room.services.notices == {}
    assert room.spawners[BOB].ended == []


async def test_a_warning_that_is_heeded_goes_away_and_the_next_is_another() -> None:
    room = Room()
    await room.looks(3, OVER)
    (first,) = room.services.notices[ALICE]
    await room.look(WITHIN)
    assert room.services.notices == {}
    await room.looks(3, OVER)
    (second,) = room.services.notices[ALICE]
    assert first.id != second.id
    assert room.spawners[ALICE].ended == []


async def test_while_one_server_ends_it_is_stopped_once_and_the_others_are_watched() -> None:
    room = Room()
    await room.looks(12, OVER)
    assert len(room.spawners[ALICE].ended) == 1
    assert len(room.told()) == 1


async def test_an_engine_that_cannot_stop_it_is_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    room = Room(stays=True)
    await room.looks(12, OVER)
    assert len(room.spawners[ALICE].ended) == 2
    assert "Could not stop alice: the engine is away" in caplog.text
    assert room.noted == []


async def test_what_happens_is_in_the_admins_log(caplog: pytest.LogCaptureFixture) -> None:
    room = Room()
    await room.looks(6, OVER)
    said = [record.getMessage() for record in caplog.records]
    figures = "it uses 9000 MiB of GPU GPU-a, and its seat has 8000 MiB"
    assert said == [f"Server of alice is {done}: {figures}" for done in ("warned", "being stopped")]


async def test_who_is_capped_by_the_driver_is_not_judged() -> None:
    room = Room(capped=True)
    await room.looks(10, OVER)
    assert room.services.notices == {}
    assert room.spawners[ALICE].ended == []


@pytest.mark.parametrize(
    "leases",
    [
        pytest.param([], id="nobody"),
        pytest.param([Lease("0", ALICE, (SEATS[0].uuid,), NOON)], id="still-starting"),
        pytest.param([Lease("0", ALICE, ("GPU-b",), NOON, ready_at=NOON)], id="unknown-units"),
        pytest.param([Lease("0", Owner("eve"), (SEATS[0].uuid,), NOON, ready_at=NOON)], id="none"),
    ],
)
async def test_the_agent_is_asked_only_while_somebody_runs_on_a_seat(leases: list[Lease]) -> None:
    room = Room()
    room.leases = leases
    await room.looks(3, OVER)
    assert room.asked == 0


async def test_silence_is_no_sample_and_a_long_one_forgets() -> None:
    room = Room()
    await room.looks(3, OVER)
    await room.look(OVER, problem="the agent does not answer")
    assert len(room.told()) == 1
    for _ in range(int(GAP / 2) + 1):
        await room.look(OVER, problem="the agent does not answer")
    assert room.told() == [], "nobody is threatened with what will not happen"
    await room.look(OVER)
    assert room.spawners[ALICE].ended == []


async def test_one_look_told_twice_is_one() -> None:
    room = Room()
    await room.looks(2, OVER)
    for _ in range(5):
        await room.look(again=True)
    assert room.told() == []


async def test_it_goes_on_when_the_database_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from sqlalchemy.exc import OperationalError

    monkeypatch.setattr("spawner.seatwatch.EVERY", 0.0)
    room, times = Room(), 0

    def leases() -> list[Lease]:
        nonlocal times
        times += 1
        if times == 1:
            raise OperationalError("select", {}, Exception("locked"))
        return []

    room.services.broker.leases = leases
    task = asyncio.ensure_future(room.watch.run())
    await asyncio.to_thread(wait_until, lambda: times > 2, timeout=10)
    task.cancel()
    assert "Could not look at who holds seats" in caplog.text
