"""The pages of a class's lessons: the links there are, the builder of one, and changing one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from console import guard
from console.guard import ForbiddenError, Visit
from console.lessons import Fields, fields_of
from console.parts import Parts, parts_of
from room.said import reason


def add(made: APIRouter) -> None:
    """Add the pages to the console's."""
    _list(made)
    _one(made)


async def _visit(request: Request) -> tuple[Parts, Visit]:
    parts = parts_of(request)
    return parts, await parts.guard.visit(request)


def _list(made: APIRouter) -> None:
    async def show(
        request: Request, parts: Parts, visit: Visit, name: str, **more: Any
    ) -> Response:
        lessons = parts.lessons
        return parts.pages.page(
            request,
            "class_lessons.html",
            visit=visit,
            name=name,
            found=await lessons.of(visit, name),
            link=lessons.link,
            choices=await lessons.choices(name),
            default=await lessons.default(name),
            **{"said": "", "failed": "", "tried": Fields(), **more},
        )

    @made.get("/class/{name}/lessons")
    async def lessons(request: Request, name: str, said: str = "") -> Response:
        parts, visit = await _visit(request)
        return await show(request, parts, visit, name, said=said)

    @made.post("/class/{name}/lessons")
    async def add_one(request: Request, name: str) -> Response:
        parts, visit = await _visit(request)
        fields = _fields(await guard.fields(request))
        try:
            await parts.lessons.add(visit, name, fields)
        except ValueError as error:
            return await show(request, parts, visit, name, failed=reason(error), tried=fields)
        return RedirectResponse(f"{request.url.path}?said=lesson", 303)

    @made.post("/class/{name}/profile")
    async def profile(request: Request, name: str) -> Response:
        """Set the profile that the class starts with."""
        parts, visit = await _visit(request)
        form = dict(await guard.fields(request))
        try:
            await parts.lessons.set_default(visit, name, form.get("profile", ""))
        except ValueError as error:
            return await show(request, parts, visit, name, failed=reason(error))
        return RedirectResponse(f"{_above(request)}/lessons?said=changed", 303)


def _one(made: APIRouter) -> None:
    async def show(
        request: Request, parts: Parts, visit: Visit, name: str, identity: str, **more: Any
    ) -> Response:
        lesson = await parts.lessons.get(visit, name, identity)
        return parts.pages.page(
            request,
            "lesson.html",
            visit=visit,
            name=name,
            lesson=lesson,
            link=parts.lessons.link,
            choices=await parts.lessons.choices(name, lesson),
            **{"said": "", "failed": "", "tried": fields_of(lesson), **more},
        )

    @made.get("/class/{name}/lessons/{identity}")
    async def lesson(request: Request, name: str, identity: str, said: str = "") -> Response:
        parts, visit = await _visit(request)
        return await show(request, parts, visit, name, identity, said=said)

    @made.post("/class/{name}/lessons/{identity}")
    async def change(request: Request, name: str, identity: str) -> Response:
        parts, visit = await _visit(request)
        sent = await guard.fields(request)
        act, lessons = dict(sent).get("act", ""), parts.lessons
        if act == "save":
            fields = _fields(sent)
            try:
                await lessons.change(visit, name, identity, fields)
            except ValueError as error:
                failed = {"failed": reason(error), "tried": fields}
                return await show(request, parts, visit, name, identity, **failed)
        elif act == "retire":
            await lessons.retire(visit, name, identity)
        elif act == "restore":
            await lessons.restore(visit, name, identity)
        else:
            raise ForbiddenError
        return RedirectResponse(f"{request.url.path}?said=saved", 303)


def _above(request: Request) -> str:
    return request.url.path.rpartition("/")[0]


def _fields(sent: Sequence[tuple[str, str]]) -> Fields:
    form = dict(sent)
    return Fields(
        form.get("title", ""),
        form.get("kind", ""),
        form.get("repository", ""),
        form.get("branch", ""),
        form.get("path", ""),
        form.get("profile", ""),
        tuple(value for name, value in sent if name == "dataset"),
        form.get("page", ""),
    )
