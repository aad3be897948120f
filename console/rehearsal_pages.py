"""A class's rehearsals and their reports, for its instructors and for admins."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from console.guard import ForbiddenError, Visit, require_act
from console.parts import Parts, parts_of
from room.rehearsal import seats
from room.rehearsal.figures import spread
from room.rehearsal.model import Rehearsal
from room.rehearsal.shelf import Shelf

#: A report brings its own style, and needs nothing else of anybody.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)


def add(made: APIRouter) -> None:
    """Add the pages to the console's."""

    @made.get("/class/{name}/rehearsals")
    async def rehearsals(request: Request, name: str) -> Response:
        parts, visit = await _staff(request, name)
        found = await parts.desk.run(_shelf(parts).all, name)
        return parts.pages.page(
            request, "rehearsals.html", visit=visit, name=name, rows=[_row(each) for each in found]
        )

    @made.get("/class/{name}/rehearsals/{identity}")
    async def report(request: Request, name: str, identity: str) -> Response:
        parts, _visit = await _staff(request, name)
        found = await _find(parts, name, identity)
        language = parts.pages.language_of(request)
        try:
            text = await parts.desk.run(_shelf(parts).report, found, language)
        except FileNotFoundError:
            raise ForbiddenError from None
        return HTMLResponse(text, headers={"Content-Security-Policy": POLICY})

    @made.get("/class/{name}/rehearsals/{identity}/figures.json")
    async def figures(request: Request, name: str, identity: str) -> Response:
        parts, _visit = await _staff(request, name)
        found = await _find(parts, name, identity)
        text = await parts.desk.run(_shelf(parts).figures, found)
        return Response(text, media_type="application/json")


async def _staff(request: Request, name: str) -> tuple[Parts, Visit]:
    """Return who asks, if they teach the class; for all others there is nothing here."""
    parts = parts_of(request)
    visit = await parts.guard.visit(request)
    require_act(visit, "start", name)
    return parts, visit


async def _find(parts: Parts, name: str, identity: str) -> Rehearsal:
    found: Rehearsal | None = await parts.desk.run(_shelf(parts).find, name, identity)
    if found is None:
        raise ForbiddenError
    return found


def _shelf(parts: Parts) -> Shelf:
    return Shelf(parts.settings.data_root / "state" / "rehearsals")


def _row(rehearsal: Rehearsal) -> dict[str, object]:
    """Return what the list shows of one."""
    begun = [each.start for each in rehearsal.students if each.start is not None]
    return {
        "it": rehearsal,
        "usable": spread(start.usable for start in begun),
        "memory": spread(each.peaks.memory for each in rehearsal.students),
        "failed": sum(not each.fine for each in rehearsal.students),
        "seats": seats.seats(rehearsal).count,
    }
