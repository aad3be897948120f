"""The JSON interface to lessons, by the same rules as the pages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from console.guard import Visit
from console.lessons import Fields
from console.parts import Parts, in_words, parts_of
from room.lessons.model import Lesson

Word = Annotated[str, Field(max_length=255)]
#: Longer than anything that is taken: what is too long is said in words.
Text = Annotated[str, Field(max_length=4000)]


class LessonModel(BaseModel):
    """A repository, or a folder of the class's own (``path``); what opens is inside it."""

    title: Word
    kind: Literal["git", "folder"] = "git"
    repository: Text = ""
    branch: Word = ""
    path: Text = ""
    profile: Word = ""
    datasets: Annotated[list[Word], Field(max_length=300)] = []
    page: Text = ""

    def fields(self) -> Fields:
        return Fields(**{**self.model_dump(), "datasets": tuple(self.datasets)})


class ProfileModel(BaseModel):
    """The profile that a class starts with; empty: the room's usual one."""

    profile: Word = ""


def add(made: APIRouter) -> None:
    """Add it to the console's."""
    _reading(made)
    _changing(made)


async def _visit(request: Request) -> tuple[Parts, Visit]:
    parts = parts_of(request)
    return parts, await parts.guard.visit(request)


def _reading(made: APIRouter) -> None:
    @made.get("/me/lessons")
    async def own(request: Request) -> list[dict[str, Any]]:
        """Return the lessons that who asks can follow: title, class and link."""
        parts, visit = await _visit(request)
        return [
            {
                "title": each.content.title,
                "class": each.class_name,
                "link": parts.lessons.link(each),
            }
            for each in await parts.lessons.own(visit)
        ]

    @made.get("/classes/{name}/lessons")
    async def lessons(request: Request, name: str) -> list[dict[str, Any]]:
        """Return a class's lessons, retired ones too."""
        parts, visit = await _visit(request)
        return [_lesson(parts, each) for each in await parts.lessons.of(visit, name)]


def _changing(made: APIRouter) -> None:
    @made.post("/classes/{name}/lessons", status_code=201)
    async def add_one(request: Request, name: str, wanted: LessonModel) -> dict[str, Any]:
        """Make a lesson; its link is in the answer."""
        parts, visit = await _visit(request)
        return _lesson(parts, await in_words(parts.lessons.add(visit, name, wanted.fields())))

    @made.put("/classes/{name}/lessons/{identity}")
    async def change(
        request: Request, name: str, identity: str, wanted: LessonModel
    ) -> dict[str, Any]:
        """Say anew what a lesson is; its link stays."""
        parts, visit = await _visit(request)
        changed = parts.lessons.change(visit, name, identity, wanted.fields())
        return _lesson(parts, await in_words(changed))

    @made.post("/classes/{name}/lessons/{identity}/retire")
    async def retire(request: Request, name: str, identity: str) -> dict[str, Any]:
        """Let nobody follow its link any more."""
        parts, visit = await _visit(request)
        return _lesson(parts, await parts.lessons.retire(visit, name, identity))

    @made.post("/classes/{name}/lessons/{identity}/restore")
    async def restore(request: Request, name: str, identity: str) -> dict[str, Any]:
        """Take a retirement back."""
        parts, visit = await _visit(request)
        return _lesson(parts, await parts.lessons.restore(visit, name, identity))

    @made.put("/classes/{name}/profile")
    async def profile(request: Request, name: str, wanted: ProfileModel) -> dict[str, str]:
        """Set the profile that the class starts with."""
        parts, visit = await _visit(request)
        await in_words(parts.lessons.set_default(visit, name, wanted.profile))
        return {"profile": await parts.lessons.default(name)}


def _lesson(parts: Parts, lesson: Lesson) -> dict[str, Any]:
    content, source = lesson.content, lesson.content.source
    return {
        "id": lesson.id,
        "link": parts.lessons.link(lesson),
        "class": lesson.class_name,
        "title": content.title,
        "kind": source.kind,
        "repository": source.repository,
        "branch": source.branch,
        "path": source.path,
        "profile": content.profile,
        "datasets": list(content.datasets),
        "page": content.page,
        "place": lesson.place,
        "made_by": lesson.made_by,
        "made_at": lesson.made_at.isoformat(),
        "retired_at": lesson.retired_at and lesson.retired_at.isoformat(),
    }
