"""Edit in place: a cell of the admin's table becomes a form, and a cell again.

Without a script the cell's link leads to the row's own page, which has the same form.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from console import cells, guard
from console.changes import Wanted
from console.guard import Visit, require
from console.parts import Parts, parts_of
from room.plans.keys import Key
from room.plans.model import Subject
from room.said import reason

_FROM_NEXT_START = "Changed. It holds from the next start on."
#: Limits that hold for what has begun, too → what is said of their change.
_HOLDS = {"priority": "Changed. It holds for those who wait, too."}


def add(made: APIRouter) -> None:
    """Add the cells to the console's pages."""

    @made.get("/admin/cell/{kind}/{name}/{limit}")
    async def edit(request: Request, kind: str, name: str, limit: str) -> Response:
        parts, visit, whose, key = await _asked(request, kind, name, limit)
        if "hx-request" not in request.headers:
            return RedirectResponse(f"{_row(parts, whose)}#rule-{key.name}", 303)
        return await _cell(request, parts, visit, whose, key, edited=True)

    @made.get("/admin/cell/{kind}/{name}/{limit}/shown")
    async def shown(request: Request, kind: str, name: str, limit: str) -> Response:
        parts, visit, whose, key = await _asked(request, kind, name, limit)
        return await _cell(request, parts, visit, whose, key)

    @made.post("/admin/cell/{kind}/{name}/{limit}")
    async def save(request: Request, kind: str, name: str, limit: str) -> Response:
        parts, visit, whose, key = await _asked(request, kind, name, limit)
        form = dict(await guard.fields(request))
        value, until = form.get("value", ""), form.get("until", "")
        wanted = Wanted(
            str(whose), key.name, value, until if value.strip() else "", form.get("seen")
        )
        by_script = "hx-request" in request.headers
        try:
            await parts.changes.set(visit, [wanted])
        except ValueError as error:
            if not by_script:
                # It was kept when the session ended, and is sent from a page of its own.
                return parts.pages.page(
                    request, "error.html", 409, message=reason(error), visit=visit
                )
            tried = {"tried": value, "tried_until": until, "failed": reason(error)}
            return await _cell(request, parts, visit, whose, key, edited=True, **tried)
        if not by_script:
            return RedirectResponse(f"{_row(parts, whose)}?said=changed", 303)
        answer = await _cell(request, parts, visit, whose, key)
        said = parts.pages.words(request, _HOLDS.get(key.name, _FROM_NEXT_START))
        # A class's limits are those of its people, whose cells are on the page, too.
        told = {"plan-changed": {"said": said, "others": whose.kind == "class"}}
        answer.headers["HX-Trigger"] = json.dumps(told)
        return answer


async def _asked(
    request: Request, kind: str, name: str, limit: str
) -> tuple[Parts, Visit, Subject, Key]:
    parts = parts_of(request)
    visit = await parts.guard.visit(request)
    require(visit.viewer.admin)
    found = cells.place(kind, name, limit)
    if found is None:
        raise guard.ForbiddenError
    return parts, visit, *found


async def _cell(
    request: Request, parts: Parts, visit: Visit, whose: Subject, key: Key, **more: Any
) -> Response:
    cell = await parts.desk.run(cells.find, parts.desk, whose, key)
    return parts.pages.page(
        request,
        "cell.html",
        visit=visit,
        cell=cell,
        **{"edited": False, "failed": "", "tried": None, "tried_until": None, **more},
    )


def _row(parts: Parts, whose: Subject) -> str:
    return f"{parts.pages.prefix}admin/limits/{whose.kind}/{quote(whose.name, safe='')}"
