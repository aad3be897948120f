"""The environments of a room's classes, as its database has them. Nothing here asks the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timezone

from sqlalchemy import Connection, delete, insert, select, update

from room.audit import note
from room.environments.model import Build, Environment
from room.said import said
from room.store import Store
from room.store.environment_tables import environments, environments_in_force

#: Of each class, how many images are kept: the one in force, and those that it can go back to.
KEPT = 3


class NoSuchEnvironmentError(LookupError):
    """The class has none of that number, or none at all."""


class Environments:
    """Writes in its actor's name."""

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

    def in_force(self, classes: Iterable[str] | None = None) -> list[Environment]:
        """Return what holds in these classes, or in all, by class."""
        found = select(environments).join(
            environments_in_force, environments_in_force.c.environment == environments.c.id
        )
        if classes is not None:
            found = found.where(environments_in_force.c.class_name.in_(sorted(classes)))
        with self.store.read() as connection:
            rows = connection.execute(found.order_by(environments.c.class_name))
            return [_environment(row) for row in rows]

    def of(self, class_name: str) -> tuple[Environment | None, list[Environment]]:
        """Return what holds in a class, and those it can go back to, newest first."""
        with self.store.read() as connection:
            return _of(connection, class_name)

    def kept(self) -> set[str]:
        """Return the tags of the images that some class has, or can go back to."""
        with self.store.read() as connection:
            names = connection.execute(select(environments.c.class_name).distinct()).scalars()
            found = [_of(connection, name) for name in names]
        return {
            each.tag
            for holds, others in found
            for each in (*others, *([holds] if holds is not None else ()))
        }

    # -- writing -----------------------------------------------------------------------------

    def announce(self, build: Build) -> bool:
        """Let a class have what was built for it, in one transaction. False: not any more.

        What was built anew on another image holds only where that is still what it stands for.
        Asked again for the same build, nothing is changed.
        """
        now = self.clock()
        with self.store.decide() as connection:
            if _made_by(connection, build.id):
                return True
            holds, _ = _of(connection, build.class_name)
            if build.replaces and (holds is None or holds.id != build.replaces):
                return False
            made = connection.execute(
                insert(environments).values(
                    class_name=build.class_name,
                    requirements=build.requirements,
                    lock=build.lock,
                    tag=build.tag,
                    base=build.base,
                    size=build.size,
                    built_at=now,
                    built_by=build.actor,
                    job=build.id,
                )
            ).inserted_primary_key
            _put(connection, build.class_name, made[0] if made else 0)
            self._note(connection, "environment", build.class_name, build.tag, now)
        return True

    def go_back(self, class_name: str, number: int) -> Environment:
        """Let a class have one of its former ones. Raises ``NoSuchEnvironmentError``."""
        with self.store.decide() as connection:
            _, others = _of(connection, class_name)
            found = next((each for each in others if each.id == number), None)
            if found is None:
                raise NoSuchEnvironmentError(
                    said("The class has no such former environment any more. Build it anew.")
                )
            _put(connection, class_name, found.id)
            self._note(connection, "environment-back", class_name, found.tag, self.clock())
        return found

    def switch_off(self, class_name: str) -> None:
        """Let a class start with the room's image. Raises ``NoSuchEnvironmentError``."""
        with self.store.decide() as connection:
            holds, _ = _of(connection, class_name)
            if holds is None:
                raise NoSuchEnvironmentError(said("The class has no environment in force."))
            connection.execute(
                delete(environments_in_force).where(
                    environments_in_force.c.class_name == class_name
                )
            )
            self._note(connection, "environment-off", class_name, holds.tag, self.clock())

    def _note(
        self, connection: Connection, action: str, class_name: str, tag: str, now: datetime
    ) -> None:
        note(connection, self.actor, action, class_name, tag, now, self.origin)


def _of(connection: Connection, class_name: str) -> tuple[Environment | None, list[Environment]]:
    number = connection.execute(
        select(environments_in_force.c.environment).where(
            environments_in_force.c.class_name == class_name
        )
    ).scalar_one_or_none()
    rows = connection.execute(
        select(environments)
        .where(environments.c.class_name == class_name)
        .order_by(environments.c.id.desc())
    )
    made = [_environment(row) for row in rows]
    holds = next((each for each in made if each.id == number), None)
    # The newest of each image: one that was built again is the same.
    newest = {each.tag: each for each in reversed(made)}
    if holds is not None:
        newest.pop(holds.tag, None)
    others = sorted(newest.values(), key=lambda each: -each.id)
    return holds, others[: KEPT - (holds is not None)]


def _made_by(connection: Connection, job: str) -> bool:
    found = select(environments.c.id).where(environments.c.job == job)
    return connection.execute(found).one_or_none() is not None


def _put(connection: Connection, class_name: str, number: int) -> None:
    mine = environments_in_force.c.class_name == class_name
    changed = connection.execute(
        update(environments_in_force).where(mine).values(environment=number)
    )
    if not changed.rowcount:
        connection.execute(
            insert(environments_in_force).values(class_name=class_name, environment=number)
        )


def _environment(row: object) -> Environment:
    return Environment(*(getattr(row, name) for name in Environment.__slots__))
