"""What the room does by itself: starts again what its own end cut short, and ends servers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import aiohttp
from jupyterhub.httpclient import fetch
from sqlalchemy.exc import SQLAlchemyError

from engine.client import EngineRefusedError, EngineUnavailableError
from room.models import Owner
from spawner.services import Services
from spawner.sessions import End, end_of

#: The service of the hub as which the room itself asks it, and `room gpu` too.
NAME = "torchroom"
#: Seconds between two looks at whose time is over.
EVERY = 5.0
#: Seconds between two looks at what everyone has used, and may use by now.
BUDGETS_EVERY = 60.0
#: What may fail for a while, and is tried again.
FAILURES = (EngineUnavailableError, EngineRefusedError, SQLAlchemyError)


async def over(services: Services, now: datetime) -> list[tuple[Any, End]]:
    """Return the spawners of running servers whose time is over, each with the end it came to."""
    sessions, running = await services.sessions(), services.running()
    leases = {lease.owner: lease for lease in await services.store.run(services.broker.leases)}
    ends = (
        (
            spawner,
            end_of(leases.get(owner), sessions.get(owner), spawner.budget_end(leases.get(owner))),
        )
        for owner, spawner in running.items()
    )
    return [(spawner, end) for spawner, end in ends if end is not None and end.at <= now]


async def look_at_budgets(services: Services) -> None:
    """Find out for each user who holds GPUs when their budget ends that, as it is now."""
    holders = {lease.owner for lease in await services.store.run(services.broker.leases)}
    # One server of each user: the budget is the user's.
    spawners = {owner.user: each for owner, each in services.spawners.items() if owner in holders}
    for user in services.outlooks.keys() - spawners.keys():
        del services.outlooks[user]
    for spawner in spawners.values():
        await spawner.look_at_budget()


async def watch_budgets(services: Services) -> None:
    """Look at everyone's budget every minute, for as long as the hub runs."""
    while True:
        try:
            await look_at_budgets(services)
        except FAILURES as error:
            services.log.warning("Could not look at budgets: %s", error)
        await asyncio.sleep(BUDGETS_EVERY)


async def end_servers(services: Services) -> None:
    """Stop servers whose time is over, for as long as the hub runs; a whole class at once.

    It begins once the ledger and the engine's list were read: they say since when all run.
    """
    await services.compared.wait()
    ending: dict[Owner, asyncio.Task[None]] = {}
    while True:
        try:
            found = await over(services, datetime.now(timezone.utc))
        except FAILURES as error:
            services.log.warning("Could not look at whose time is over: %s", error)
            found = []
        ending = {owner: task for owner, task in ending.items() if not task.done()}
        for spawner, end in found:
            if spawner.owner not in ending:
                ending[spawner.owner] = asyncio.ensure_future(_end(services, spawner, end))
        await asyncio.sleep(EVERY)


async def _end(services: Services, spawner: Any, end: End) -> None:
    try:
        await spawner.end_over(end)
    except FAILURES as error:
        services.log.warning("Could not end %s, whose time is over: %s", spawner.owner, error)


async def resume(services: Services, start: Callable[[Owner], Awaitable[bool]]) -> None:
    """Once after the hub's start: let everyone wait on who has a place in the queue.

    ``start`` asks for a server as its owner did; False means that it cannot be had any more.
    """
    await services.compared.wait()
    waiting = {each.ticket.owner: each.ticket.id for each in await services.waiting.tickets()}
    for lease in await services.store.run(services.broker.leases):
        spawner = services.spawners.get(lease.owner)
        if lease.ready_at is not None:
            continue
        if spawner is not None and spawner.ready:
            # It came up while the hub was away: its time runs, and its end frees its GPUs at once.
            await services.store.run(services.broker.ready, lease.id)
        else:
            waiting[lease.owner] = lease.id
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
