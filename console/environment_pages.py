"""The page of a class's environment: what holds, what is being built, and building another."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from console import guard
from console.agent import AgentError
from console.guard import ForbiddenError, Visit, require_act
from console.parts import Parts, parts_of
from room.environments.requirements import LONGEST
from room.said import reason


def add(made: APIRouter) -> None:
    """Add the pages to the console's."""

    async def visit_of(request: Request, name: str) -> tuple[Parts, Visit]:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        require_act(visit, "publish", name)
        return parts, visit

    async def page(
        request: Request, parts: Parts, visit: Visit, name: str, **more: Any
    ) -> Response:
        shown = await parts.environments.get(visit, name)
        return parts.pages.page(
            request,
            "environment.html",
            visit=visit,
            name=name,
            shown=shown,
            most=LONGEST,
            **{"said": "", "failed": "", "tried": shown.written, **more},
        )

    @made.get("/class/{name}/environment")
    async def environment(request: Request, name: str, said: str = "") -> Response:
        parts, visit = await visit_of(request, name)
        return await page(request, parts, visit, name, said=said)

    @made.get("/class/{name}/environment/rows")
    async def rows(request: Request, name: str) -> Response:
        """Return the part of the page that changes while one looks."""
        parts, visit = await visit_of(request, name)
        shown = await parts.environments.get(visit, name)
        if shown.builds is None:
            # What is shown stays until the agent is there again.
            return Response(status_code=204)
        return parts.pages.page(
            request, "environment_rows.html", visit=visit, name=name, shown=shown
        )

    @made.post("/class/{name}/environment")
    async def change(request: Request, name: str) -> Response:
        parts, visit = await visit_of(request, name)
        form = dict(await guard.fields(request))
        act, text = form.get("act", ""), form.get("requirements", "")
        try:
            said = await _act(parts, visit, name, act, form)
        except (ValueError, LookupError) as error:
            tried = {"tried": text} if act == "build" else {}
            return await page(request, parts, visit, name, failed=reason(error), **tried)
        except AgentError as error:
            tried = {"tried": text} if act == "build" else {}
            return await page(request, parts, visit, name, failed=error.words, **tried)
        return RedirectResponse(f"{request.url.path}?said={said}", 303)


async def _act(parts: Parts, visit: Visit, name: str, act: str, form: dict[str, str]) -> str:
    """Do what a form asks for; return which note says so."""
    environments = parts.environments
    if act == "build":
        await environments.build(visit, name, form.get("requirements", ""))
        return "building"
    if act == "cancel":
        await environments.cancel(visit, name, form.get("build", ""))
        return "cancelled"
    if act == "back":
        await environments.go_back(visit, name, _number(form.get("environment", "")))
        return "changed"
    if act == "off":
        await environments.switch_off(visit, name)
        return "changed"
    raise ForbiddenError


def _number(text: str) -> int:
    """Return an environment's number; 0, which none has, for what is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
