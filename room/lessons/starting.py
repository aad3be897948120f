"""A lesson → what a server is started with, and what a running one lacks of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from room.datasets.names import reference
from room.lessons.model import Lesson


@dataclass(frozen=True, slots=True)
class Lack:
    """What a running server does not have. ``profile``: the lesson's, where it has another one.

    ``environment``: the class whose packages it does not have.
    """

    profile: str = ""
    datasets: tuple[str, ...] = ()
    environment: str = ""

    def __bool__(self) -> bool:
        return bool(self.profile or self.datasets or self.environment)


def options(lesson: Lesson, usual: str = "") -> dict[str, Any]:
    """Return the options of a start for a lesson, but for its class's packages.

    ``usual``: the profile that its class starts with.
    """
    content = lesson.content
    profile = content.profile or usual
    chosen: dict[str, Any] = {"profile": profile} if profile else {}
    if content.datasets:
        chosen["datasets"] = list(content.datasets)
    return chosen


def lack(
    lesson: Lesson,
    wanted: Mapping[str, Any],
    running: Mapping[str, Any],
    mounted: Collection[str] | None,
    environment: str | None = None,
) -> Lack:
    """Return what a server lacks that was started with the options ``running``.

    ``wanted``: the options of the lesson's own start. ``mounted``: the names of its datasets, and
    ``environment`` the class whose packages it has; None: nobody can tell, and then nothing is
    missed. A class's usual profile is not missed by who chose another one.
    """
    profile = lesson.content.profile
    other = profile if profile and running.get("profile") != profile else ""
    packages = wanted.get("environment", "")
    if environment is None or environment == packages:
        packages = ""
    names = (reference(each).name for each in lesson.content.datasets)
    missed = () if mounted is None else tuple(name for name in names if name not in mounted)
    return Lack(other, missed, packages)
