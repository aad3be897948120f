"""The admin's pages of people, rosters and classes, and of everything that was done."""

from __future__ import annotations

import csv
import io
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from console import guard
from console.desk import PAGE
from console.guard import ForbiddenError, Visit
from console.parts import Parts, admin_of
from console.register import Preview, Register, Sheet
from room.person import ChangedMeanwhileError, NoSuchPersonError
from room.said import reason, said
from room.sheet import harmless


def add(made: APIRouter) -> None:
    """Add the pages to the console's."""
    _everybody(made)
    _roster(made)
    _one(made)
    _audit(made)


async def _admin(request: Request) -> tuple[Parts, Visit, Register]:
    parts, visit = await admin_of(request)
    return parts, visit, Register(parts.desk)


def _everybody(made: APIRouter) -> None:
    @made.get("/admin/people")
    async def people(request: Request, q: str = "", page: int = 0, said: str = "") -> Response:
        return await _people(request, q, max(0, page), said=said)

    async def _people(request: Request, q: str, page: int, **more: Any) -> Response:
        parts, visit, register = await _admin(request)
        rows, count = await register.people(q, page)
        return parts.pages.page(
            request,
            "people.html",
            visit=visit,
            rows=rows,
            count=count,
            pages=-(-count // PAGE),
            query=q,
            page=page,
            classes=await register.classes(),
            **{"said": "", "failed": "", **more},
        )

    @made.post("/admin/classes/{name}")
    async def move(request: Request, name: str) -> Response:
        """Put a class away at the end of its term, or bring it back."""
        parts, visit, register = await _admin(request)
        act = dict(await guard.fields(request)).get("act", "")
        if act not in ("archive", "restore"):
            raise ForbiddenError
        try:
            await register.move(visit, name, act)  # type: ignore[arg-type]
        except (ValueError, LookupError) as error:
            return await _people(request, "", 0, failed=reason(error))
        return RedirectResponse(f"{parts.pages.prefix}admin/people?said={act}d", 303)


def _roster(made: APIRouter) -> None:
    @made.get("/admin/roster")
    async def empty(request: Request) -> Response:
        parts, visit, _register = await _admin(request)
        return _sheet(request, parts, visit, Sheet(""))

    @made.post("/admin/roster")
    async def show_or_do(request: Request) -> Response:
        """Show what a roster would change; with the code of what was shown, do exactly that."""
        parts, visit, register = await _admin(request)
        form = dict(await guard.fields(request))
        sheet = Sheet(
            form.get("roster", ""),
            form.get("class", ""),
            form.get("role", ""),
            form.get("until", ""),
        )
        failed = ""
        if form.get("code"):
            try:
                done = await register.take_over(visit, sheet, form["code"])
                return _sheet(request, parts, visit, Sheet(""), done=done)
            except ChangedMeanwhileError:
                failed = said(
                    "The roster would do something else by now than what was shown. Nothing was "
                    "changed; look again."
                )
            except ValueError as error:
                failed = reason(error)
        try:
            preview = await register.preview(visit, sheet)
        except ValueError as error:
            return _sheet(request, parts, visit, sheet, failed=reason(error))
        return _sheet(request, parts, visit, sheet, preview=preview, failed=failed)

    def _sheet(
        request: Request,
        parts: Parts,
        visit: Visit,
        sheet: Sheet,
        preview: Preview | None = None,
        **more: Any,
    ) -> Response:
        values = {"said": "", "failed": "", "done": None, **more}
        return parts.pages.page(
            request, "roster.html", visit=visit, sheet=sheet, preview=preview, **values
        )


def _one(made: APIRouter) -> None:
    async def show(request: Request, login: str, **more: Any) -> Response:
        parts, visit, register = await _admin(request)
        try:
            row = await register.person(login)
        except (NoSuchPersonError, ValueError):
            raise ForbiddenError from None
        return parts.pages.page(
            request, "person.html", visit=visit, row=row, **{"said": "", "failed": "", **more}
        )

    @made.get("/admin/people/{login}")
    async def person(request: Request, login: str, said: str = "") -> Response:
        return await show(request, login, said=said)

    @made.post("/admin/people/{login}")
    async def change(request: Request, login: str) -> Response:
        _parts, visit, register = await _admin(request)
        form = dict(await guard.fields(request))
        acts = {
            "end": lambda: register.end(visit, login, form.get("until", "")),
            "keep-out": lambda: register.keep_out(visit, login),
            "let-in": lambda: register.let_in(visit, login),
            "leave": lambda: register.withdraw(visit, login, form.get("class", "")),
            "enrol": lambda: register.enrol(
                visit, login, form.get("class", ""), form.get("role", ""), form.get("until", "")
            ),
        }
        act = acts.get(form.get("act", ""))
        if act is None:
            raise ForbiddenError
        try:
            await act()
        except NoSuchPersonError:
            raise ForbiddenError from None
        except (ValueError, LookupError) as error:
            return await show(request, login, failed=reason(error))
        return RedirectResponse(f"{request.url.path}?said=saved", 303)


def _audit(made: APIRouter) -> None:
    @made.get("/admin/audit")
    async def audit(request: Request, q: str = "", page: int = 0) -> Response:
        parts, visit, register = await _admin(request)
        rows, count = await register.audit(q, max(0, page))
        return parts.pages.page(
            request,
            "audit.html",
            visit=visit,
            rows=rows,
            query=q,
            page=max(0, page),
            pages=-(-count // PAGE),
        )

    @made.get("/admin/audit.csv")
    async def as_csv(request: Request, q: str = "") -> Response:
        _parts, _visit, register = await _admin(request)
        rows, _count = await register.audit(q, 0, None)
        text = io.StringIO()
        writer = csv.writer(text)
        names = ("at", "actor", "origin", "action", "subject", "detail", "old", "new")
        writer.writerow(names)
        for row in rows:
            cells = [row.at.isoformat(), *(getattr(row, name) or "" for name in names[1:])]
            writer.writerow([harmless(cell) for cell in cells])
        return Response(
            "\ufeff" + text.getvalue(),
            media_type="text/csv",
            headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
        )
