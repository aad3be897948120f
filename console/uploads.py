"""Uploads in the console: whose they are, when they may begin, and what becomes of them.

An upload is its owner's alone: to all others it is not there. What is published of it, and whether
it may be, is asked when it begins, before any byte is sent, and again when all of it is there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from console.agent import Publication
from console.dataset_sources import Origin
from console.datasets import Datasets, Fields
from console.guard import ForbiddenError, Visit, require
from console.incoming import Arrived, Incoming, NoSuchUploadError, Upload
from room.datasets import space, uploads
from room.datasets.uploads import Limits, Sent
from room.said import said

#: Seconds for which what is no upload may be one that is only just made, or removed.
MAKING = 3600.0


@dataclass(frozen=True, slots=True)
class Row:
    """An upload that nothing is made of yet."""

    upload: Upload
    arrived: Arrived

    @property
    def whole(self) -> bool:
        """Say whether all of it is there, and nothing but to publish it is left."""
        return self.arrived.files == len(self.upload.files)


class Uploads:
    """Without a place for them there are none."""

    def __init__(self, datasets: Datasets, incoming: Incoming | None, limits: Limits) -> None:
        self.incoming, self.limits = incoming, limits
        self._datasets = datasets
        self._log = logging.getLogger(__name__)
        #: What lets nobody go on with the files of an upload: the protocol's side knows them.
        self.release: Callable[[Upload], Awaitable[None]] | None = None
        #: Between the question whether there is room, and the taking of it, comes no other.
        self._beginning = asyncio.Lock()
        if datasets.announcer is not None:
            datasets.announcer.listeners.append(self.settle)

    def usable(self, visit: Visit) -> bool:
        """Say whether somebody may upload here."""
        return (
            self.incoming is not None
            and self.incoming.usable()
            and self._datasets.may_publish(visit)
        )

    async def begin(self, visit: Visit, fields: Fields, files: Collection[Sent]) -> Upload:
        """Begin an upload of these files. Raises ``ValueError`` in words."""
        require(self.usable(visit))
        incoming, about = self._incoming(), fields.about()
        found = uploads.checked(files)
        name, classes = await self._datasets.check(visit, fields)
        async with self._beginning:
            await self._run(self._room, visit.viewer.login, found)
            others = await self._datasets.unwritten()
            await self._run(self._space, sum(each.size for each in found), others)
            return await self._run(
                incoming.begin,
                actor=visit.viewer.login,
                name=name,
                classes=classes,
                about={
                    "description": about.description,
                    "licence": about.licence,
                    "source": about.source,
                },
                unpack=fields.origin.unpack,
                began=time.time(),
                files=found,
            )

    async def mine(self, visit: Visit) -> list[Row]:
        """Return somebody's uploads that nothing is made of yet, oldest first."""
        if not self.usable(visit):
            return []
        return await self._run(self._rows, visit.viewer.login)

    async def get(self, visit: Visit, identity: str) -> Upload:
        """Return one. Raises ``ForbiddenError``, whether it is there or not."""
        incoming = self._incoming()
        try:
            found = await self._run(incoming.get, identity)
        except NoSuchUploadError as error:
            raise ForbiddenError from error
        require(found.actor == visit.viewer.login and self.usable(visit))
        return found

    async def own_file(self, visit: Visit, name: str) -> None:
        """Raise ``ForbiddenError`` unless a file is of an upload of theirs that may still grow."""
        upload = await self.get(visit, name.partition("-")[0])
        require(not await self._run(self._incoming().publication, upload))

    async def offsets(self, upload: Upload) -> list[int]:
        """Return how many bytes of each file are there."""
        incoming = self._incoming()
        return await self._run(
            lambda: [incoming.offset(upload, number) for number in range(len(upload.files))]
        )

    async def publish(
        self, visit: Visit, identity: str, *, name: str = "", unpack: bool | None = None
    ) -> Publication:
        """Publish what was uploaded, under another name if one is given.

        Raises ``ValueError`` in words; then the upload stays as it is.
        """
        incoming, upload = self._incoming(), await self.get(visit, identity)
        await self._run(incoming.finish_all, upload)
        arrived = await self._run(incoming.arrived, upload)
        if arrived.files < len(upload.files):
            raise ValueError(
                said(
                    "Of this upload's files %(has)s are there and %(most)s belong to it: choose "
                    "the same files again, so that the rest is sent.",
                    has=arrived.files,
                    most=len(upload.files),
                )
            )
        unpack = upload.unpack if unpack is None else unpack
        origin = Origin("upload", unpack=unpack, upload=upload.id)
        fields = Fields(name or upload.name, origin, upload.classes, **upload.about)
        begun = await self._datasets.publish(visit, fields)
        await self._run(incoming.publishes, upload, begun.id)
        return begun

    async def remove(self, visit: Visit, identity: str) -> None:
        """Remove one. Raises ``ValueError`` while it is being published."""
        upload = await self.get(visit, identity)
        if await self._run(self._incoming().publication, upload):
            raise ValueError(said("This upload is being published. Cancel the publication first."))
        await self._remove(upload)

    async def settle(self, publications: list[Publication]) -> None:
        """Remove what has become a version, and what nobody went on with."""
        if self.incoming is None or not self.incoming.usable():
            return
        try:
            await self._settle(self.incoming, publications)
        except OSError:
            # A disk that fails keeps no version from being announced.
            self._log.exception("Could not look after uploads")

    # -- parts -------------------------------------------------------------------------------

    async def _settle(self, incoming: Incoming, publications: list[Publication]) -> None:
        of = {each.upload: each.id for each in publications if each.upload}
        for upload in await self._run(incoming.all):
            before = await self._run(incoming.publication, upload)
            now = of.get(upload.id, "")
            if before and not now:
                if await self._datasets.became(before):
                    await self._remove(upload)
                    continue
            elif not now and await self._run(self._expired, upload):
                await self._remove(upload)
                continue
            if now != before:
                await self._run(incoming.publishes, upload, now)
        await self._run(incoming.sweep, time.time() - MAKING)

    async def _run(self, function, *args, **kwargs):  # type: ignore[no-untyped-def]
        return await self._datasets.desk.run(function, *args, **kwargs)

    def _incoming(self) -> Incoming:
        if self.incoming is None:
            raise ForbiddenError
        return self.incoming

    async def _remove(self, upload: Upload) -> None:
        incoming = self._incoming()
        if self.release is not None:
            await self.release(upload)
        await self._run(incoming.remove, upload.id)

    def _rows(self, login: str) -> list[Row]:
        incoming = self._incoming()
        return [
            Row(each, incoming.arrived(each))
            for each in incoming.all()
            if each.actor == login and not incoming.publication(each)
        ]

    def _expired(self, upload: Upload) -> bool:
        return uploads.expired(self._incoming().touched(upload), time.time(), self.limits)

    def _room(self, login: str, files: Collection[Sent]) -> None:
        others = [each.upload.size for each in self._rows(login)]
        refused = uploads.refusal(files, others, self.limits)
        if refused is not None:
            raise ValueError(refused.message)

    def _space(self, size: int, others: int) -> None:
        """Refuse what the disk has no room for. All of it is copied once more when published."""
        incoming = self._incoming()
        for each in incoming.all():
            if not incoming.publication(each):
                others += 2 * each.size - incoming.arrived(each).size
        why = space.refusal(2 * size, incoming.disk(), others)
        if why is not None:
            raise ValueError(why)
