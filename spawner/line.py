"""Who waits for a GPU, as the hub tells of them: an admin of all, others of whom they may see."""

from __future__ import annotations

from typing import Any

from tornado import web

from room.gpus.events import Ticket
from room.gpus.forecast import Place
from room.gpus.ledger import moment
from room.gpus.state import State
from spawner.handlers import RoomAPIHandler
from spawner.services import Services
from spawner.spawner import RoomSpawner

#: Who may see what runs of somebody may see whether they wait.
SCOPE = "read:servers"


async def line(services: Services) -> list[dict[str, Any]]:
    """Return everyone who waits, in the order in which they will be served."""
    waiting = await services.waiting.tickets()
    places = await services.waiting.places()
    overdue = await services.store.run(services.broker.look, _overdue)
    found = (
        {**_ticket(each.ticket, places.get(each.ticket.id)), "overdue": each.ticket.id in overdue}
        for each in waiting
    )
    return sorted(found, key=lambda entry: entry["position"])


class LineHandler(RoomAPIHandler):
    """``GET room/line``: who waits, of those whose servers the asker may see, and of no other."""

    async def get(self) -> None:
        if SCOPE not in self.parsed_scopes:
            raise web.HTTPError(403)
        services = RoomSpawner(config=self.config, log=self.log).shared_services()
        found = [each for each in await line(services) if self._sees(each["user"])]
        self.say({"queue": found})

    def _sees(self, login: str) -> bool:
        user = self.find_user(login)
        return user is not None and bool(self.get_scope_filter(SCOPE)(user, kind="user"))


def _overdue(state: State) -> set[str]:
    return {ticket.id for ticket in state.tickets.values() if state.overdue(ticket)}


def _ticket(ticket: Ticket, place: Place | None) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "user": ticket.owner.user,
        "server": ticket.owner.server,
        "class": ticket.group,
        "request": str(ticket.request),
        "arrived": moment(ticket.arrived).isoformat(),
        "position": place.position if place else 0,
        "of": place.of if place else 0,
        "at": moment(place.at).isoformat() if place and place.at is not None else None,
        "basis": place.basis if place else "",
    }
