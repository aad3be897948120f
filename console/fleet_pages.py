"""The admin's pages on GPUs and on who waits for them. The hub changes what is to be changed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from console import guard
from console.fleet import MARKS, Fleet, Waiter, asked
from console.guard import Visit, require
from console.hub import HubError
from console.parts import Parts, admin_of
from room.said import reason, said
from room.settings import Queue
from room.values import format_duration

#: What may be done on the page of GPUs, and the field that says to what.
ACTIONS = {**dict.fromkeys(MARKS, "unit"), "release": "lease"}
#: The limits that decide who of those that wait is served.
SHARES = ("priority", "gpus", "seats")
#: What ``queue`` in room.yaml says → what the page calls it.
RULES = {
    "max_wait": said("Goes first after"),
    "half_life": said("What was used counts half after"),
    "grace": said("A place is kept without a look at its page for"),
    "api_grace": said("The same for a program"),
    "give_up": said("Nobody waits longer than"),
}
_GONE = "That start does not wait any more: its turn came, or its owner left the queue."


def add(made: APIRouter) -> None:
    """Add the pages to the console's."""
    _gpus(made)
    _queue(made)


def _gpus(made: APIRouter) -> None:
    async def values(parts: Parts, visit: Visit) -> dict[str, Any]:
        fleet = await parts.desk.hub.fleet(visit.token)
        holders = {unit.user for unit in fleet.units if unit.user}
        return {"fleet": fleet, "meters": await parts.desk.run(parts.desk.meters_of, holders)}

    async def page(request: Request, parts: Parts, visit: Visit, **more: Any) -> Response:
        shown = {**await values(parts, visit), "said": "", "failed": "", **more}
        return parts.pages.page(request, "gpus.html", visit=visit, **shown)

    @made.get("/admin/gpus")
    async def gpus(request: Request, said: str = "") -> Response:
        parts, visit = await admin_of(request)
        return await page(request, parts, visit, said=said)

    @made.get("/admin/gpus/rows")
    async def rows(request: Request) -> Response:
        """Return the rows alone, which change while one looks."""
        parts, visit = await admin_of(request)
        try:
            shown = await values(parts, visit)
        except HubError:
            # What is shown stays until the hub is there again.
            return Response(status_code=204)
        return parts.pages.page(request, "gpu_rows.html", visit=visit, **shown)

    @made.post("/admin/gpus/grant")
    async def grant(request: Request) -> Response:
        """Give who runs on a unit an hour more, until their window ends."""
        parts, visit = await admin_of(request)
        user = dict(await guard.fields(request)).get("user", "")
        try:
            await parts.changes.grant(visit, f"user/{user}", "gpu_hours", "+1", "")
        except ValueError as error:
            return await page(request, parts, visit, failed=reason(error))
        return RedirectResponse(f"{parts.pages.prefix}admin/gpus?said=granted", 303)

    @made.post("/admin/gpus/{action}")
    async def act(request: Request, action: str) -> Response:
        parts, visit = await admin_of(request)
        require(action in ACTIONS)
        form = dict(await guard.fields(request))
        try:
            wanted = asked(action, form.get(ACTIONS[action], ""), form.get("why", ""))
            await parts.desk.hub.change_fleet(visit.token, wanted, visit.origin)
        except ValueError as error:
            return await page(request, parts, visit, failed=reason(error))
        return RedirectResponse(f"{parts.pages.prefix}admin/gpus?said={action}", 303)


def _queue(made: APIRouter) -> None:
    async def page(
        request: Request, parts: Parts, visit: Visit, found: Fleet, **more: Any
    ) -> Response:
        waiting = {each.class_name for each in found.queue if each.class_name}
        return parts.pages.page(
            request,
            "queue.html",
            visit=visit,
            fleet=found,
            columns=SHARES,
            rules=_rules(parts.settings.gpus.queue),
            shares=await parts.desk.run(parts.desk.class_rows, SHARES, waiting),
            **{"said": "", "failed": "", **more},
        )

    @made.get("/admin/queue")
    async def queue(request: Request, said: str = "") -> Response:
        parts, visit = await admin_of(request)
        found = await parts.desk.hub.fleet(visit.token)
        return await page(request, parts, visit, found, said=said)

    @made.get("/admin/queue/rows")
    async def rows(request: Request) -> Response:
        parts, visit = await admin_of(request)
        try:
            found = await parts.desk.hub.fleet(visit.token)
        except HubError:
            return Response(status_code=204)
        return parts.pages.page(request, "queue_rows.html", visit=visit, fleet=found)

    @made.get("/admin/queue/remove/{ticket}")
    async def ask(request: Request, ticket: str) -> Response:
        """Ask once more, on a page: whoever is taken out loses the place for good."""
        parts, visit = await admin_of(request)
        found = await parts.desk.hub.fleet(visit.token)
        waiter = _of(found, ticket)
        if waiter is None:
            return await page(request, parts, visit, found, failed=_GONE)
        return parts.pages.page(request, "queue_remove.html", visit=visit, waiter=waiter)

    @made.post("/admin/queue/remove/{ticket}")
    async def remove(request: Request, ticket: str) -> Response:
        parts, visit = await admin_of(request)
        try:
            wanted = asked("dequeue", ticket)
            await parts.desk.hub.change_fleet(visit.token, wanted, visit.origin)
        except ValueError as error:
            found = await parts.desk.hub.fleet(visit.token)
            return await page(request, parts, visit, found, failed=reason(error))
        return RedirectResponse(f"{parts.pages.prefix}admin/queue?said=dequeued", 303)


def _rules(queue: Queue) -> list[tuple[str, str, str]]:
    """Return what room.yaml says of the queue: in words, its value, and where it comes from."""
    return [
        (words, format_duration(getattr(queue, name)), _origin(name in queue.model_fields_set))
        for name, words in RULES.items()
    ]


def _origin(written: bool) -> str:
    return "room.yaml" if written else said("default")


def _of(fleet: Fleet, ticket: str) -> Waiter | None:
    return next((each for each in fleet.queue if each.ticket == ticket), None)
