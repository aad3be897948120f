"""Looks for GPUs that do nothing in servers where somebody is, and offers them back.

The rule is ``room/gpus/unused.py``. Nothing ends here: whoever reads the offer decides.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from engine.client import EngineRefusedError, EngineUnavailableError
from room.gpus import unused as rule
from room.gpus.unused import Unused
from room.models import GPUUnit, Owner
from spawner.notices import Notice
from spawner.services import Services
from spawner.use_feed import UseFeed

#: Seconds between two looks.
EVERY = 5.0


class GPUWatch:
    """One of these per hub. The agent is asked only while somebody's plan has such a limit."""

    def __init__(
        self, services: Services, feed: UseFeed, clock: Callable[[], float] = time.time
    ) -> None:
        self._services = services
        self._feed = feed
        self._clock = clock
        self._known: dict[Owner, Unused] = {}

    async def run(self) -> None:
        """Look again and again, for as long as the hub runs."""
        while True:
            try:
                await self.look()
            except (EngineUnavailableError, EngineRefusedError, SQLAlchemyError) as error:
                self._services.log.warning("Could not look at whose GPU is unused: %s", error)
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Judge every GPU that has a limit, and let pages show what came of it."""
        services = self._services
        sessions = await services.sessions()
        limits = {owner: each.gpu_idle for owner, each in sessions.items() if each.gpu_idle}
        held = await self._held(limits) if limits else {}
        if held:
            await self._judge(held, limits)
        else:
            self._known = {}
        await self._tell(limits)

    async def _held(self, limits: Mapping[Owner, float]) -> dict[Owner, list[GPUUnit]]:
        """Return the GPUs of each server with a limit, by what its lease says."""
        services = self._services
        leases = await services.store.run(services.broker.leases)
        units = services.broker.inventory.by_uuid()
        return {
            # A unit that is not there any more tells nothing: then nobody can tell of the rest.
            lease.owner: [units[unit] for unit in lease.units if unit in units]
            for lease in leases
            if lease.owner in limits and lease.ready_at is not None
        }

    async def _judge(
        self, held: Mapping[Owner, list[GPUUnit]], limits: Mapping[Owner, float]
    ) -> None:
        _, use = await self._feed.latest()
        services, now = self._services, self._clock()
        known = {}
        for owner, units in held.items():
            before = self._known.get(owner) or rule.begin(now)
            if owner in services.gpu_kept:
                before = rule.keep(before)
            works = rule.works(use, owner, units)
            known[owner] = rule.step(before, now, works, self._present(owner), limits[owner])
        self._known = known
        services.gpu_kept -= known.keys()

    def _present(self, owner: Owner) -> float | None:
        """Return when somebody was there last: worked in the server, or had a page before them."""
        services = self._services
        times = (services.touched_at(owner), services.looked_at.get(owner))
        return max((when for when in times if when), default=None)

    async def _tell(self, limits: Mapping[Owner, float]) -> None:
        """Let pages show the offers that hold; one that is shown keeps its words."""
        services = self._services
        due = [owner for owner, unused in self._known.items() if unused.offered]
        new = {
            owner: await self._offer(owner, limits[owner])
            for owner in due
            if owner not in services.gpu_offers
        }
        for owner, notice in new.items():
            if notice is None:
                # There is nothing else to start: it is looked up once a spell.
                self._known[owner] = rule.keep(self._known[owner])
        # One that was answered meanwhile is in neither.
        told = {owner: services.gpu_offers.get(owner) or new.get(owner) for owner in due}
        services.gpu_offers = {owner: notice for owner, notice in told.items() if notice}

    async def _offer(self, owner: Owner, limit: float) -> Notice | None:
        spawner = self._services.spawners.get(owner)
        text = await spawner.offer(limit) if spawner is not None else ""
        if not text:
            return None
        self._services.log.info("The GPU of %s is unused and is offered back", owner)
        # The id is of this one offer: who hid an earlier one sees it again.
        return Notice(f"gpu-{secrets.token_hex(8)}", text, "info", action="cpu")
