"""The JSON interface to environments of classes, by the same rules as the page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from console.environments import Shown
from console.guard import Visit, require_act
from console.parts import Parts, in_words, parts_of
from room.environments.model import Build, Environment
from room.environments.requirements import LONGEST


class RequirementsModel(BaseModel):
    """One requirement a line, as ``humanize>=4``; or a lock with hashes, which is taken as is."""

    #: Longer than anything that is taken: what is too long is said in words.
    requirements: Annotated[str, Field(max_length=2 * LONGEST)]


class NumberModel(BaseModel):
    environment: Annotated[int, Field(ge=1, lt=10**9)]


class BuildModel(BaseModel):
    build: Annotated[str, Field(max_length=36)]


def add(made: APIRouter) -> None:
    """Add it to the console's."""

    async def visit_of(request: Request, name: str) -> tuple[Parts, Visit]:
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        require_act(visit, "publish", name)
        return parts, visit

    async def told(parts: Parts, visit: Visit, name: str) -> dict[str, Any]:
        return _shown(await parts.environments.get(visit, name))

    @made.get("/classes/{name}/environment")
    async def environment(request: Request, name: str) -> dict[str, Any]:
        """Return what a class has, what it can go back to, and what is being built."""
        return await told(*await visit_of(request, name), name)

    @made.post("/classes/{name}/environment", status_code=202)
    async def build(request: Request, name: str, wanted: RequirementsModel) -> dict[str, Any]:
        """Begin to build an environment; it holds once it is there."""
        parts, visit = await visit_of(request, name)
        return _build(await in_words(parts.environments.build(visit, name, wanted.requirements)))

    @made.post("/classes/{name}/environment/cancel")
    async def cancel(request: Request, name: str, wanted: BuildModel) -> dict[str, Any]:
        """Stop a build, or put away one that failed."""
        parts, visit = await visit_of(request, name)
        await in_words(parts.environments.cancel(visit, name, wanted.build))
        return await told(parts, visit, name)

    @made.post("/classes/{name}/environment/back")
    async def back(request: Request, name: str, wanted: NumberModel) -> dict[str, Any]:
        """Go back to a former one, from the next start on."""
        parts, visit = await visit_of(request, name)
        await in_words(parts.environments.go_back(visit, name, wanted.environment))
        return await told(parts, visit, name)

    @made.post("/classes/{name}/environment/off")
    async def off(request: Request, name: str) -> dict[str, Any]:
        """Let the class start with the room's image, from the next start on."""
        parts, visit = await visit_of(request, name)
        await in_words(parts.environments.switch_off(visit, name))
        return await told(parts, visit, name)


def _shown(shown: Shown) -> dict[str, Any]:
    return {
        "in_force": shown.holds and _environment(shown.holds),
        "outdated": shown.outdated,
        "former": [_environment(each) for each in shown.former],
        "builds": None if shown.builds is None else [_build(each) for each in shown.builds],
        "logs": dict(shown.logs),
    }


def _environment(environment: Environment) -> dict[str, Any]:
    return {
        "environment": environment.id,
        "requirements": environment.requirements,
        "lock": environment.lock,
        "tag": environment.tag,
        "size": environment.size,
        "built_at": environment.built_at.isoformat(),
        "built_by": environment.built_by,
    }


def _build(build: Build) -> dict[str, Any]:
    return {
        "build": build.id,
        "requirements": build.requirements,
        "actor": build.actor,
        "state": build.state,
        "why": build.why,
        "anew": bool(build.replaces),
    }
