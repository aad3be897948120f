"""Looks for servers that nobody works in, tells their owners, and lets the idle culler end them.

The rule is ``room/idle.py``, the hand is ``jupyterhub-idle-culler``: it asks ``arbiter`` of each
server and stops those as JupyterHub's own Stop does. It runs in the hub's process, where what the
agent saw is, and only when somebody's time is up: at other times it would list everybody's
servers for nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from jupyterhub_idle_culler import cull_idle
from sqlalchemy.exc import SQLAlchemyError
from tornado.httpclient import HTTPClientError

from engine.client import EngineRefusedError, EngineUnavailableError
from room import idle as rule
from room.gpus.use import Use
from room.idle import Idle, Sample
from room.models import GPUUnit, Owner
from spawner import stages
from spawner.notices import Notice
from spawner.services import Services
from spawner.use_feed import UseFeed

#: Seconds between two looks.
EVERY = 5.0


class IdleWatch:
    """One of these per hub. The agent is asked only while somebody's plan has such a limit."""

    def __init__(
        self,
        services: Services,
        feed: UseFeed,
        api: str,
        token: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``api`` is the hub's API, and ``token`` one that may list and stop all servers."""
        self._services = services
        self._feed = feed
        self._api = api
        self._token = token
        self._clock = clock
        self._known: dict[Owner, Idle] = {}
        self._culling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Look again and again, for as long as the hub runs."""
        while True:
            try:
                await self.look()
            except (EngineUnavailableError, EngineRefusedError, SQLAlchemyError) as error:
                self._services.log.warning("Could not look at who is idle: %s", error)
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Judge every server that has a limit, and act on it."""
        limits = await self._limits()
        self._known = {owner: self._known.get(owner) or Idle(self._clock()) for owner in limits}
        if limits:
            await self._judge(limits)
        self._tell(limits)
        now = self._clock()
        due = any(rule.over(self._known[owner], now, limit) for owner, limit in limits.items())
        if due and (self._culling is None or self._culling.done()):
            self._culling = asyncio.ensure_future(self._cull())

    async def _limits(self) -> dict[Owner, float]:
        """Return the seconds after which each running server that has such a limit is idle."""
        sessions = await self._services.sessions()
        return {owner: each.idle for owner, each in sessions.items() if each.idle}

    async def _judge(self, limits: Mapping[Owner, float]) -> None:
        services = self._services
        leases = await services.store.run(services.broker.leases)
        units = services.broker.inventory.by_uuid()
        held = {
            lease.owner: [units[unit] for unit in lease.units if unit in units] for lease in leases
        }
        _, use = await self._feed.latest()
        for owner, limit in limits.items():
            sample = self._sample(owner, use, held.get(owner, []))
            self._known[owner] = rule.step(self._known[owner], sample, limit)

    def _sample(self, owner: Owner, use: Use, units: list[GPUUnit]) -> Sample:
        # Who has a GPU is not seen while the cards do not answer.
        blind = bool(units and use.problem)
        return Sample(
            self._clock(),
            self._services.touched_at(owner),
            None if blind else use.cpu.get(owner),
            rule.utilisation(use, owner, units),
        )

    def _tell(self, limits: Mapping[Owner, float]) -> None:
        """Let pages show the warnings that hold; one that is shown keeps its words."""
        services, before = self._services, self._services.idle_notices
        services.idle_notices = {
            owner: before.get(owner) or self._warn(owner, limit)
            for owner, limit in limits.items()
            if self._known[owner].warned is not None
        }

    def _warn(self, owner: Owner, limit: float) -> Notice:
        self._services.log.info("Server of %s is idle and is warned", owner)
        text = stages.idle_warning(limit, rule.warning(limit))
        # The id is of this one warning: who hid an earlier one sees it again.
        return Notice(f"idle-{secrets.token_hex(8)}", text, action="stay")

    async def _cull(self) -> None:
        """Let the culler go through the servers once.

        It sets how long the process's HTTP client waits where a request does not say it itself;
        all of ours do.
        """
        services = self._services
        try:
            await cull_idle(self._api, self._token, 0, services.log, cull_arbiter=self.arbiter)
        except (HTTPClientError, OSError) as error:
            services.log.warning("Could not end idle servers: %s; they are looked at anew", error)
        for spawner in list(services.spawners.values()):
            # One that could not be stopped may be stopped by somebody else, for another reason.
            if spawner.ready and not spawner.pending:
                spawner.culled = False

    def arbiter(self, *, inactive: timedelta | None, server: Mapping[str, Any], **_: Any) -> bool:
        """Say whether the culler ends a server now: as known at this moment, not at the last look.

        ``inactive`` is how long JupyterHub has heard nothing of it; ``server`` is its API's model.
        """
        owner = Owner(server["full_name"].removesuffix(f"/{server['name']}"), server["name"])
        idle, spawner = self._known.get(owner), self._services.spawners.get(owner)
        session = spawner.known_session if spawner is not None else None
        if idle is None or session is None or not session.idle:
            return False
        now = self._clock()
        heard = now - inactive.total_seconds() if inactive is not None else 0.0
        idle = rule.touch(idle, max(heard, self._services.touched_at(owner) or 0.0))
        if not rule.over(idle, now, session.idle):
            return False
        spawner.end_idle(session.idle)
        return True
