"""RoomSpawner's part in class folders: which a start asks for, and what it does without one."""

from __future__ import annotations

from typing import Any

from jupyterhub.traitlets import ByteSpecification
from traitlets import HasTraits

from room import classdirs
from room.classdirs import ClassDir
from room.models import Bind, Owner, SpawnOptions
from room.people import People
from spawner import stages
from spawner.homes import ClassAsk, OpenedClass
from spawner.notices import Notice
from spawner.services import Services


class ClassDirTraits(HasTraits):
    """The limits of class folders; the agent is told them at each start."""

    class_folder_hard = ByteSpecification(
        0,
        config=True,
        help="""Size that the folder of a class can have at most. 0: no limit.

        It binds where a home's limit does. Used with an agent, for people in classes.

        .. versionadded:: 0.1
        """,
    )

    hand_in_hard = ByteSpecification(
        0,
        config=True,
        help="""Size of what one student can hand in, in each class, at most. 0: no limit.

        It binds where a home's limit does, and is no part of the home's.

        .. versionadded:: 0.1
        """,
    )

    owner: Owner
    services: Services
    log: Any
    _options: SpawnOptions

    #: The folders that this server asked for and does not have.
    _class_notices: tuple[Notice, ...] = ()

    async def class_dirs(self) -> ClassAsk:
        """Return the folders that this start is to have: as people are now, and none to tidy up."""
        self._class_notices = ()
        if self._options.rescue:
            return ClassAsk()
        found = await self.services.store.run(self._class_dirs, self.owner.user)
        return ClassAsk(found, self.class_folder_hard, self.hand_in_hard)

    def _class_dirs(self, user: str) -> tuple[ClassDir, ...]:
        people = People(self.services.store)
        return classdirs.of(user, people.find(user), people.clock())

    def class_binds(self, ask: ClassAsk, opened: tuple[OpenedClass, ...]) -> tuple[Bind, ...]:
        """Return what is mounted; a folder that could not be opened is told, and keeps nobody."""
        binds: list[Bind] = []
        notices: list[Notice] = []
        for wanted, found in zip(ask.classes, opened, strict=True):
            name = wanted.class_name
            if found.problem:
                self.log.error(
                    "%s starts without the folder of %s: %s", self.owner, name, found.problem
                )
                notices.append(Notice(f"class-{name}", stages.no_class_folder(name).message))
                continue
            if found.why:
                self.log.info("The folder of %s has no hard limit: %s", name, found.why)
            binds += classdirs.binds(wanted, found.folder, found.hand_in)
        self._class_notices = tuple(notices)
        return tuple(binds)
