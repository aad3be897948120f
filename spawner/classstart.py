"""RoomSpawner's part in classes: the profile that one starts with, and what a lesson needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from room.datasets.names import from_label
from room.lessons import starting
from room.lessons.book import Lessons
from room.lessons.model import Lesson, NoSuchLessonError
from room.models import LABEL_DATASETS, LABEL_ENVIRONMENT, Reject, SpawnOptions
from spawner import options
from spawner.ends import Ends
from spawner.options import Profile


@dataclass(frozen=True, slots=True)
class Runs:
    """What runs: the options it was started with, and the names of its datasets, if known.

    ``environment``: the class whose packages it has, if known.
    """

    chosen: Mapping[str, Any]
    datasets: frozenset[str] | None
    environment: str | None = None


class ClassStart(Ends):
    """Starts with the profile of its user's class, and knows what a lesson takes."""

    async def load_profiles(self) -> tuple[Profile, ...]:
        """Evaluate the profiles; the usual one is the class's, where it has said one."""
        profiles = await super().load_profiles()
        slug = await self._class_profile(profiles) if profiles else ""
        self._profiles = options.with_default(profiles, slug) if slug else profiles
        return self._profiles

    async def _class_profile(self, profiles: tuple[Profile, ...]) -> str:
        """Return what the first of the user's classes says that they may start; empty: nothing."""
        groups = sorted(group.name for group in self.user.groups)
        if not groups:
            return ""
        store = self.services.store
        try:
            said = await store.run(Lessons(store, actor="hub").defaults)
        except SQLAlchemyError as error:
            # A start without it is one with the room's usual profile.
            self.log.warning("Cannot tell what the classes of %s start with: %s", self.owner, error)
            return ""
        wanted = [said[name] for name in groups if name in said]
        for slug in dict.fromkeys(wanted):
            if await self._plan_refuses(SpawnOptions(profile=slug), profiles) is None:
                return slug
        return ""

    async def _plan_refuses(
        self, chosen: SpawnOptions, profiles: tuple[Profile, ...]
    ) -> Reject | None:
        """Say why the plan does not let a profile be started; nothing of it is set."""
        known = options.parse({"profile": chosen.profile or ""}, profiles)
        if isinstance(known, Reject):
            return known
        override = {**self._plain_traits, **options.overrides(chosen, profiles)}
        verdict = self._verdict(await self.load_plan(), override, chosen.profile or "")
        return verdict if isinstance(verdict, Reject) else None

    # -- lessons -----------------------------------------------------------------------------

    async def find_lesson(self, identity: str) -> Lesson | None:
        """Return a lesson by what its link names, whoever it is for."""
        store = self.services.store
        try:
            return await store.run(Lessons(store, actor="hub").get, identity)
        except NoSuchLessonError:
            return None

    async def lesson_options(self, lesson: Lesson) -> dict[str, Any]:
        """Return the options of a start for a lesson: with its class's profile and packages."""
        profiles = await self.load_profiles()
        said = await self.services.store.run(Lessons(self.services.store, actor="hub").defaults)
        usual = said.get(lesson.class_name, "")
        known = any(options.slug_of(profile) == usual for profile in profiles)
        wanted = starting.options(lesson, usual if known else "")
        chosen = options.parse(wanted, profiles)
        if isinstance(chosen, SpawnOptions) and await self.has_environment(
            lesson.class_name, chosen, profiles
        ):
            wanted[options.ENVIRONMENT] = lesson.class_name
        return wanted

    async def lesson_refused(self, lesson: Lesson) -> Reject | None:
        """Say before a start why its user cannot have what the lesson starts."""
        profiles = await self.load_profiles()
        chosen = options.parse(await self.lesson_options(lesson), profiles)
        if isinstance(chosen, Reject):
            return chosen
        refused = await self.refused_datasets(chosen, profiles)
        return refused or (await self._plan_refuses(chosen, profiles) if profiles else None)

    async def what_runs(self) -> Runs:
        """Return what a running server was started with."""
        profiles = await self.load_profiles()
        saved = dict(self.user_options or {})
        known = options.parse(saved, profiles)
        profile = known.profile if isinstance(known, SpawnOptions) else saved.get("profile")
        labels = self.services.watch.labels(self.object_id)
        mounted, environment = None, labels.get(LABEL_ENVIRONMENT)
        if LABEL_DATASETS in labels:
            mounted = frozenset(name for name, _ in from_label(labels[LABEL_DATASETS]))
        return Runs({**saved, "profile": profile}, mounted, environment)
