"""*My room*: what runs of one's own, what one has used, the home, the tokens, the limits."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from console import guard
from console.guard import Visit
from console.hub import HubError
from console.own import HomeNews, Token, new_token
from console.parts import Parts, parts_of
from console.usage_pages import first_day, read
from console.words import TOKEN_SCOPES
from room.said import reason
from room.used_table import Hours

#: Days over which one's own page says what one has used, today included.
SHOWN_DAYS = (1, 7, 30)


def add(made: APIRouter) -> None:
    """Add the pages to the console's."""

    @made.get("/")
    async def own_room(request: Request, said: str = "") -> Response:
        parts = parts_of(request)
        return await _page(request, parts, await parts.guard.visit(request), said=said)

    @made.get("/servers")
    async def servers(request: Request) -> Response:
        """Return the part of the page on what runs, which changes while one looks."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        try:
            found = await parts.desk.hub.own_servers(visit.token)
        except HubError:
            # What is shown stays until the hub is there again.
            return Response(status_code=204)
        return parts.pages.page(request, "own_servers.html", visit=visit, servers=found)

    @made.post("/stop")
    async def stop(request: Request) -> Response:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        form = dict(await guard.fields(request))
        await parts.changes.stop(visit, visit.viewer.login, form.get("server", ""))
        return RedirectResponse(f"{parts.pages.prefix}?said=stopped", 303)

    @made.post("/tokens")
    async def make_token(request: Request) -> Response:
        """Make a token and show it: this answer is the only place where it ever is."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        sent = await guard.fields(request)
        form = dict(sent)
        kinds = [value for name, value in sent if name == "may"]
        note, life = form.get("note", ""), form.get("life", "")
        tried = {"note": note, "life": life, "may": kinds}
        try:
            wanted = new_token(note, life, kinds)
            token = await parts.desk.hub.make_token(visit.token, visit.viewer.login, wanted)
        except ValueError as error:
            return await _page(request, parts, visit, token_failed=reason(error), tried=tried)
        return await _page(request, parts, visit, made=token)

    @made.post("/tokens/revoke")
    async def revoke(request: Request) -> Response:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        form = dict(await guard.fields(request))
        await parts.desk.hub.revoke(visit.token, visit.viewer.login, form.get("token", ""))
        if "hx-request" in request.headers:
            return await _page(request, parts, visit, said="revoked")
        return RedirectResponse(f"{parts.pages.prefix}?said=revoked", 303)


async def _page(request: Request, parts: Parts, visit: Visit, **more: Any) -> Response:
    who, desk = visit.viewer, parts.desk
    language = parts.pages.html_language_of(request)
    limits, meter, servers, home, tokens, hours, lessons = await asyncio.gather(
        desk.run(desk.limits, who.login, who.classes),
        desk.run(desk.meter, who.login, who.classes),
        desk.hub.own_servers(visit.token),
        _home(parts, visit, language),
        _tokens(parts, visit),
        _hours(parts, who.login),
        parts.lessons.own(visit),
    )
    return parts.pages.page(
        request,
        "room.html",
        visit=visit,
        limits=limits,
        meter=meter,
        servers=servers,
        news=home,
        tokens=tokens,
        own_hours=hours,
        lessons=lessons,
        link=parts.lessons.link,
        kinds=TOKEN_SCOPES,
        **{
            "said": "",
            "failed": "",
            "token_failed": "",
            "made": "",
            "tried": {"note": "", "life": "86400", "may": []},
            **more,
        },
    )


async def _home(parts: Parts, visit: Visit, language: str) -> HomeNews:
    """Return what is known of the home: the rest of the page waits for no agent."""
    try:
        return await parts.desk.hub.own_home(visit.token, language)
    except HubError:
        return HomeNews(silent=True)


async def _tokens(parts: Parts, visit: Visit) -> list[Token] | None:
    """Return the tokens; None: who asks may not see them."""
    try:
        return await parts.desk.hub.tokens(visit.token, visit.viewer.login)
    except HubError:
        return None


async def _hours(parts: Parts, login: str) -> list[tuple[int, Hours]]:
    """Return what somebody has used over so many days, today included."""
    days = await read(parts, first_day(parts, max(SHOWN_DAYS)), user=login)
    begins = {shown: first_day(parts, shown) for shown in SHOWN_DAYS}
    return [
        (shown, sum((hours for key, hours in days.items() if key[2] >= begin), Hours()))
        for shown, begin in begins.items()
    ]
