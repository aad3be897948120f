"""RoomSpawner's part in datasets: which versions a start gets, and what it does without one."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from traitlets import HasTraits, Unicode

from engine.client import EngineRefusedError
from room.datasets import pinned
from room.datasets.catalog import Catalog
from room.datasets.choice import choose
from room.datasets.model import Dataset
from room.models import Bind, Owner, Pinned, Reject, SpawnOptions
from spawner import options
from spawner.datasetpicker import Offer, offers
from spawner.options import Profile
from spawner.refusal import Refusal
from spawner.services import Services

#: Seconds for which a start keeps to what it read when it was asked for. One that waits for a GPU
#: takes longer, and what is retired or taken from a class meanwhile it does not get.
KEPT_FOR = 30.0


@dataclass(frozen=True, slots=True)
class Offered:
    """What somebody in these groups had at a time of the monotonic clock."""

    datasets: tuple[Dataset, ...]
    groups: frozenset[str]
    read_at: float

    def holds(self, groups: frozenset[str], now: float) -> bool:
        return groups == self.groups and now - self.read_at < KEPT_FOR


class DatasetTraits(HasTraits):
    """Looks up what its user's classes have, and keeps a server to the versions it began with."""

    datasets_directory = Unicode(
        "",
        config=True,
        help="""Where the room's datasets lie on the host: ``<data_root>/datasets``. Empty: none.

        Each version that a server starts with is mounted read-only at ``/datasets/<name>``. They
        are published with ``room dataset publish``.

        .. versionadded:: 0.1
        """,
    )

    user: Any
    log: Any
    orm_spawner: Any
    owner: Owner
    services: Services
    _options: SpawnOptions
    resolved_profiles: Callable[[], tuple[Profile, ...]]
    create_object: Callable[[], Awaitable[dict[str, Any]]]

    #: What the start that is under way mounts; of one that runs only its container says so.
    _pinned: tuple[Pinned, ...] = ()
    #: What the user had when the start that is under way was asked for.
    _offered: Offered | None = None

    def _groups(self) -> frozenset[str]:
        return frozenset(group.name for group in self.user.groups)

    async def load_datasets(self) -> tuple[Dataset, ...]:
        """Return what the user's classes have."""
        if not self.datasets_directory:
            return ()
        store = self.services.store
        return tuple(await store.run(Catalog(store, actor="hub").of, self._groups()))

    async def refused_datasets(
        self, chosen: SpawnOptions, profiles: Sequence[Profile]
    ) -> Reject | None:
        """Say before a start whether its datasets are to be had, so that nobody waits in vain."""
        self._offered = None
        if chosen.rescue:
            return None
        read_at, groups = time.monotonic(), self._groups()
        try:
            visible = await self.load_datasets()
        except SQLAlchemyError as error:
            # The start itself asks again, and says in words what it could not do.
            self.log.warning("Cannot tell which datasets %s has: %s", self.owner, error)
            return None
        found = choose(visible, chosen.datasets, options.preselected(chosen, profiles))
        if isinstance(found, Reject):
            return found
        self._offered = Offered(visible, groups, read_at)
        return None

    async def pin_datasets(self) -> None:
        """Settle which versions the server has for as long as it runs, or refuse in words."""
        chosen, offered, self._offered = self._options, self._offered, None
        self._pinned = ()
        if chosen.rescue:
            return
        if offered is not None and offered.holds(self._groups(), time.monotonic()):
            visible = offered.datasets
        else:
            visible = await self.load_datasets()
        preselected = options.preselected(chosen, self.resolved_profiles())
        found = choose(visible, chosen.datasets, preselected)
        if isinstance(found, Reject):
            raise Refusal(found, 400)
        for why in found.left_out:
            self.log.warning(
                "%s, of profile %s, starts without a dataset: %s", self.owner, chosen.profile, why
            )
        self._pinned = found.pinned

    async def dataset_offers(self) -> list[Offer]:
        """Return what the start page lists."""
        saved = self.orm_spawner.user_options or {}
        return offers(await self.load_datasets(), saved, self.resolved_profiles())

    def dataset_binds(self) -> tuple[Bind, ...]:
        return pinned.binds(self.datasets_directory, self._pinned)

    async def create_with_what_is_there(self) -> dict[str, Any]:
        """Create the container, without versions whose files are gone.

        The hub sees no datasets, and asks for nothing beforehand: the engine refuses to mount what
        is not there, and names it, one each time.
        """
        while True:
            try:
                created = await self.create_object()
            except EngineRefusedError as error:
                lost = self._lost(error)
                if lost is None:
                    raise
                self.log.error(
                    "%s starts without %s@%s, whose files are gone. Publish it again, or retire "
                    "that version: %s",
                    self.owner,
                    lost.name,
                    lost.number,
                    error,
                )
                self._pinned = tuple(each for each in self._pinned if each != lost)
            else:
                # A hub keeps thousands of servers' spawners, and each may have 300 of these.
                self._pinned = ()
                return created

    def _lost(self, error: EngineRefusedError) -> Pinned | None:
        """Return the version that the engine did not find, if that is what it says."""
        for each in self._pinned:
            if str(pinned.directory(self.datasets_directory, each)) in str(error):
                return each
        return None
