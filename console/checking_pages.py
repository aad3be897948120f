"""Having a version read through: the form of a dataset's page, and as JSON."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from console import guard
from console.guard import ForbiddenError, Visit
from console.parts import Parts, parts_of


class VersionModel(BaseModel):
    version: Annotated[int, Field(ge=1, lt=10**9)]


def add(made: APIRouter) -> None:
    """Add the page's form to the console's."""

    @made.post("/verify/{name}")
    async def verify(request: Request, name: str) -> Response:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        text = dict(await guard.fields(request)).get("version", "")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        await _begin(parts, visit, name, number)
        return RedirectResponse(f"{parts.pages.prefix}datasets/{quote(name)}?said=reading", 303)


def add_api(made: APIRouter) -> None:
    """Add the same as JSON."""

    @made.post("/datasets/{name}/verify", status_code=202)
    async def verify(request: Request, name: str, wanted: VersionModel) -> dict[str, bool]:
        """Have a version read through; what came of it is in the dataset's versions then."""
        parts = parts_of(request)
        await _begin(parts, await parts.guard.visit(request), name, wanted.version)
        return {"reading": True}


async def _begin(parts: Parts, visit: Visit, name: str, number: int) -> None:
    if parts.checking is None:
        raise ForbiddenError
    await parts.checking.begin(visit, name, number)
