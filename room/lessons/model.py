"""A lesson, and where its files come from: the values that the book of lessons gives out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from room.said import said

#: git: a repository. folder: a folder of the class's own.
Kind = Literal["git", "folder"]


class NoSuchLessonError(LookupError):
    """No lesson has this name in a link."""

    def __init__(self) -> None:
        super().__init__(said("There is no such lesson."))


@dataclass(frozen=True, slots=True)
class Source:
    """``repository`` and ``branch`` are git's, empty: its usual one; ``path`` is the folder's."""

    kind: Kind
    repository: str = ""
    branch: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What a lesson is: what its instructor says of it, as it is kept.

    ``page`` is what opens, from the lesson's own files on; empty: their folder. Without a
    ``profile`` a server starts with the usual one.
    """

    title: str
    source: Source
    profile: str = ""
    datasets: tuple[str, ...] = ()
    page: str = ""


@dataclass(frozen=True, slots=True)
class Lesson:
    """``folder``: where its files come to in a home, under ``lessons/<class>``."""

    id: str
    class_name: str
    content: Content
    folder: str
    made_by: str
    made_at: datetime
    retired_at: datetime | None = None

    @property
    def place(self) -> str:
        """Where its files are in a home, from the home on."""
        return f"lessons/{self.class_name}/{self.folder}"
