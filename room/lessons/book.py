"""The lessons of a room, and the profiles that classes start with, as its database has them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from room.audit import note
from room.lessons import rules
from room.lessons.model import Content, Lesson, NoSuchLessonError, Source
from room.store import Store
from room.store.lesson_tables import class_defaults, lessons

#: Letters that are not taken for each other when a link is copied by hand; 59 bits of them.
_LETTERS, _LENGTH = "abcdefghjkmnpqrstuvwxyz23456789", 12


class Lessons:
    """Writes in its actor's name; what comes in is checked by ``room.lessons.rules`` before."""

    def __init__(
        self,
        store: Store,
        *,
        actor: str,
        origin: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.store = store
        self.actor, self.origin, self.clock = actor, origin, clock

    # -- reading -----------------------------------------------------------------------------

    def of(self, classes: Collection[str] | None = None) -> list[Lesson]:
        """Return the lessons of these classes, or all: by class, newest first."""
        with self.store.read() as connection:
            return _read(connection, classes)

    def get(self, identity: str) -> Lesson:
        """Return one lesson. Raises ``NoSuchLessonError``."""
        with self.store.read() as connection:
            return _get(connection, identity)

    def defaults(self) -> dict[str, str]:
        """Return the profiles that classes start with, by class."""
        with self.store.read() as connection:
            rows = connection.execute(select(class_defaults).order_by(class_defaults.c.class_name))
            return {row.class_name: row.profile for row in rows}

    # -- writing -----------------------------------------------------------------------------

    def add(self, class_name: str, content: Content) -> Lesson:
        """Make a lesson, and its link with it."""
        now = self.clock()
        identity = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        with self.store.decide() as connection:
            folder = rules.folder(content, class_name, _read(connection, [class_name]))
            made = Lesson(identity, class_name, content, folder, self.actor, now)
            connection.execute(
                insert(lessons).values(
                    id=identity,
                    class_name=class_name,
                    made_by=self.actor,
                    made_at=now,
                    folder=folder,
                    **_columns(content),
                )
            )
            self._note(connection, "lesson add", made, now)
        return made

    def change(self, identity: str, content: Content) -> Lesson:
        """Say anew what a lesson is; its link stays. Raises ``NoSuchLessonError``.

        With other files it has another folder in homes: what a student did stays in the old one.
        """
        with self.store.decide() as connection:
            known = _get(connection, identity)
            others = _read(connection, [known.class_name])
            folder = known.folder
            if content.source != known.content.source:
                folder = rules.folder(content, known.class_name, others)
            values = {**_columns(content), "folder": folder}
            connection.execute(update(lessons).where(lessons.c.id == identity).values(values))
            changed = _get(connection, identity)
            self._note(connection, "lesson change", changed, self.clock())
        return changed

    def retire(self, identity: str) -> Lesson:
        """Let nobody follow its link any more. Raises ``NoSuchLessonError``."""
        return self._set_retired(identity, self.clock(), "lesson retire")

    def restore(self, identity: str) -> Lesson:
        """Take a retirement back. Raises ``NoSuchLessonError``."""
        return self._set_retired(identity, None, "lesson restore")

    def _set_retired(self, identity: str, at: datetime | None, action: str) -> Lesson:
        with self.store.decide() as connection:
            known = _get(connection, identity)
            if (known.retired_at is None) != (at is None):
                row = update(lessons).where(lessons.c.id == identity)
                connection.execute(row.values(retired_at=at))
                self._note(connection, action, known, self.clock())
            return _get(connection, identity)

    def set_default(self, class_name: str, profile: str) -> None:
        """Let a class start with a profile; empty: with the room's usual one."""
        with self.store.decide() as connection:
            mine = class_defaults.c.class_name == class_name
            connection.execute(delete(class_defaults).where(mine))
            if profile:
                connection.execute(
                    insert(class_defaults).values(class_name=class_name, profile=profile)
                )
            now = self.clock()
            note(connection, self.actor, "class profile", class_name, profile, now, self.origin)

    def _note(self, connection: Connection, action: str, lesson: Lesson, now: datetime) -> None:
        detail = f"{lesson.id} {lesson.content.title}"
        note(connection, self.actor, action, lesson.class_name, detail, now, self.origin)


def _get(connection: Connection, identity: str) -> Lesson:
    row = connection.execute(select(lessons).where(lessons.c.id == identity)).one_or_none()
    if row is None:
        raise NoSuchLessonError
    return _lesson(row)


def _read(connection: Connection, classes: Iterable[str] | None) -> list[Lesson]:
    found = select(lessons).order_by(lessons.c.class_name, lessons.c.made_at.desc(), lessons.c.id)
    if classes is not None:
        found = found.where(lessons.c.class_name.in_(list(classes)))
    return [_lesson(row) for row in connection.execute(found)]


def _columns(content: Content) -> dict[str, Any]:
    source = content.source
    return {
        "title": content.title,
        "kind": source.kind,
        "repository": source.repository,
        "branch": source.branch,
        "path": source.path,
        "profile": content.profile,
        "datasets": list(content.datasets),
        "page": content.page,
    }


def _lesson(row: Any) -> Lesson:
    source = Source(row.kind, row.repository, row.branch, row.path)
    content = Content(row.title, source, row.profile, tuple(row.datasets), row.page)
    return Lesson(
        row.id, row.class_name, content, row.folder, row.made_by, row.made_at, row.retired_at
    )
