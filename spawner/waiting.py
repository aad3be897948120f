"""Who waits for GPUs in this hub: woken when their turn comes, and told their place meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from room.gpus.broker import Broker
from room.gpus.events import Ticket
from room.gpus.forecast import Place, outlook
from room.gpus.ledger import Waiting
from room.gpus.requests import GPURequest
from room.models import Lease, Owner, Reject
from room.store import Store

#: Seconds between two looks at the queue when nothing happens: time itself moves it.
TICK = 5.0
#: Seconds between two forecasts while much happens.
SETTLE = 0.5
#: Seconds between two notes in the database of who is still there.
NOTE_EVERY = 60.0


class Ending(enum.Enum):
    """How waiting ends without a GPU."""

    CPU = "cpu"
    REMOVED = "removed"
    UNSEEN = "unseen"
    TOO_LONG = "too long"


@dataclass(slots=True)
class _Waiter:
    ticket: Ticket
    tell: Callable[[Place, int], None]
    watched: Callable[[], bool]
    grace: float
    seen: float
    #: Its result is None when the ticket was granted.
    turn: asyncio.Future[Ending | None]


@dataclass(slots=True)
class WaitingRoom:
    """One of these per hub process. Everything but the broker's work happens on the hub's loop."""

    store: Store
    broker: Broker
    log: logging.Logger
    clock: Callable[[], float] = time.time
    #: Reads the classes' shares; None: they are what the broker was made with.
    shares: Callable[[], Mapping[str, float]] | None = None
    _waiters: dict[str, _Waiter] = field(default_factory=dict)
    #: Tickets that were taken away before the start that asked for them began to wait.
    _removed: set[str] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _keeper: asyncio.Task[None] | None = None
    _places: tuple[float, Mapping[str, Place]] | None = None
    _noted: float = 0.0

    async def ask(
        self,
        owner: Owner,
        request: GPURequest,
        *,
        groups: Sequence[str],
        lease_seconds: float | None,
        cap: int | None,
        origin: str,
    ) -> Lease | Ticket | Reject:
        """Ask the broker for units: a lease, a place in the queue, or why there is neither."""
        self._open()
        found = await self.store.run(
            self.broker.submit,
            owner,
            request,
            groups=groups,
            lease_seconds=lease_seconds,
            cap=cap,
            origin=origin,
        )
        self._places = None
        self._changed.set()
        return found

    async def turn(
        self,
        ticket: Ticket,
        *,
        tell: Callable[[Place, int], None],
        watched: Callable[[], bool],
        grace: float,
        give_up: float,
    ) -> Lease | Ending:
        """Wait until the ticket is granted, or until waiting ends otherwise. Times in seconds.

        ``tell`` is called with the place in the queue, and how many units are leased.
        ``watched`` says whether somebody follows the start; nobody for ``grace`` ends it, and
        so does ``give_up`` after arrival.
        """
        if ticket.id in self._removed:
            self._removed.discard(ticket.id)
            return Ending.REMOVED
        loop = asyncio.get_running_loop()
        waiter = _Waiter(ticket, tell, watched, grace, self.clock(), loop.create_future())
        self._waiters[ticket.id] = waiter
        self._changed.set()
        try:
            # It may have been granted before anyone waited for it.
            lease = await self.store.run(self.broker.lease, ticket.id)
            while lease is None:
                left = ticket.arrived + give_up - self.clock()
                done, _ = await asyncio.wait([waiter.turn], timeout=max(0.0, left))
                ending = waiter.turn.result() if done else Ending.TOO_LONG
                if ending in (Ending.CPU, Ending.REMOVED):
                    return ending
                if ending is not None and await self.store.run(self.broker.leave, ticket.id):
                    return ending
                lease = await self.store.run(self.broker.lease, ticket.id)
                if lease is None and ending is not None:
                    return ending
                waiter.turn = loop.create_future()
            return lease
        finally:
            del self._waiters[ticket.id]
            self._places = None
            self._changed.set()

    async def divert(self, ticket_id: str) -> bool:
        """End somebody's waiting for a start on the CPU. False when the turn has come already."""
        waiter = self._waiters.get(ticket_id)
        if waiter is None or not await self.store.run(self.broker.leave, ticket_id):
            return False
        self._end(waiter, Ending.CPU)
        return True

    async def remove(self, ticket_id: str) -> bool:
        """Take somebody's place in the queue away. False when the turn has come, or they left."""
        if not await self.store.run(self.broker.leave, ticket_id):
            return False
        waiter = self._waiters.get(ticket_id)
        if waiter is None:
            self._removed.add(ticket_id)
        else:
            self._end(waiter, Ending.REMOVED)
        self._places = None
        self._changed.set()
        return True

    async def tickets(self) -> tuple[Waiting, ...]:
        """Return every ticket that waits, whether a start stands behind it or not yet."""
        return await self.store.run(self.broker.waiting)

    async def places(self) -> Mapping[str, Place]:
        """Return everyone's place in the queue, by ticket."""
        now = self.clock()
        if self._places is not None and 0 <= now - self._places[0] < SETTLE:
            return self._places[1]
        found = await self.store.run(self.broker.look, outlook)
        self._places = (now, found)
        return found

    # -- keeping it going --------------------------------------------------------------------

    def _open(self) -> None:
        if self._keeper is None:
            loop = asyncio.get_running_loop()
            self.broker.on_grants = lambda ids: loop.call_soon_threadsafe(self._granted, ids)
            self._keeper = asyncio.ensure_future(self._keep())

    def _granted(self, ids: Sequence[str]) -> None:
        for lease_id in ids:
            waiter = self._waiters.get(lease_id)
            if waiter is not None:
                self._end(waiter, None)
        self._places = None
        self._changed.set()

    @staticmethod
    def _end(waiter: _Waiter, ending: Ending | None) -> None:
        if not waiter.turn.done():
            waiter.turn.set_result(ending)

    async def _keep(self) -> None:
        """Tell everyone their place when it changes, and look after time itself."""
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), TICK)
            self._changed.clear()
            try:
                if self._waiters:
                    await self._look()
            except SQLAlchemyError as error:
                self.log.warning("Could not look at the queue: %s", error)
            await asyncio.sleep(SETTLE)

    async def _look(self) -> None:
        await self.store.run(self._tick)
        leases = await self.store.run(self.broker.leases)
        for ticket_id in {lease.id for lease in leases} & self._waiters.keys():
            # Another process of ours granted it.
            self._end(self._waiters[ticket_id], None)
        await self._sweep()
        places = await self.places()
        for ticket_id, waiter in list(self._waiters.items()):
            if ticket_id in places:
                waiter.tell(places[ticket_id], sum(len(lease.units) for lease in leases))

    def weigh(self) -> None:
        """Let the broker know the classes' shares as they are now; on the store's thread."""
        if self.shares is not None:
            self.broker.weigh(self.shares())

    def _tick(self) -> None:
        # Whoever changes a share means those who wait.
        self.weigh()
        self.broker.tick()

    async def _sweep(self) -> None:
        """End the waiting of who was not seen for longer than they may be away."""
        now, here = self.clock(), []
        for ticket_id, waiter in self._waiters.items():
            if waiter.watched():
                waiter.seen = now
                here.append(ticket_id)
            elif now - waiter.seen > waiter.grace:
                self._end(waiter, Ending.UNSEEN)
        if here and not 0 <= now - self._noted < NOTE_EVERY:
            self._noted = now
            await self.store.run(self.broker.seen, here)
