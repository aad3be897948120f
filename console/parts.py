"""What every page works with."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar, cast

from fastapi import HTTPException
from starlette.requests import Request

from console.changes import Changes
from console.checking import Checking
from console.datasets import Datasets
from console.desk import Desk
from console.environments import Environments
from console.guard import Guard, Visit, require
from console.lessons import Lessons
from console.pruning import Pruning
from console.render import Pages
from console.uploads import Uploads
from room.said import reason
from room.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    desk: Desk
    guard: Guard
    pages: Pages
    changes: Changes
    settings: Settings
    datasets: Datasets
    pruning: Pruning
    checking: Checking | None
    lessons: Lessons
    uploads: Uploads
    environments: Environments


def parts_of(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


async def admin_of(request: Request) -> tuple[Parts, Visit]:
    """Return what a page works with, and who asks; raises ``ForbiddenError`` unless an admin."""
    parts = parts_of(request)
    visit = await parts.guard.visit(request)
    require(visit.viewer.admin)
    return parts, visit


async def in_words(work: Awaitable[T]) -> T:
    """Await a program's change; what is wrong with it is the caller's to mend."""
    try:
        return await work
    except (ValueError, LookupError) as error:
        raise HTTPException(409, reason(error)) from error
