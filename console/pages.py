"""The console's pages. Each works without a script; with one, only what changed is sent."""

from __future__ import annotations

import csv
import io
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from console import (
    cell_pages,
    checking_pages,
    dataset_pages,
    doctor_pages,
    environment_pages,
    fleet_pages,
    guard,
    lesson_pages,
    own_pages,
    people_pages,
    rehearsal_pages,
    retired_pages,
    slip_pages,
    usage_pages,
)
from console.changes import Wanted
from console.desk import PAGE
from console.guard import SESSION, STATE, Visit, require_act
from console.hub import HubError
from console.kept import KEPT, MOST_OF_ONE
from console.parts import Parts, admin_of, parts_of
from console.viewer import who_of
from console.words import ACTS, FIELDS
from room.languages import COOKIE, LANGUAGES
from room.lessons.rules import makes
from room.plans import wording
from room.plans.model import Subject
from room.said import reason, said
from room.sheet import harmless
from room.values import readable_size

#: The limits that the admin's table shows; the others are on each one's own page.
COLUMNS = ("gpu_hours", "gpus", "memory", "cpu", "servers", "session")


def router(prefix: str) -> APIRouter:
    """Return the pages under the console's path."""
    made = APIRouter(prefix=prefix.rstrip("/"), include_in_schema=False)
    _signing_in(made)
    own_pages.add(made)
    dataset_pages.add(made)
    retired_pages.add(made)
    checking_pages.add(made)
    lesson_pages.add(made)
    _class(made)
    _admin(made)
    cell_pages.add(made)
    people_pages.add(made)
    slip_pages.add(made)
    rehearsal_pages.add(made)
    environment_pages.add(made)
    fleet_pages.add(made)
    usage_pages.add(made)
    doctor_pages.add(made)
    return made


def _signing_in(made: APIRouter) -> None:
    @made.get("/sign-in")
    async def sign_in(request: Request, then: str = "") -> Response:
        parts = parts_of(request)
        url, state = parts.guard.begin(then)
        answer = RedirectResponse(url, 303)
        answer.set_cookie(STATE, state, max_age=600, **_cookie(parts))
        return answer

    @made.get("/oauth_callback")
    async def finish(request: Request, code: str = "", state: str = "") -> Response:
        parts = parts_of(request)
        done = await parts.guard.finish(code, state, request.cookies.get(STATE, ""))
        if done is None:
            words = "This sign-in is too old, or was begun in another window. Try again."
            return parts.pages.page(request, "error.html", 400, message=words, visit=None)
        key, then = done
        answer = RedirectResponse(then, 303)
        answer.set_cookie(SESSION, key, **_cookie(parts))
        answer.delete_cookie(STATE, path=parts.pages.prefix)
        return answer

    @made.get("/again/{key}")
    async def again(request: Request, key: str) -> Response:
        """Show what was about to be sent when the session ended; nothing is sent by itself."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        kept = parts.guard.kept.get(key)
        if kept is None:
            words = said(
                "What was to be sent is not kept any more: it is for %(minutes)s minutes, and up "
                "to %(most)s of one person. Open the page and send it again.",
                minutes=round(KEPT / 60),
                most=readable_size(MOST_OF_ONE),
            )
            return parts.pages.page(request, "error.html", 404, message=words, visit=visit)
        return parts.pages.page(
            request, "again.html", visit=visit, kept=kept, fields=FIELDS, acts=ACTS
        )

    @made.get("/language/{language}")
    async def language(request: Request, language: str, then: str = "") -> Response:
        parts = parts_of(request)
        answer = RedirectResponse(parts.guard.own(then), 303)
        if language in LANGUAGES:
            # The hub's pages have the same cookie.
            answer.set_cookie(COOKIE, language, max_age=365 * 86400, path="/", samesite="lax")
        return answer


def _cookie(parts: Parts) -> dict[str, Any]:
    return guard.cookie(parts.guard.secure, parts.pages.prefix)


def _class(made: APIRouter) -> None:
    async def board(request: Request, name: str, visit: Visit, **more: Any) -> Response:
        parts = parts_of(request)
        pot, given = await parts.desk.run(parts.desk.pot, name)
        return parts.pages.page(
            request,
            "class.html",
            visit=visit,
            name=name,
            rows=await parts.desk.board(name),
            line=await parts.desk.class_line(name),
            pot=pot,
            given=given,
            may_give=visit.viewer.may("give", name),
            may_build=visit.viewer.may("publish", name),
            may_link=visit.viewer.may("link", name),
            may_rehearse=visit.viewer.may("start", name),
            may_teach=makes(who_of(visit.viewer), name),
            **{"said": "", "failed": "", **more},
        )

    @made.get("/class/{name}")
    async def show(request: Request, name: str, said: str = "") -> Response:
        visit = await parts_of(request).guard.visit(request)
        require_act(visit, "see", name)
        return await board(request, name, visit, said=said)

    @made.get("/class/{name}/queue")
    async def waiting(request: Request, name: str) -> Response:
        """Return who of the class waits, which changes while one looks."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        require_act(visit, "see", name)
        try:
            line = await parts.desk.class_line(name)
        except HubError:
            return Response(status_code=204)
        return parts.pages.page(request, "class_queue.html", visit=visit, name=name, line=line)

    @made.get("/class/{name}/students.csv")
    async def as_csv(request: Request, name: str) -> Response:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        require_act(visit, "see", name)
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(
            [
                "login",
                "name",
                "role",
                "running",
                "profile",
                "gpu_hours",
                "gpu_hours_used",
                "last_end",
            ]
        )
        for row in await parts.desk.board(name):
            running = [server.name or "default" for server in row.servers]
            profiles = [server.profile for server in row.servers]
            cells = [row.login, row.name, row.role, " ".join(running), " ".join(profiles)]
            cells += [row.gpu_hours, "" if row.meter is None else f"{row.meter.used:.2f}"]
            writer.writerow([harmless(cell) for cell in (*cells, row.last_end)])
        file = f'attachment; filename="{name}.csv"'
        return Response(
            "﻿" + text.getvalue(), media_type="text/csv", headers={"Content-Disposition": file}
        )

    @made.post("/class/{name}/stop")
    async def stop(request: Request, name: str) -> Response:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        require_act(visit, "stop", name)
        form = dict(await guard.fields(request))
        await parts.changes.stop(visit, form.get("user", ""), form.get("server", ""), name)
        return RedirectResponse(f"{parts.pages.prefix}class/{name}?said=stopped", 303)

    @made.post("/class/{name}/grant")
    async def grant(request: Request, name: str) -> Response:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        require_act(visit, "give", name)
        form = dict(await guard.fields(request))
        who = f"user/{form.get('user', '')}"
        try:
            await parts.changes.grant(
                visit, who, "gpu_hours", form.get("hours", ""), form.get("until", ""), name
            )
        except ValueError as error:
            return await board(request, name, visit, failed=reason(error))
        return RedirectResponse(f"{parts.pages.prefix}class/{name}?said=granted", 303)


