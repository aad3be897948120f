"""What was used: a class's people, or everybody, over some days, on a page and as CSV."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from console.guard import Visit, require_act
from console.parts import Parts, admin_of, parts_of
from room import used_table
from room.sheet import harmless
from room.used import Day
from room.used_table import Hours

#: Days that a page can go back, today included.
PERIODS = (1, 7, 30, 365)


def add(made: APIRouter) -> None:
    """Add the pages to the console's."""

    async def page(request: Request, visit: Visit, days: int, group: str | None) -> Response:
        parts = parts_of(request)
        days = days if days in PERIODS else 7
        found = await read(parts, first_day(parts, days), group=group)
        users = used_table.by_user(found)
        people = await parts.desk.run(parts.desk.people.all)
        return parts.pages.page(
            request,
            "usage.html",
            visit=visit,
            group=group,
            days=days,
            periods=PERIODS,
            rows=sorted(users.items()),
            whole=sum(users.values(), Hours()),
            names={person.login: person.name for person in people},
        )

    @made.get("/class/{name}/usage")
    async def of_class(request: Request, name: str, days: int = 7) -> Response:
        visit = await parts_of(request).guard.visit(request)
        require_act(visit, "see", name)
        return await page(request, visit, days, name)

    @made.get("/class/{name}/usage.csv")
    async def class_csv(request: Request, name: str, days: int = 7) -> Response:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        require_act(visit, "see", name)
        return _csv(
            await read(parts, first_day(parts, days), group=name), f"{quote(name)}-usage.csv"
        )

    @made.get("/admin/usage")
    async def of_all(request: Request, days: int = 7) -> Response:
        _parts, visit = await admin_of(request)
        return await page(request, visit, days, None)

    @made.get("/admin/usage.csv")
    async def all_csv(request: Request, days: int = 7) -> Response:
        parts, _visit = await admin_of(request)
        return _csv(await read(parts, first_day(parts, days)), "usage.csv")


def first_day(parts: Parts, days: int) -> date:
    """Return the first of so many days that end today."""
    plans = parts.desk.plans
    today = plans.clock().astimezone(plans.zone).date()
    return today - timedelta(days=max(1, min(days, PERIODS[-1])) - 1)


async def read(
    parts: Parts, since: date, *, user: str | None = None, group: str | None = None
) -> dict[Day, Hours]:
    """Return what was used from a day on, by user, class and day."""
    plans = parts.desk.plans

    def ask() -> dict[Day, Hours]:
        with parts.desk.store.read() as connection:
            return used_table.by_day(
                connection, plans.clock(), plans.zone, since=since, user=user, group=group
            )

    return await parts.desk.run(ask)  # type: ignore[no-any-return]


def _csv(days: dict[Day, Hours], name: str) -> Response:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["Day", "Class", "User", *used_table.COLUMNS])
    for day, group, who in sorted((day, group, who) for who, group, day in days):
        writer.writerow(
            [
                day,
                harmless(group),
                harmless(who),
                *days[who, group, day].cells(used_table.CSV_DIGITS),
            ]
        )
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response("\ufeff" + text.getvalue(), media_type="text/csv", headers=headers)
