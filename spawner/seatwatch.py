"""Shows the watchdog of shared GPUs their use, and does what it says: warns servers, ends them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from engine.client import EngineRefusedError, EngineUnavailableError
from room.gpus import marks, watchdog
from room.gpus.watchdog import Action, Sample, Times, Watch
from room.models import Owner
from spawner.notices import Notice
from spawner.services import Services
from spawner.use_feed import UseFeed

#: Seconds between two looks: as often as the agent itself looks.
EVERY = 2.0

#: A server on one shared card.
Key = tuple[Owner, str]


class SeatWatch:
    """One of these per hub. The agent is asked only while somebody runs on a seat."""

    def __init__(self, services: Services, feed: UseFeed, times: Times) -> None:
        self._services = services
        self._feed = feed
        self._times = times
        self._watch = Watch()
        self._read_at: datetime | None = None
        self._told: dict[Key, Notice] = {}
        self._ending: dict[Owner, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look again and again, for as long as the hub runs."""
        while True:
            try:
                await self.look()
            except SQLAlchemyError as error:
                self._services.log.warning("Could not look at who holds seats: %s", error)
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Judge how the seats are used now, and act on it."""
        held = await self._held()
        if held:
            for action in await self._judge(held):
                self._act(action)
        else:
            self._watch = Watch()
        self._tell()

    async def _held(self) -> dict[Owner, dict[str, int]]:
        """Return the shares of each server that runs on seats, by card; what is capped has none."""
        services = self._services
        leases = await services.store.run(services.broker.leases)
        known = services.broker.inventory.by_uuid()
        leaving = services.moving() | self._ending.keys()
        held = {}
        for lease in leases:
            spawner = services.spawners.get(lease.owner)
            if lease.ready_at is not None and spawner is not None and lease.owner not in leaving:
                units = [known[unit] for unit in lease.units if unit in known]
                held[lease.owner] = spawner.shares_watched(units)
        return {owner: shares for owner, shares in held.items() if shares}

    async def _judge(self, held: dict[Owner, dict[str, int]]) -> Iterable[Action]:
        at, use = await self._feed.latest()
        sample: Sample | None = watchdog.sample_of(use, at)
        if sample is None or use.read_at == self._read_at:
            # Silence is no sample, nor is the same look told twice.
            self._watch = watchdog.lapse(self._watch, at)
            return ()
        self._read_at = use.read_at
        self._watch, actions = watchdog.step(self._watch, sample, held, self._times)
        return actions

    def _act(self, action: Action) -> None:
        done = "is warned" if action.kind == "warn" else "is being stopped"
        self._services.log.warning(
            "Server of %s %s: it uses %s MiB of GPU %s, and its seat has %s MiB",
            *(action.owner, done, action.used_mib, action.device, action.share_mib),
        )
        # The id is of this one warning: who hid an earlier one sees it again.
        notice = Notice(f"seat-{secrets.token_hex(8)}", action.message)
        self._told[action.owner, action.device] = notice
        if action.kind == "stop" and action.owner not in self._ending:
            self._ending[action.owner] = asyncio.ensure_future(self._end(action))

    async def _end(self, action: Action) -> None:
        """Stop a server, while the others are watched on."""
        services, owner = self._services, action.owner
        try:
            spawner = services.spawners.get(owner)
            if spawner is not None and await spawner.end_for_share(action):
                await services.store.run(
                    services.broker.note, marks.ROOM, "seat-stop", str(owner), action.message
                )
        except (EngineUnavailableError, EngineRefusedError, SQLAlchemyError) as error:
            services.log.warning("Could not stop %s: %s; it is watched anew", owner, error)
        finally:
            del self._ending[owner]

    def _tell(self) -> None:
        """Let pages show what holds still: a warning that was heeded goes away."""
        holds = self._watch.warned
        self._told = {
            (owner, device): notice
            for (owner, device), notice in self._told.items()
            if (owner, device) in holds or owner in self._ending
        }
        notices: dict[Owner, tuple[Notice, ...]] = {}
        for (owner, _device), notice in self._told.items():
            notices[owner] = (*notices.get(owner, ()), notice)
        self._services.notices = notices
