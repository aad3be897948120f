"""What all RoomSpawners of one hub share: engine, store, broker, and the tidying behind them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from weakref import WeakValueDictionary

from docker.errors import NotFound
from sqlalchemy.exc import SQLAlchemyError

from engine.client import Engine, EngineRefusedError, EngineUnavailableError
from room.gpus.broker import Broker
from room.gpus.use import Use
from room.models import Inventory, Owner
from room.plans.book import Plans
from room.plans.spending import Account, Outlook
from room.store import Store
from spawner import exits, reconcile
from spawner.accounting import Accounting
from spawner.admission import Gate
from spawner.exits import Ended
from spawner.homefeed import HomeFeed
from spawner.homes import AgentClient
from spawner.inventory_feed import InventoryFeed
from spawner.notices import Notice
from spawner.pulls import Pulls
from spawner.sessions import Session
from spawner.use_feed import NO_AGENT, UseFeed
from spawner.waiting import WaitingRoom
from spawner.watch import Watch

#: Seconds between tries while the engine does not answer: doubled up to the last.
RETRY_FIRST, RETRY_LAST = 0.2, 15.0


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(slots=True)
class Services:
    """One of these per hub process."""

    room: str
    engine: Engine
    store: Store
    broker: Broker
    waiting: WaitingRoom
    gate: Gate
    plans: Plans
    agent: AgentClient | None
    log: logging.Logger
    #: Brings the agent's inventory; None where a file says what there is.
    feed: InventoryFeed | None = None
    #: Brings how they are used; None where there is no agent.
    use: UseFeed | None = None
    #: Brings how full homes are; None where there is no agent.
    homes: HomeFeed | None = None
    #: Brings what servers have used; None where there is no agent.
    accounting: Accounting | None = None
    #: What the room has to tell who works in a server, until it is told no more.
    notices: dict[Owner, tuple[Notice, ...]] = field(default_factory=dict)
    #: By user who runs something on a GPU, and has a budget: what it is, and when it ends that.
    outlooks: dict[str, tuple[Account, Outlook]] = field(default_factory=dict)
    #: The warnings of those in whose servers nobody works.
    idle_notices: dict[Owner, Notice] = field(default_factory=dict)
    #: What is said to those whose GPU does nothing: they can give it back.
    gpu_offers: dict[Owner, Notice] = field(default_factory=dict)
    #: Those who have said since the last look that they keep it.
    gpu_kept: set[Owner] = field(default_factory=set)
    #: When an open page of a server asked for its lease last, in seconds since 1970.
    looked_at: dict[Owner, float] = field(default_factory=dict)
    #: Servers that are stopped to be started again at once.
    restarting: set[Owner] = field(default_factory=set)
    #: When somebody did something in a server's page last, in seconds since 1970.
    touched: dict[Owner, float] = field(default_factory=dict)
    #: Servers between the first act of a start and its end: reconcile leaves them alone.
    starting: set[Owner] = field(default_factory=set)
    #: The spawner of each server, for what the room itself does to it.
    spawners: WeakValueDictionary[Owner, Any] = field(default_factory=WeakValueDictionary)
    #: The hub itself ends: the starts that this cuts short keep their places in the queue.
    ending: bool = False
    #: How each server ended last time: pages ask for it, and must not wait for the database.
    ends: dict[Owner, Ended] = field(default_factory=dict)
    #: Not set while the hub starts: it looks at servers once it serves requests.
    serving: asyncio.Event = field(default_factory=_set)
    #: Set once leases, containers and servers were compared for the first time.
    compared: asyncio.Event = field(default_factory=asyncio.Event)
    #: What came of that last.
    comparison: reconcile.Comparison = field(default_factory=reconcile.Comparison)
    #: By container, as the ledger was read last: since when it runs.
    running_since: Mapping[str, datetime] = field(default_factory=dict)
    #: Images that are being fetched.
    pulls: Pulls = field(default_factory=Pulls)
    #: What the engine's events tell of the room's containers.
    watch: Watch = field(init=False)
    _reconciling: asyncio.Task[None] | None = None
    _tidying: dict[Owner, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watch = Watch(self)

    def moving(self) -> set[Owner]:
        """Return the servers that somebody is starting or tidying right now."""
        return self.starting | set(self._tidying)

    def tidying(self, owner: Owner) -> asyncio.Task[None] | None:
        return self._tidying.get(owner)

    def tidy(
        self,
        owner: Owner,
        tidy: Callable[[], Awaitable[None]],
        after: asyncio.Future[object] | None,
    ) -> asyncio.Task[None]:
        """Run ``tidy`` in the background until it succeeds; at most one runs for an owner.

        ``after`` is the engine's or the store's call that was in flight when a
        start was cut short: the thread goes on with it, and what it makes has
        to exist before it can be removed.
        """
        running = self._tidying.get(owner)
        task = asyncio.ensure_future(self._persist(owner, tidy, after, running))
        self._tidying[owner] = task
        task.add_done_callback(lambda done: self._forget(owner, done))
        return task

    def _forget(self, owner: Owner, task: asyncio.Task[None]) -> None:
        if self._tidying.get(owner) is task:
            del self._tidying[owner]

    async def _persist(
        self,
        owner: Owner,
        tidy: Callable[[], Awaitable[None]],
        after: asyncio.Future[object] | None,
        before: asyncio.Task[None] | None,
    ) -> None:
        waited = [f for f in (after, before) if f is not None]
        if waited:
            await asyncio.wait(waited)
        pause = RETRY_FIRST
        while True:
            try:
                await tidy()
            except (
                EngineUnavailableError,
                EngineRefusedError,
                NotFound,
                SQLAlchemyError,
            ) as error:
                self.log.warning("Tidying after %s: %s; trying again", owner, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_LAST)
            else:
                return

    def keep_reconciling(self, served: Callable[[], set[Owner]]) -> None:
        """Compare rows, containers and servers every minute from now on; once a hub is enough."""
        if self._reconciling is None:
            self._reconciling = asyncio.ensure_future(reconcile.keep(self, served))
            if self.feed is not None:
                self.feed.start()
            self.watch.start()

    def touch(self, owner: Owner) -> None:
        """Note that somebody works in a server: its warning goes at once."""
        self.touched[owner] = time.time()
        self.idle_notices.pop(owner, None)

    def keep_gpu(self, owner: Owner) -> None:
        """Note that a GPU which does nothing is kept: the offer goes at once."""
        self.gpu_kept.add(owner)
        self.gpu_offers.pop(owner, None)

    def told(self, owner: Owner) -> tuple[Notice, ...]:
        """Return what those that look for something have found to tell who works in a server."""
        found = (self.idle_notices.get(owner), self.gpu_offers.get(owner))
        return (*self.notices.get(owner, ()), *(notice for notice in found if notice is not None))

    def touched_at(self, owner: Owner) -> float | None:
        """Return when somebody did something last: as its page says, and as its server does."""
        spawner = self.spawners.get(owner)
        told = getattr(spawner and spawner.orm_spawner, "last_activity", None)
        times = [self.touched.get(owner), told and _epoch(told)]
        return max((when for when in times if when), default=None)

    async def sessions(self) -> dict[Owner, Session]:
        """Return the sessions of servers that run, as far as they are known."""
        found = {
            owner: await spawner.running_session() for owner, spawner in self.running().items()
        }
        return {owner: session for owner, session in found.items() if session is not None}

    def running(self) -> dict[Owner, Any]:
        """Return the spawners of servers that run, and that nobody is starting or tidying."""
        moving = self.moving()
        return {
            owner: spawner
            for owner, spawner in self.spawners.items()
            if spawner.ready and owner not in moving
        }

    async def survey(self, inventory: Inventory) -> None:
        """Take a new inventory; what is quarantined by it is for the admin's log."""
        for gpu in await self.store.run(self.broker.survey, inventory):
            self.log.error("GPU %s is quarantined: it reported a fatal Xid", gpu)

    async def record(self, ended: Ended) -> None:
        """Keep how a server ended, for the pages and beyond the hub's own life."""
        self.ends[ended.exit.owner] = ended
        await self.store.run(exits.record, self.store, ended)

    async def gpu_use(self) -> Use:
        """Return how the GPUs are used now; why nobody tells is its ``problem``."""
        return (await self.use.latest())[1] if self.use else NO_AGENT

    def count_soon(self) -> None:
        """Note that a server has ended: what it used is to be counted."""
        if self.accounting is not None:
            self.accounting.soon()

    async def settled(self) -> None:
        """Return when nothing is being tidied any more."""
        while self._tidying:
            await asyncio.wait(list(self._tidying.values()))


def _epoch(when: datetime) -> float:
    """Return seconds since 1970; JupyterHub's own times are UTC and do not say so."""
    return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
