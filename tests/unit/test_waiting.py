"""Who waits in one hub: whose place is taken away is told so, whenever that happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from room.gpus.broker import Broker
from room.gpus.events import Ticket
from room.gpus.inventory import simulated
from room.gpus.requests import GPURequest
from room.models import Lease, Owner
from room.store import Store
from room.store.migrate import upgrade
from spawner.waiting import Ending, WaitingRoom

HOLDER, ALICE, BOB = Owner("holder"), Owner("alice"), Owner("bob")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path / 'torchroom.sqlite'}")
    upgrade(made)
    yield made
    made.close()


def room_of(store: Store) -> WaitingRoom:
    """Return a waiting room before one GPU, which is leased."""
    broker = Broker(store)
    broker.survey(simulated(1))
    assert isinstance(broker.submit(HOLDER, GPURequest()), Lease)
    return WaitingRoom(store, broker, logging.getLogger("waiting"))


async def asked(room: WaitingRoom, owner: Owner) -> Ticket:
    found = await room.ask(
        owner, GPURequest(), groups=(), lease_seconds=None, cap=None, origin="page"
    )
    assert isinstance(found, Ticket)
    return found


def turn(room: WaitingRoom, ticket: Ticket) -> asyncio.Task[Lease | Ending]:
    waiting = room.turn(
        ticket, tell=lambda _place, _of: None, watched=lambda: True, grace=60.0, give_up=600.0
    )
    return asyncio.ensure_future(waiting)


async def test_who_waits_is_woken_when_the_place_is_taken_away(store: Store) -> None:
    room = room_of(store)
    tickets = [await asked(room, owner) for owner in (ALICE, BOB)]
    starts = [turn(room, ticket) for ticket in tickets]
    await asyncio.sleep(0)
    assert await room.remove(tickets[0].id)
    assert await asyncio.wait_for(starts[0], 10) is Ending.REMOVED
    assert [each.ticket.owner for each in await room.tickets()] == [BOB]
    (holder,) = room.broker.leases()
    await store.run(room.broker.release, holder.id)
    served = await asyncio.wait_for(starts[1], 10)
    assert isinstance(served, Lease)
    assert served.owner == BOB


async def test_a_start_that_was_just_about_to_wait_is_told_too(store: Store) -> None:
    room = room_of(store)
    ticket = await asked(room, ALICE)
    assert await room.remove(ticket.id)
    assert await asyncio.wait_for(turn(room, ticket), 10) is Ending.REMOVED
    assert await room.tickets() == ()


async def test_nothing_is_taken_from_who_does_not_wait(store: Store) -> None:
    room = room_of(store)
    (lease,) = room.broker.leases()
    assert not await room.remove(lease.id)
    assert not await room.remove("never")
    assert room.broker.leases() == (lease,)


async def test_a_share_that_is_changed_holds_for_those_who_wait(store: Store) -> None:
    room = room_of(store)
    shares = {"small": 1.0}
    room.shares = lambda: shares
    ticket = await asked(room, ALICE)
    start = turn(room, ticket)
    shares["small"] = 5.0
    while room.broker.policy.weight("small") != 5.0:
        assert not start.done()
        await asyncio.sleep(0.02)
    await room.remove(ticket.id)
    assert await asyncio.wait_for(start, 10) is Ending.REMOVED