def _admin(made: APIRouter) -> None:
    @made.get("/admin")
    async def plans(request: Request, q: str = "", page: int = 0, said: str = "") -> Response:
        parts, visit = await admin_of(request)
        return await _plans(request, parts, visit, q, max(0, page), said=said)

    async def _plans(
        request: Request, parts: Parts, visit: Visit, q: str, page: int, **more: Any
    ) -> Response:
        desk = parts.desk
        classes, people, count = await desk.run(desk.table, COLUMNS, q, page)
        return parts.pages.page(
            request,
            "admin.html",
            visit=visit,
            columns=COLUMNS,
            classes=classes,
            people=people,
            pages=-(-count // PAGE),
            query=q,
            page=page,
            **{"said": "", "failed": "", **more},
        )

    @made.post("/admin/bulk")
    async def bulk(request: Request) -> Response:
        """Set one limit of everybody who was ticked."""
        parts, visit = await admin_of(request)
        sent = await guard.fields(request)
        form = dict(sent)
        who = [value for name, value in sent if name == "who"]
        wanted = [
            Wanted(each, form.get("limit", ""), form.get("value", ""), form.get("until", ""))
            for each in who
        ]
        try:
            if not wanted:
                raise ValueError(said("nobody is ticked: tick classes or people in the table"))
            await parts.changes.set(visit, wanted)
        except ValueError as error:
            return await _plans(request, parts, visit, "", 0, failed=reason(error))
        return RedirectResponse(f"{parts.pages.prefix}admin?said=changed", 303)

    @made.get("/admin/limits/{kind}/{name}")
    async def limits(request: Request, kind: str, name: str, said: str = "") -> Response:
        parts, visit = await admin_of(request)
        return await _limits(request, parts, visit, kind, name, said=said)

    async def _limits(
        request: Request, parts: Parts, visit: Visit, kind: str, name: str, **more: Any
    ) -> Response:
        desk = parts.desk
        if kind == "class":
            rows = await desk.run(desk.class_limits, name)
        elif kind == "user":
            rows = await desk.run(desk.limits, name, await desk.run(desk.classes_of, name))
        else:
            raise guard.ForbiddenError
        history = await desk.run(desk.plans.history, [Subject(kind, name)], 20)  # type: ignore[arg-type]
        return parts.pages.page(
            request,
            "limits.html",
            visit=visit,
            kind=kind,
            name=name,
            rows=rows,
            history=[(entry, wording.change(entry, parts.pages.zone)) for entry in history],
            **{"said": "", "failed": "", "failed_limit": "", "tried": "", **more},
        )

    @made.post("/admin/limits/{kind}/{name}")
    async def set_limit(request: Request, kind: str, name: str) -> Response:
        parts, visit = await admin_of(request)
        form = dict(await guard.fields(request))
        wanted = Wanted(
            f"{kind}/{name}",
            form.get("limit", ""),
            "" if "unset" in form else form.get("value", ""),
            form.get("until", ""),
            form.get("seen"),
        )
        failed = {"failed": "", "failed_limit": wanted.limit, "tried": wanted.value}
        try:
            await parts.changes.set(visit, [wanted])
        except ValueError as error:
            failed["failed"] = reason(error)
        if failed["failed"] or "hx-request" in request.headers:
            return await _limits(request, parts, visit, kind, name, **failed)
        return RedirectResponse(f"{request.url.path}?said=changed", 303)

    @made.get("/admin/history")
    async def history(request: Request, said: str = "") -> Response:
        parts, visit = await admin_of(request)
        return await _history(request, parts, visit, said=said)

    async def _history(request: Request, parts: Parts, visit: Visit, **more: Any) -> Response:
        found = await parts.desk.run(parts.desk.plans.history, None, 100)
        return parts.pages.page(
            request,
            "history.html",
            visit=visit,
            history=[(entry, wording.change(entry, parts.pages.zone)) for entry in found],
            **{"said": "", "failed": "", **more},
        )

    @made.post("/admin/undo")
    async def undo(request: Request) -> Response:
        parts, visit = await admin_of(request)
        form = dict(await guard.fields(request))
        try:
            await parts.changes.undo(visit, int(form.get("number", "0")))
        except (ValueError, LookupError) as error:
            return await _history(request, parts, visit, failed=reason(error))
        return RedirectResponse(f"{parts.pages.prefix}admin/history?said=undone", 303)
