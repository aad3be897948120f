"""The console as one ASGI application: its parts put together, and what goes wrong in words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from console import api, pages, tus, uploads_api
from console.agent import Agent, AgentError
from console.bounded import Bounded
from console.builder import Builder
from console.changes import Changes
from console.checking import Checking
from console.datasets import Datasets
from console.desk import Desk
from console.environments import Environments
from console.guard import (
    HEADER,
    ForbiddenError,
    Guard,
    NotSignedInError,
    OldPageError,
    sign_in_path,
)
from console.hub import HubError
from console.incoming import Incoming
from console.kept import MOST_SENT
from console.lessons import Lessons
from console.lookout import Lookout
from console.parts import Parts
from console.pruning import Pruning
from console.render import STATIC, Pages, in_words
from console.uploads import Uploads
from room.datasets.uploads import Limits
from room.said import said
from room.settings import Settings
from room.values import readable_size

log = logging.getLogger("console")

#: Nothing but our own files, no frame around us, and no address of ours told to others.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self'; "
    "script-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def make_app(
    desk: Desk,
    pages_: Pages,
    *,
    secure: bool = False,
    profiles: frozenset[str] = frozenset(),
    settings: Settings | None = None,
    agent: Agent | None = None,
    incoming: Path | None = None,
    builder: Builder | None = None,
) -> FastAPI:
    """Return the application, mounted at the path that the hub's proxy sends on.

    ``secure``: browsers reach the room over https only. ``profiles``: the short names of what can
    be started; none: they are not checked. ``settings``: room.yaml's, for what doctor's rules say.
    Without ``agent`` nothing is published from here, without ``builder`` nothing is built.
    ``incoming``: where uploads are put; without it nothing is uploaded.
    """
    settings = settings or Settings()
    prefix = pages_.prefix
    guard = Guard(desk, prefix, secure=secure)
    datasets = Datasets(desk, agent, settings.datasets.rules)
    titles = {str(p["slug"]): str(p["display_name"]) for p in settings.profile_list(has_gpus=True)}
    lessons = Lessons(desk, titles, settings.address)
    limits = Limits(settings.datasets.uploads, settings.datasets.upload_days)
    uploads = Uploads(datasets, Incoming(incoming) if incoming is not None else None, limits)
    environments = Environments(desk, builder)
    checking = Checking(agent, desk) if agent is not None else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with _looking(datasets.announcer, checking, environments.lookout):
            yield
        for each in (desk.hub, agent, builder):
            if each is not None:
                await each.close()

    app = FastAPI(
        title="Torchroom console",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{prefix}api/openapi.json",
        lifespan=lifespan,
    )
    app.state.parts = Parts(
        desk=desk,
        guard=guard,
        pages=pages_,
        changes=Changes(desk, profiles),
        settings=settings,
        datasets=datasets,
        pruning=Pruning(desk, agent),
        checking=checking,
        lessons=lessons,
        uploads=uploads,
        environments=environments,
    )
    app.mount(f"{prefix}static", StaticFiles(directory=STATIC))
    app.include_router(pages.router(prefix))
    app.include_router(api.router(prefix))
    app.include_router(uploads_api.files(prefix, uploads))

    @app.get(f"{prefix}healthz", include_in_schema=False)
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    # Below the other one, which reads in a task of its own: an error would come out of it wrapped.
    app.add_middleware(
        Bounded, most=MOST_SENT, longer={uploads_api.files_prefix(prefix): tus.CHUNK}
    )

    @app.middleware("http")
    async def headers(
        request: Request, go_on: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        answer = await go_on(request)
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        if request.url.path.startswith(f"{prefix}static/"):
            answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer

    _errors(app)
    return app


@asynccontextmanager
async def _looking(*lookouts: Lookout | None) -> AsyncIterator[None]:
    """Look at what the agent has done, for as long as the console runs."""
    tasks = [asyncio.create_task(each.run()) for each in lookouts if each is not None]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _errors(app: FastAPI) -> None:
    """Answer each kind of failure: a page for people, one shape of JSON for programs."""

    @app.exception_handler(NotSignedInError)
    async def not_signed_in(request: Request, error: NotSignedInError) -> Response:
        parts: Parts = app.state.parts
        prefix = parts.pages.prefix
        # Where there is nothing to send again there is nothing to see, either.
        path = request.url.path if request.method == "GET" else prefix
        then = sign_in_path(prefix, path, error.kept)
        if _is_api(request):
            return _refused(401, "not-signed-in", "Sign in, or send a token of the hub.")
        if "hx-request" in request.headers:
            # htmx follows it with the whole page.
            return Response(status_code=401, headers={"HX-Redirect": then})
        return RedirectResponse(then, 303)

    @app.exception_handler(ForbiddenError)
    async def forbidden(request: Request, _error: ForbiddenError) -> Response:
        return _answer(request, 404, "not-here", "There is no such page, or it is not yours.")

    @app.exception_handler(404)
    async def not_found(request: Request, _error: Any) -> Response:
        return _answer(request, 404, "not-here", "There is no such page, or it is not yours.")

    @app.exception_handler(OldPageError)
    async def old_page(request: Request, _error: OldPageError) -> Response:
        words = "This page is too old. Reload it and try again."
        return _answer(request, 403, "old-page", words)

    @app.exception_handler(HubError)
    async def hub_failed(request: Request, error: HubError) -> Response:
        return _answer(request, 503, "hub", error.words)

    @app.exception_handler(AgentError)
    async def agent_failed(request: Request, error: AgentError) -> Response:
        return _answer(request, 503, "agent", error.words)

    @app.exception_handler(413)
    async def too_long(request: Request, _error: Any) -> Response:
        words = said(
            "This is more than the %(most)s that can be sent at once. Send it in parts.",
            most=readable_size(MOST_SENT),
        )
        return _answer(request, 413, "too-long", words)

    @app.exception_handler(507)
    async def full(request: Request, error: Any) -> Response:
        return _answer(request, 507, "full", error.detail)

    @app.exception_handler(409)
    async def refused(request: Request, error: Any) -> Response:
        return _answer(request, 409, "refused", error.detail)

    @app.exception_handler(RequestValidationError)
    async def not_understood(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return _answer(request, 422, "not-understood", f"{place}: {first['msg']}")

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        words = "That did not work. Try again; if it happens again, tell the admin."
        return _answer(request, 500, "unforeseen", words)

    def _answer(request: Request, status: int, reason: str, words: str) -> Response:
        parts: Parts = app.state.parts
        if _is_api(request):
            # What a page's own script asks is shown to who reads the page.
            own = HEADER in request.headers
            told = in_words(words, parts.pages.language_of(request)) if own else words
            return _refused(status, reason, told)
        return parts.pages.page(request, "error.html", status, message=words, visit=None)

    def _is_api(request: Request) -> bool:
        parts: Parts = app.state.parts
        return request.url.path.startswith(f"{parts.pages.prefix}api/")


def _refused(status: int, reason: str, words: str) -> JSONResponse:
    """Return the one shape of an error: a word for programs, a sentence for people."""
    return JSONResponse({"error": {"reason": reason, "message": words}}, status)
