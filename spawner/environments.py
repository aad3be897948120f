"""RoomSpawner's part in environments of classes: which image a start gets, and what without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from traitlets import HasTraits

from engine.client import ImageMissingError
from room.environments.book import Environments
from room.environments.choice import NONE, choose
from room.environments.model import Environment
from room.models import ClassEnvironment, Owner, Reject, SpawnOptions
from spawner import options, stages
from spawner.notices import Notice
from spawner.options import Profile
from spawner.refusal import Refusal
from spawner.services import Services


@dataclass(frozen=True, slots=True)
class Offer:
    """A class whose environment can be chosen; ``selected``: it was last time, or is the first."""

    class_name: str
    selected: bool


def offers(names: Sequence[str], saved: Mapping[str, Any]) -> list[Offer]:
    """Return the rows, by class. ``saved``: the options that were chosen last time."""
    chosen = saved.get(options.ENVIRONMENT)
    selected = chosen if chosen in (*names, NONE) else next(iter(names), NONE)
    return [Offer(name, name == selected) for name in names]


class EnvironmentTraits(HasTraits):
    """Looks up what its user's classes have; the room's own image is never far."""

    user: Any
    log: Any
    image: str
    orm_spawner: Any
    owner: Owner
    services: Services
    _options: SpawnOptions
    _overridden: Mapping[str, Any]
    resolved_profiles: Callable[[], tuple[Profile, ...]]

    #: What the start that is under way gets; of one that runs only its container says so.
    _environment: Environment | None = None
    #: That this server asked for one and does not have it.
    _environment_notices: tuple[Notice, ...] = ()

    async def load_environments(self) -> Sequence[Environment]:
        """Return what holds in the user's classes, by class."""
        groups = [group.name for group in self.user.groups]
        if not groups:
            return ()
        store = self.services.store
        return await store.run(Environments(store, actor="hub").in_force, groups)

    async def has_environment(
        self, class_name: str, chosen: SpawnOptions, profiles: Sequence[Profile]
    ) -> bool:
        """Say whether a start can have the packages of a class."""
        if not _own_image(chosen, options.overrides(chosen, profiles)):
            return False
        return class_name in (each.class_name for each in await self.load_environments())

    async def refused_environment(
        self, chosen: SpawnOptions, profiles: Sequence[Profile]
    ) -> Reject | None:
        """Say before a start whether its environment is to be had, so that nobody waits in vain."""
        if chosen.environment in ("", NONE):
            return None
        try:
            theirs = await self.load_environments()
        except SQLAlchemyError as error:
            # The start itself asks again, and says in words what it could not do.
            self.log.warning("Cannot tell which environments %s has: %s", self.owner, error)
            return None
        own = _own_image(chosen, options.overrides(chosen, profiles))
        found = choose(theirs, chosen.environment, own_image=own)
        return found if isinstance(found, Reject) else None

    async def settle_environment(self) -> None:
        """Settle which one the server has, as things are now; or refuse in words."""
        chosen = self._options
        self._environment, self._environment_notices = None, ()
        if chosen.environment == NONE or not _own_image(chosen, self._overridden):
            return
        theirs = await self.load_environments()
        found = choose(theirs, chosen.environment or None, own_image=True)
        if isinstance(found, Reject):
            raise Refusal(found, 400)
        self._environment = found

    async def environment_offers(self) -> list[Offer]:
        """Return what the start page lists; nothing for who is in no class that has one."""
        names = [each.class_name for each in await self.load_environments()]
        return offers(names, self.orm_spawner.user_options or {})

    def image_to_start(self) -> str:
        return self.image if self._environment is None else self._environment.tag

    def class_environment(self) -> ClassEnvironment | None:
        """Return what the server's own variables say of it."""
        found = self._environment
        return None if found is None else ClassEnvironment(found.class_name, found.tag)

    async def create_with_what_is_there(self) -> dict[str, Any]:
        """Create the container; without its environment where the engine does not have that."""
        try:
            created: dict[str, Any] = await super().create_with_what_is_there()  # type: ignore[misc]
        except ImageMissingError as error:
            missing = self._environment
            if missing is None:
                raise
            self.log.error(
                "%s starts without the environment of %s, whose image is gone: %s",
                self.owner,
                missing.class_name,
                error,
            )
            self._environment = None
            words = stages.no_environment(missing.class_name).message
            self._environment_notices = (Notice("environment", words),)
            created = await super().create_with_what_is_there()  # type: ignore[misc]
        # A hub keeps thousands of servers' spawners, and a lock may have 200 KB.
        self._environment = None
        return created


def _own_image(chosen: SpawnOptions, override: Mapping[str, Any]) -> bool:
    """Say whether a start is to have the room's own image, and no other that was chosen."""
    return not chosen.rescue and chosen.image is None and "image" not in override
