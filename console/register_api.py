"""The JSON interface to people, rosters, and all that was done: an admin's alone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, Field

from console.guard import Visit
from console.parts import admin_of
from console.register import Register, Sheet
from room.changes import Change
from room.person import ChangedMeanwhileError

Word = Annotated[str, Field(max_length=255)]


class RosterModel(BaseModel):
    """A roster. With the code of a look at it exactly that is done; without one it is looked at."""

    roster: Annotated[str, Field(max_length=1024**2)]
    class_name: Word = ""
    role: Word = ""
    until: Word = ""
    code: Word = ""


def add(made: APIRouter) -> None:
    """Add it to the console's."""

    async def admin(request: Request) -> tuple[Visit, Register]:
        parts, visit = await admin_of(request)
        return visit, Register(parts.desk)

    @made.get("/people")
    async def people(
        request: Request, q: Word = "", page: Annotated[int, Query(ge=0)] = 0
    ) -> dict[str, Any]:
        """Return a hundred people, also who is out, and how many there are in all."""
        _visit, register = await admin(request)
        rows, count = await register.people(q, page)
        return {
            "count": count,
            "people": [
                {
                    "login": row.person.login,
                    "name": row.person.name,
                    "admin": row.person.admin,
                    "classes": dict(row.classes),
                    "closed": row.closed,
                    "until": row.person.until and row.person.until.isoformat(),
                    "last_login": row.person.last_login_at and row.person.last_login_at.isoformat(),
                }
                for row in rows
            ],
        }

    @made.post("/roster")
    async def roster(request: Request, wanted: RosterModel) -> dict[str, Any]:
        """Look at what a roster would change, or, with the code of that look, do it."""
        visit, register = await admin(request)
        sheet = Sheet(wanted.roster, wanted.class_name, wanted.role, wanted.until)
        try:
            if wanted.code:
                done = await register.take_over(visit, sheet, wanted.code)
                return {"done": True, "changes": _changes(done.changes), "problems": [], "code": ""}
            seen = await register.preview(visit, sheet)
        except ChangedMeanwhileError as error:
            words = "The roster would do something else by now; nothing was changed. Look again."
            raise HTTPException(409, words) from error
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
        problems = [{"line": each.line, "message": str(each.message)} for each in seen.problems]
        changes = _changes(seen.changes)
        return {"done": False, "changes": changes, "problems": problems, "code": seen.code}

    @made.get("/audit")
    async def audit(
        request: Request, q: Word = "", page: Annotated[int, Query(ge=0)] = 0
    ) -> dict[str, Any]:
        """Return a hundred of the things that were done, newest first, and how many there are."""
        _visit, register = await admin(request)
        rows, count = await register.audit(q, page)
        names = ("id", "actor", "origin", "action", "subject", "detail", "old", "new")
        return {
            "count": count,
            "entries": [
                {"at": row.at.isoformat(), **{name: getattr(row, name) for name in names}}
                for row in rows
            ],
        }


def _changes(changes: tuple[Change, ...]) -> list[dict[str, Any]]:
    return [
        {
            "login": each.login,
            "kind": each.kind,
            "fields": [{"what": f.what, "old": f.old, "new": f.new} for f in each.fields],
        }
        for each in changes
    ]
