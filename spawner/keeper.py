"""What the room does by itself: starts again what its own end cut short, and ends leases."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from urllib.parse import quote

import aiohttp
from jupyterhub.httpclient import fetch
from sqlalchemy.exc import SQLAlchemyError

from engine.client import EngineRefusedError, EngineUnavailableError
from room.models import Lease, Owner
from spawner.services import Services

#: Seconds between two looks at which leases are over.
EVERY = 5.0


def over(lease: Lease, now: datetime) -> bool:
    """Say whether a server has to end because its lease does."""
    return lease.ready_at is not None and lease.ends_at is not None and lease.ends_at <= now


async def end_leases(services: Services) -> None:
    """Stop servers whose leases are over, for as long as the hub runs."""
    ending: set[str] = set()
    while True:
        try:
            now = datetime.now(timezone.utc)
            leases = await services.store.run(services.broker.leases)
            ending &= {lease.id for lease in leases}
            for lease in leases:
                spawner = services.spawners.get(lease.owner)
                if over(lease, now) and lease.id not in ending and spawner is not None:
                    ending.add(lease.id)
                    await spawner.end_lease(lease)
        except (EngineUnavailableError, EngineRefusedError, SQLAlchemyError) as error:
            services.log.warning("Could not end a lease that is over: %s", error)
            ending.clear()
        await asyncio.sleep(EVERY)


async def resume(services: Services, start: Callable[[Owner], Awaitable[bool]]) -> None:
    """Once after the hub's start: let everyone with a place in the queue wait on.

    ``start`` asks for a server as its owner did; False means that it cannot be had any more.
    """
    await services.compared.wait()
    waiting = {each.ticket.owner: each.ticket.id for each in await services.waiting.tickets()}
    leases = await services.store.run(services.broker.leases)
    waiting |= {lease.owner: lease.id for lease in leases if lease.ready_at is None}
    for owner, ticket_id in waiting.items():
        if owner in services.starting:
            continue
        services.log.info("%s waited for a GPU when the hub ended: starting again", owner)
        if not await start(owner):
            services.log.warning("%s cannot be started any more: giving up its place", owner)
            await services.store.run(services.broker.leave, ticket_id)


def starter(api: str, token: str, log: logging.Logger) -> Callable[[Owner], Awaitable[bool]]:
    """Return what asks the hub at ``api`` for a server, with the options its owner chose last."""

    async def start(owner: Owner) -> bool:
        server = f"servers/{quote(owner.server, safe='')}" if owner.server else "server"
        url = f"{api}/users/{quote(owner.user, safe='')}/{server}"
        try:
            answer = await fetch(
                url,
                method="POST",
                headers={"Authorization": f"token {token}"},
                raise_for_status=False,
            )
        except aiohttp.ClientError as error:
            log.warning("The hub did not take the start of %s: %s", owner, error)
            return False
        # 400: it runs or starts already, which is as good.
        return answer.status < 300 or answer.status == 400

    return start
