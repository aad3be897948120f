"""Who has an unused GPU is offered to give it back, where there is something else to start."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from room.gpus.use import UnitUse, Use
from room.models import GPUUnit, Inventory, Lease, Owner
from spawner.gpuwatch import EVERY, GPUWatch
from spawner.notices import Notice
from spawner.services import Services
from spawner.sessions import Session

NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
LIMIT = 300.0
ALICE = Owner("alice")
CARD = GPUUnit("GPU-a", 0, "Tesla T4", 16000)
REST, WORK = (Use((UnitUse("GPU-a", utilisation=busy),)) for busy in (0.0, 90.0))


class Spawner:
    """A running server with a GPU. ``choice``: what is said when that is offered back."""

    def __init__(self, gpu_idle: float, choice: str) -> None:
        self.session = Session(NOON, gpu_idle=gpu_idle)
        self.orm_spawner = SimpleNamespace(last_activity=None)
        self.ready = True
        self.choice = choice
        self.asked = 0

    async def running_session(self) -> Session:
        return self.session

    async def offer(self, seconds: float) -> str:
        assert seconds == LIMIT
        self.asked += 1
        return self.choice


class Room:
    """A server, and a clock that a test moves on; its page is before somebody all the time."""

    def __init__(self, gpu_idle: float = LIMIT, choice: str = "An offer.", ready: bool = True):
        self.spawner = Spawner(gpu_idle, choice)
        self.use, self.asked, self.seconds = REST, 0, NOON.timestamp()
        self.present = True
        ready_at = NOON if ready else None
        self.leases = [Lease("l", ALICE, ("GPU-a",), NOON, ready_at=ready_at)]
        self.services: Any = SimpleNamespace(
            store=self,
            broker=SimpleNamespace(leases=lambda: self.leases, inventory=Inventory((CARD,))),
            spawners={ALICE: self.spawner},
            moving=set,
            touched={},
            looked_at={},
            gpu_offers={},
            gpu_kept=set(),
            log=logging.getLogger("test"),
            running=lambda: Services.running(self.services),
            sessions=lambda: Services.sessions(self.services),
            touched_at=lambda owner: Services.touched_at(self.services, owner),
        )
        self.watch = GPUWatch(self.services, self, lambda: self.seconds)  # type: ignore[arg-type]

    async def run(self, function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    async def latest(self) -> tuple[float, Use]:
        self.asked += 1
        return self.seconds, self.use

    async def look(self, seconds: float = 0.0) -> Notice | None:
        """Let so much time pass, with all its looks; return what is offered then."""
        for _ in range(max(1, int(seconds / EVERY))):
            self.seconds += EVERY if seconds else 0.0
            if self.present:
                self.services.looked_at[ALICE] = self.seconds
            await self.watch.look()
        found: Notice | None = self.services.gpu_offers.get(ALICE)
        return found


async def test_an_unused_gpu_is_offered_once_and_what_is_shown_stays_the_same() -> None:
    room = Room()
    await room.look()
    assert await room.look(LIMIT - EVERY) is None
    offer = await room.look(EVERY)
    assert offer is not None
    assert (offer.text, offer.action, offer.level) == ("An offer.", "cpu", "info")
    assert await room.look(10 * LIMIT) is offer
    assert room.spawner.asked == 1


@pytest.mark.parametrize(
    "use", [pytest.param(WORK, id="works"), pytest.param(Use(problem="silent"), id="unseen")]
)
async def test_it_is_withdrawn_and_a_later_one_is_another(use: Use) -> None:
    room = Room()
    first = await room.look(LIMIT + EVERY)
    room.use = use
    assert await room.look(EVERY) is None
    room.use = REST
    assert await room.look(LIMIT - EVERY) is None
    second = await room.look(2 * EVERY)
    assert first is not None
    assert second is not None
    assert second.id != first.id


async def test_who_keeps_it_is_rid_of_the_offer_at_once_and_for_the_whole_spell() -> None:
    room = Room()
    await room.look(LIMIT + EVERY)
    Services.keep_gpu(room.services, ALICE)
    assert room.services.gpu_offers == {}
    assert await room.look(5 * LIMIT) is None
    room.use = WORK
    await room.look(EVERY)
    room.use = REST
    assert await room.look(LIMIT + EVERY) is not None


async def test_an_offer_that_is_answered_during_a_look_does_not_come_back() -> None:
    room = Room()
    await room.look(LIMIT + EVERY)
    latest = room.latest

    async def answered() -> tuple[float, Use]:
        Services.keep_gpu(room.services, ALICE)
        return await latest()

    room.latest = answered  # type: ignore[method-assign]
    assert await room.look(EVERY) is None


async def test_where_nothing_else_can_be_started_nothing_is_offered_nor_asked_again() -> None:
    room = Room(choice="")
    assert await room.look(5 * LIMIT) is None
    assert room.spawner.asked == 1


async def test_who_is_away_is_asked_when_they_come_back() -> None:
    room = Room()
    room.present = False
    assert await room.look(5 * LIMIT) is None
    room.present = True
    assert await room.look(EVERY) is not None


async def test_who_works_in_it_without_a_page_is_there() -> None:
    room = Room()
    room.present = False
    await room.look(LIMIT)
    room.services.touched[ALICE] = room.seconds
    assert await room.look(EVERY) is not None


@pytest.mark.parametrize(
    "room",
    [
        pytest.param(Room(gpu_idle=0.0), id="no-limit"),
        pytest.param(Room(ready=False), id="still-starting"),
    ],
)
async def test_others_are_left_alone_and_the_agent_is_not_asked(room: Room) -> None:
    assert await room.look(3 * LIMIT) is None
    assert room.asked == 0
