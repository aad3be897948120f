"""Login slips: choose who of a class gets a new link, then a page of cards to print."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from console import guard
from console.guard import ForbiddenError, Visit, require_act
from console.parts import Parts, admin_of, parts_of
from room.people import People
from room.person import Person
from room.plans import until
from room.said import reason
from room.slips import Slip, by_admin, by_staff, card, members, picked


def add(made: APIRouter) -> None:
    """Add the pages to the console's."""
    _of_class(made)
    _of_one(made)


def _of_class(made: APIRouter) -> None:
    async def choose(
        request: Request,
        parts: Parts,
        visit: Visit,
        name: str,
        who: list[str] | None = None,
        ends: str = "",
        failed: str = "",
    ) -> Response:
        everybody = await parts.desk.run(parts.desk.people.all, name)
        people = _eligible(everybody, visit, name, parts.desk.plans.clock())
        return parts.pages.page(
            request,
            "slips.html",
            visit=visit,
            name=name,
            people=people,
            # Who has a link already needs no other.
            ticked=[each.login for each in people if not each.links] if who is None else who,
            until=ends,
            said="",
            failed=failed,
        )

    @made.get("/class/{name}/slips")
    async def show(request: Request, name: str) -> Response:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        require_act(visit, "link", name)
        return await choose(request, parts, visit, name)

    @made.post("/class/{name}/slips")
    async def make(request: Request, name: str) -> Response:
        """Make the links and show them: this answer is the only place where they ever are."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        require_act(visit, "link", name)
        sent = await guard.fields(request)
        who = [value for field, value in sent if field == "who"]
        ends = dict(sent).get("until", "")
        try:
            slips = await parts.desk.run(_make, parts, visit, name, who, ends)
        except ValueError as error:
            return await choose(request, parts, visit, name, who, ends, reason(error))
        return _cards(request, parts, visit, name, slips)


def _of_one(made: APIRouter) -> None:
    @made.post("/admin/people/{login}/slip")
    async def make(request: Request, login: str) -> Response:
        """Make a link of somebody's, who may be in no class."""
        parts, visit = await admin_of(request)
        try:
            slips = await parts.desk.run(_make, parts, visit, "", [login], "")
        except ValueError:
            raise ForbiddenError from None
        return _cards(request, parts, visit, "", slips)


def _cards(
    request: Request, parts: Parts, visit: Visit, name: str, slips: tuple[Slip, ...]
) -> Response:
    return parts.pages.page(request, "slip_cards.html", visit=visit, name=name, slips=slips)


def _make(parts: Parts, visit: Visit, name: str, logins: list[str], ends: str) -> tuple[Slip, ...]:
    """Make the links in one transaction, in which it is seen for whom they may be made."""
    desk = parts.desk
    now = desk.plans.clock()
    end = until.parse(ends, now, desk.plans.zone) if ends.strip() else None
    people = People(desk.store, desk.plans.clock, visit.viewer.login, visit.origin)
    made = people.give_links(
        lambda everybody: picked(_eligible(everybody, visit, name, now), logins),
        life=None if end is None else end - now,
    )
    return tuple(card(person, token, parts.settings.address, now, end) for person, token in made)


def _eligible(people: list[Person], visit: Visit, name: str, now: datetime) -> tuple[Person, ...]:
    if not visit.viewer.admin:
        return by_staff(people, name, now)
    return by_admin(members(people, name, now) if name else people, now)
