"""Lessons in the console: what somebody is told of them, and what they may make and change.

Who may do what is in ``room.lessons.rules``. What is not somebody's to know of is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from console.desk import Desk
from console.guard import ForbiddenError, Visit, require
from console.viewer import who_of
from room.datasets.catalog import Catalog
from room.datasets.names import reference
from room.lessons import rules
from room.lessons.book import Lessons as Book
from room.lessons.model import Content, Lesson, NoSuchLessonError, Source
from room.models import Reject


@dataclass(frozen=True, slots=True)
class Fields:
    """What a form or a program says of a lesson. ``kind``: git or folder."""

    title: str = ""
    kind: str = "git"
    repository: str = ""
    branch: str = ""
    path: str = ""
    profile: str = ""
    datasets: tuple[str, ...] = ()
    page: str = ""

    def content(self) -> Content:
        """Return it as it is kept. Raises ``ValueError`` in words."""
        kind = "folder" if self.kind == "folder" else "git"
        source = Source(kind, self.repository, self.branch, self.path)  # type: ignore[arg-type]
        return rules.content(Content(self.title, source, self.profile, self.datasets, self.page))


@dataclass(frozen=True, slots=True)
class Choices:
    """What a lesson of a class can be made of: profiles by their slug, datasets by their name."""

    profiles: Mapping[str, str]
    datasets: tuple[str, ...]


def fields_of(lesson: Lesson) -> Fields:
    content, source = lesson.content, lesson.content.source
    return Fields(
        content.title,
        source.kind,
        source.repository,
        source.branch,
        source.path,
        content.profile,
        content.datasets,
        content.page,
    )


class Lessons:
    """``profiles``: what can be started, by slug, with their titles; ``address``: the room's."""

    def __init__(self, desk: Desk, profiles: Mapping[str, str], address: str) -> None:
        self.desk = desk
        self.profiles = profiles
        self._address = address.rstrip("/")

    def link(self, lesson: Lesson) -> str:
        """Return what an instructor gives to the class."""
        return f"{self._address}/hub/room/lesson/{lesson.id}"

    # -- reading -----------------------------------------------------------------------------

    async def own(self, visit: Visit) -> list[Lesson]:
        """Return the lessons that somebody can follow, of the classes that they are in."""
        found = await self.desk.run(self._book(visit).of, visit.viewer.classes)
        return [each for each in found if each.retired_at is None]

    async def of(self, visit: Visit, class_name: str) -> list[Lesson]:
        """Return a class's lessons for who makes them. Raises ``ForbiddenError``."""
        self._require(visit, class_name)
        return await self.desk.run(self._book(visit).of, [class_name])

    async def get(self, visit: Visit, class_name: str, identity: str) -> Lesson:
        """Return one of them. Raises ``ForbiddenError``, whether it is there or not."""
        self._require(visit, class_name)
        try:
            found = await self.desk.run(self._book(visit).get, identity)
        except NoSuchLessonError as error:
            raise ForbiddenError from error
        require(found.class_name == class_name)
        return found

    async def choices(self, class_name: str, lesson: Lesson | None = None) -> Choices:
        """Return what can be chosen; what a lesson has already stays one of the datasets."""
        catalog = Catalog(self.desk.store, actor="console")
        names = [each.name for each in await self.desk.run(catalog.of, [class_name])]
        kept = lesson.content.datasets if lesson is not None else ()
        named = {reference(each).name for each in kept}
        return Choices(self.profiles, (*kept, *(each for each in names if each not in named)))

    async def default(self, class_name: str) -> str:
        """Return the profile that a class starts with; empty: the room's usual one."""
        book = Book(self.desk.store, actor="console")
        return (await self.desk.run(book.defaults)).get(class_name, "")

    # -- changing ----------------------------------------------------------------------------

    async def add(self, visit: Visit, class_name: str, fields: Fields) -> Lesson:
        """Make a lesson. Raises ``ValueError`` in words."""
        self._require(visit, class_name)
        content = await self._checked(class_name, fields)
        return await self.desk.run(self._book(visit).add, class_name, content)

    async def change(self, visit: Visit, class_name: str, identity: str, fields: Fields) -> Lesson:
        """Say anew what a lesson is; its link stays. Raises ``ValueError`` in words."""
        known = await self.get(visit, class_name, identity)
        content = await self._checked(class_name, fields)
        return await self.desk.run(self._book(visit).change, known.id, content)

    async def retire(self, visit: Visit, class_name: str, identity: str) -> Lesson:
        """Let nobody follow its link any more."""
        known = await self.get(visit, class_name, identity)
        return await self.desk.run(self._book(visit).retire, known.id)

    async def restore(self, visit: Visit, class_name: str, identity: str) -> Lesson:
        """Take a retirement back."""
        known = await self.get(visit, class_name, identity)
        return await self.desk.run(self._book(visit).restore, known.id)

    async def set_default(self, visit: Visit, class_name: str, profile: str) -> None:
        """Let a class start with a profile; empty: the usual one. Raises ``ValueError``."""
        self._require(visit, class_name)
        _in_words(rules.profile(profile, self.profiles))
        await self.desk.run(self._book(visit).set_default, class_name, profile)

    # -- parts -------------------------------------------------------------------------------

    def _require(self, visit: Visit, class_name: str) -> None:
        require(rules.makes(who_of(visit.viewer), class_name))

    async def _checked(self, class_name: str, fields: Fields) -> Content:
        content = fields.content()
        catalog = Catalog(self.desk.store, actor="console")
        visible = await self.desk.run(catalog.of, [class_name])
        _in_words(rules.needs(content, self.profiles, visible))
        return content

    def _book(self, visit: Visit) -> Book:
        return Book(
            self.desk.store,
            actor=visit.viewer.login,
            origin=visit.origin,
            clock=self.desk.plans.clock,
        )


def _in_words(refused: Reject | None) -> None:
    if refused is not None:
        raise ValueError(refused.message)
