"""Removing the files of retired versions: from the page of datasets, and as JSON."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from console import guard
from console.parts import parts_of
from console.pruning import Removed

#: Days.
LONGEST = 36_500


class Older(BaseModel):
    """``days``: for how long versions have been retired at least."""

    days: Annotated[int, Field(ge=0, le=LONGEST)] = 30


class VersionModel(BaseModel):
    version: Annotated[int, Field(ge=1, lt=10**9)]


def add(made: APIRouter) -> None:
    """Add the page's form to the console's."""

    @made.post("/retired")
    async def remove(request: Request) -> Response:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        days = _number(dict(await guard.fields(request)).get("days", ""))
        removed = await parts.pruning.all(visit, timedelta(days=days))
        return RedirectResponse(f"{parts.pages.prefix}datasets?said={_said(removed)}", 303)

    @made.post("/retired/{name}")
    async def remove_one(request: Request, name: str) -> Response:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        number = _number(dict(await guard.fields(request)).get("version", ""))
        removed = await parts.pruning.one(visit, name, number)
        there = f"{parts.pages.prefix}datasets/{quote(name)}"
        return RedirectResponse(f"{there}?said={_said(removed)}", 303)


def add_api(made: APIRouter) -> None:
    """Add the same as JSON."""

    @made.get("/retired")
    async def retired(request: Request) -> list[dict[str, Any]]:
        """Return the retired versions that still have files and that who asks may remove.

        ``size`` in bytes; what other versions have too is counted here, and stays.
        """
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        found = await parts.pruning.prunable(visit, timedelta(0))
        return [
            {
                "name": name,
                "version": version.number,
                "retired_at": version.retired_at,
                "size": version.size,
            }
            for name, version in found
        ]

    @made.post("/retired/remove")
    async def remove(request: Request, wanted: Older) -> dict[str, list[str]]:
        """Remove the files of what was retired so long ago and is not in use."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        return _told(await parts.pruning.all(visit, timedelta(days=wanted.days)))

    @made.post("/datasets/{name}/remove")
    async def remove_one(request: Request, name: str, wanted: VersionModel) -> dict[str, list[str]]:
        """Remove the files of one retired version."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        return _told(await parts.pruning.one(visit, name, wanted.version))


def _said(removed: Removed) -> str:
    return "kept" if removed.kept else "pruned"


def _told(removed: Removed) -> dict[str, list[str]]:
    return {
        "removed": [str(each) for each in removed.versions],
        "kept": [str(each) for each in removed.kept],
    }


def _number(text: str) -> int:
    """Return a number; what is none is more than any version's, and longer ago than any day."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else LONGEST
