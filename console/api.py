"""The JSON interface: behind the same rules as the pages, with one shape of error.

A program sends the hub's token (``Authorization: token …``); a page's script its cookie, and the
header ``X-CSRF-Token``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from console import (
    checking_pages,
    datasets_api,
    doctor_pages,
    environments_api,
    fleet_api,
    lessons_api,
    register_api,
    retired_pages,
    uploads_api,
)
from console.changes import Wanted
from console.desk import LimitRow
from console.guard import Visit, require, require_act
from console.own import HomeNews, OwnServer
from console.parts import Parts, in_words, parts_of
from console.usage_pages import first_day, read
from room.used import Day
from room.used_table import Hours

Word = Annotated[str, Field(max_length=255)]


class LimitModel(BaseModel):
    """A limit: its value as people write it, and why it holds."""

    name: str
    value: str
    origin: str


class SetModel(BaseModel):
    """A limit to be set. Without a value what was set is taken away."""

    who: Word
    limit: Word
    value: Annotated[str, Field(max_length=2000)] = ""
    until: Word = ""
    #: What stood there when it was looked at, with its end if it has one (2 until 2026-12-18), and
    #: empty for nothing; left out: whatever it is.
    seen: str | None = None


class ChangesModel(BaseModel):
    """Limits to be set, all of them or none. ``behalf``: the class whose instructor asks."""

    limits: Annotated[list[SetModel], Field(min_length=1, max_length=2000)]
    behalf: Word = ""


class UsageModel(BaseModel):
    """Hours of a user for a class on a day. ``unseen``: hours in which memory was not seen."""

    day: date
    class_name: str
    login: str
    gpu_hours: float
    cpu_hours_used: float
    cpu_hours_reserved: float
    gib_hours_used: float
    gib_hours_reserved: float
    hours_unseen: float


class GrantModel(BaseModel):
    """More of a limit, until some time."""

    who: Word
    limit: Word = "gpu_hours"
    amount: Word
    until: Word = ""
    behalf: Word = ""


class Problem(BaseModel):
    """Why something was refused: a word for programs, a sentence for people."""

    reason: str
    message: str


class Refused(BaseModel):
    error: Problem


#: The one shape of an error, as the interface's description has it.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused} for status in (401, 403, 404, 409, 422, 503)
}


def router(prefix: str) -> APIRouter:
    """Return the JSON interface under the console's path."""
    made = APIRouter(prefix=f"{prefix}api", tags=["console"], responses=ERRORS)

    async def visit_of(request: Request) -> tuple[Parts, Visit]:
        parts = parts_of(request)
        return parts, await parts.guard.visit(request)

    @made.get("/me")
    async def me(request: Request) -> dict[str, Any]:
        """Return who asks, and each of their limits."""
        parts, visit = await visit_of(request)
        who = visit.viewer
        rows = await parts.desk.run(parts.desk.limits, who.login, who.classes)
        meter = await parts.desk.run(parts.desk.meter, who.login, who.classes)
        return {
            "login": who.login,
            "admin": who.admin,
            "classes": list(who.classes),
            "staff": dict(who.staff),
            "limits": [_limit(row) for row in rows],
            "gpu_hours": meter
            and {
                "used": round(meter.used, 4),
                "hours": meter.hours,
                "resets": meter.resets_at and meter.resets_at.isoformat(),
            },
        }

    @made.get("/me/servers")
    async def own_servers(request: Request) -> list[OwnServer]:
        """Return what runs of who asks, until when, and on which units."""
        parts, visit = await visit_of(request)
        return await parts.desk.hub.own_servers(visit.token)

    @made.get("/me/home")
    async def own_home(request: Request) -> HomeNews:
        """Return what fills the home of who asks. Sizes in bytes; a limit of 0 is none."""
        parts, visit = await visit_of(request)
        return await parts.desk.hub.own_home(visit.token, parts.pages.html_language_of(request))

    @made.get("/me/usage")
    async def own_usage(request: Request, days: int = 7) -> list[UsageModel]:
        """Return what who asks has used, by class and day: so many days, today included."""
        parts, visit = await visit_of(request)
        return _usage(await read(parts, first_day(parts, days), user=visit.viewer.login))

    @made.get("/usage")
    async def usage(request: Request, days: int = 7) -> list[UsageModel]:
        """Return what everybody has used, by class and day."""
        parts, visit = await visit_of(request)
        require(visit.viewer.admin)
        return _usage(await read(parts, first_day(parts, days)))

    @made.get("/classes/{name}/usage")
    async def class_usage(request: Request, name: str, days: int = 7) -> list[UsageModel]:
        """Return what was used for a class, by user and day."""
        parts, visit = await visit_of(request)
        require_act(visit, "see", name)
        return _usage(await read(parts, first_day(parts, days), group=name))

    @made.get("/limits/{kind}/{name}")
    async def limits(request: Request, kind: str, name: str) -> list[LimitModel]:
        """Return the limits of a class or a user."""
        parts, visit = await visit_of(request)
        desk = parts.desk
        if kind == "class":
            require_act(visit, "see", name)
            rows = await desk.run(desk.class_limits, name)
        else:
            classes = await desk.run(desk.classes_of, name)
            seen = visit.viewer.admin or name == visit.viewer.login
            require(kind == "user" and (seen or any(visit.viewer.may("see", c) for c in classes)))
            rows = await desk.run(desk.limits, name, classes)
        return [_limit(row) for row in rows]

    @made.post("/limits")
    async def change(request: Request, wanted: ChangesModel) -> dict[str, list[int]]:
        """Set limits; return the numbers of the changes in the history."""
        parts, visit = await visit_of(request)
        rows = [Wanted(**each.model_dump()) for each in wanted.limits]
        numbers = await in_words(parts.changes.set(visit, rows, wanted.behalf))
        return {"changes": list(numbers)}

    @made.post("/grants")
    async def grant(request: Request, wanted: GrantModel) -> dict[str, int]:
        """Give more of a limit; return the grant's number."""
        parts, visit = await visit_of(request)
        made = parts.changes.grant(
            visit, wanted.who, wanted.limit, wanted.amount, wanted.until, wanted.behalf
        )
        return {"grant": await in_words(made)}

    @made.post("/undo/{number}")
    async def undo(request: Request, number: int) -> dict[str, bool]:
        """Take a change of the history back."""
        parts, visit = await visit_of(request)
        await in_words(parts.changes.undo(visit, number))
        return {"undone": True}

    @made.get("/classes/{name}/students")
    async def students(request: Request, name: str) -> list[dict[str, Any]]:
        """Return who is in a class, and what of theirs runs."""
        parts, visit = await visit_of(request)
        require_act(visit, "see", name)
        return [
            {
                "login": row.login,
                "name": row.name,
                "role": row.role,
                "gpu_hours": row.gpu_hours,
                "gpu_hours_used": row.meter and round(row.meter.used, 4),
                "last_end": row.last_end,
                "servers": [
                    {
                        "name": server.name,
                        "ready": server.ready,
                        "pending": server.pending,
                        "profile": server.profile,
                        "started": server.started and server.started.isoformat(),
                    }
                    for server in row.servers
                ],
            }
            for row in await parts.desk.board(name)
        ]

    @made.get("/history")
    async def history(
        request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 50
    ) -> list[dict[str, Any]]:
        """Return the latest changes of plans, newest first."""
        parts, visit = await visit_of(request)
        require(visit.viewer.admin)
        found = await parts.desk.run(parts.desk.plans.history, None, limit)
        return [
            {
                "id": entry.id,
                "at": entry.at.isoformat(),
                "actor": entry.actor,
                "origin": entry.origin,
                "action": entry.action,
                "subject": str(entry.subject),
                "limit": entry.key,
                "old": entry.old,
                "new": entry.new,
                "undoes": entry.undoes,
            }
            for entry in found
        ]

    register_api.add(made)
    datasets_api.add(made)
    retired_pages.add_api(made)
    checking_pages.add_api(made)
    lessons_api.add(made)
    uploads_api.add(made)
    environments_api.add(made)
    fleet_api.add(made)
    doctor_pages.add_api(made)
    return made


def _limit(row: LimitRow) -> LimitModel:
    return LimitModel(name=row.name, value=row.value, origin=row.origin)


def _usage(days: Mapping[Day, Hours]) -> list[UsageModel]:
    return [
        UsageModel(
            day=day,
            class_name=group,
            login=login,
            gpu_hours=hours.gpu,
            cpu_hours_used=hours.cpu,
            cpu_hours_reserved=hours.cpu_reserved,
            gib_hours_used=hours.memory,
            gib_hours_reserved=hours.memory_reserved,
            hours_unseen=max(0.0, hours.unseen),
        )
        for (login, group, day), hours in sorted(days.items(), key=lambda each: each[0][::-1])
    ]
