"""A lesson → what a server is started with, and what a running one lacks of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from room.datasets.names import reference
from room.lessons.model import Lesson


@dataclass(frozen=True, slots=True)
class Lack:
    """What a running server does not have. ``profile``: the lesson's, where it has another one."""

    profile: str = ""
    datasets: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.profile or self.datasets)


def options(lesson: Lesson) -> dict[str, Any]:
    """Return the options of a start for a lesson: the one place that says them."""
    content = lesson.content
    chosen: dict[str, Any] = {"profile": content.profile} if content.profile else {}
    if content.datasets:
        chosen["datasets"] = list(content.datasets)
    return chosen


def lack(lesson: Lesson, running: Mapping[str, Any], mounted: Collection[str] | None) -> Lack:
    """Return what a server lacks that was started with the options ``running``.

    ``mounted``: the names of its datasets; None: nobody can tell, and then nothing is missed.
    """
    wanted = lesson.content.profile
    other = wanted if wanted and running.get("profile") != wanted else ""
    if mounted is None:
        return Lack(other)
    names = (reference(each).name for each in lesson.content.datasets)
    return Lack(other, tuple(name for name in names if name not in mounted))
