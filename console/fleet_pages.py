"""The admin's pages on GPUs and on who waits for them. The hub changes what is to be changed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from console import guard
from console.guard import Visit, require
from console.hub import HubError
from console.parts import Parts, admin_of
from room.said import reason

#: What may be done on the page of GPUs, and the field that says to what.
ACTIONS = {"drain": "unit", "undrain": "unit", "quarantine": "unit", "release": "lease"}


def add(made: APIRouter) -> None:
    """Add the pages to the console's."""

    async def page(request: Request, parts: Parts, visit: Visit, **more: Any) -> Response:
        found = await parts.desk.hub.fleet(visit.token)
        values = {"said": "", "failed": "", **more}
        return parts.pages.page(request, "gpus.html", visit=visit, fleet=found, **values)

    @made.get("/admin/gpus")
    async def gpus(request: Request, said: str = "") -> Response:
        parts, visit = await admin_of(request)
        return await page(request, parts, visit, said=said)

    @made.get("/admin/gpus/rows")
    async def rows(request: Request) -> Response:
        """Return the rows alone, which change while one looks."""
        return await _part(request, "gpu_rows.html")

    @made.get("/admin/queue")
    async def queue(request: Request) -> Response:
        parts, visit = await admin_of(request)
        found = await parts.desk.hub.fleet(visit.token)
        return parts.pages.page(request, "queue.html", visit=visit, fleet=found)

    @made.get("/admin/queue/rows")
    async def waiting(request: Request) -> Response:
        return await _part(request, "queue_rows.html")

    async def _part(request: Request, template: str) -> Response:
        parts, visit = await admin_of(request)
        try:
            found = await parts.desk.hub.fleet(visit.token)
        except HubError:
            # What is shown stays until the hub is there again.
            return Response(status_code=204)
        return parts.pages.page(request, template, visit=visit, fleet=found)

    @made.post("/admin/gpus/{action}")
    async def act(request: Request, action: str) -> Response:
        parts, visit = await admin_of(request)
        require(action in ACTIONS)
        form = dict(await guard.fields(request))
        subject = ACTIONS[action]
        body = {subject: form.get(subject, "")}
        if subject == "unit":
            body["why"] = form.get("why", "").strip()
        try:
            if action == "quarantine" and not body["why"]:
                raise ValueError("A quarantine needs a reason. Say what is wrong with the unit.")
            await parts.desk.hub.change_fleet(visit.token, action, body)
        except ValueError as error:
            return await page(request, parts, visit, failed=reason(error))
        return RedirectResponse(f"{parts.pages.prefix}admin/gpus?said={action}", 303)
