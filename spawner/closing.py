"""Ends the servers of those whose time in the room, or whose every class, is over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from room import access
from room.models import Owner
from room.people import People
from room.person import Everyone, Person
from spawner.keeper import EVERY, FAILURES
from spawner.services import Services


def over(people: Iterable[Person], now: datetime) -> set[str]:
    """Return the logins whose servers have to end. Pure.

    A revoked person's server is the admin's to stop: what it was revoked for may have to be seen.
    """
    return {
        person.login
        for person in people
        if access.closed(person, now) in ("expired", "classes-over")
    }


async def close_servers(services: Services, people: People) -> None:
    """Stop such servers, for as long as the hub runs; a whole class's at once."""
    everyone = Everyone(-1, ())
    closing: dict[Owner, asyncio.Task[None]] = {}
    while True:
        try:
            found = await services.store.run(people.everyone, everyone.revision)
        except FAILURES as error:
            services.log.warning("Could not look at whose access is over: %s", error)
            found = None
        everyone = found or everyone
        closing = {owner: task for owner, task in closing.items() if not task.done()}
        logins = over(everyone.people, people.clock())
        for owner, spawner in list(services.spawners.items()):
            if owner.user in logins and owner not in closing and _runs(services, spawner):
                closing[owner] = asyncio.ensure_future(_close(services, spawner))
        await asyncio.sleep(EVERY)


def _runs(services: Services, spawner: Any) -> bool:
    return bool(spawner.ready) and spawner.owner not in services.moving()


async def _close(services: Services, spawner: Any) -> None:
    try:
        await spawner.end_access()
    except FAILURES as error:
        services.log.warning("Could not end %s, whose access is over: %s", spawner.owner, error)
