"""The JSON interface to datasets and their publications, by the same rules as the pages."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from console.agent import Publication
from console.dataset_sources import Origin
from console.datasets import Fields, Told
from console.guard import Visit
from console.parts import Parts, in_words, parts_of
from room.datasets.addresses import Access, Wanted
from room.datasets.model import Version

Word = Annotated[str, Field(max_length=255)]
#: Longer than anything that is taken: what is too long is said in words.
Text = Annotated[str, Field(max_length=20_000)]
Classes = Annotated[list[Word], Field(max_length=1000)]
Addresses = Annotated[list[Text], Field(max_length=1000)]
Number = Annotated[int, Field(ge=1, lt=10**9)]


class AccessModel(BaseModel):
    """With what servers let the room in; it is kept as long as it is needed, and never shown."""

    user: Text = ""
    password: Text = ""
    token: Text = ""
    key: Text = ""
    secret: Text = ""
    endpoint: Text = ""

    @property
    def access(self) -> Access:
        return Access(**self.model_dump())


class AgainModel(BaseModel):
    """What a publication goes on with; without addresses with its own."""

    addresses: Addresses = []
    access: AccessModel = AccessModel()


class AboutModel(BaseModel):
    """What is said of a dataset; what is left out stays as it is."""

    description: Text | None = None
    licence: Text | None = None
    source: Text | None = None


class PublishModel(AboutModel):
    """A folder or a file of one's own home, from the home on: ``data/cats``; or ``addresses``.

    With ``unpack`` it is an archive, or several, and what is in it is published.
    """

    name: Word
    folder: Annotated[str, Field(max_length=4096)] = ""
    addresses: Addresses = []
    access: AccessModel = AccessModel()
    unpack: bool = False
    classes: Classes = []

    def fields(self) -> Fields:
        return Fields(
            self.name,
            Origin(
                "url" if self.addresses else "home",
                self.folder,
                self.unpack,
                wanted=Wanted(tuple(self.addresses), self.access.access),
            ),
            tuple(self.classes),
            self.description,
            self.licence,
            self.source,
        )


class ClassesModel(BaseModel):
    """Classes by name; ``*`` is everybody."""

    classes: Classes


class VersionModel(BaseModel):
    version: Number


def add(made: APIRouter) -> None:
    """Add it to the console's."""
    _datasets(made)
    _publications(made)


async def _visit(request: Request) -> tuple[Parts, Visit]:
    parts = parts_of(request)
    return parts, await parts.guard.visit(request)


def _datasets(made: APIRouter) -> None:
    async def told(parts: Parts, visit: Visit, name: str) -> dict[str, Any]:
        return _dataset(await parts.datasets.get(visit, name))

    @made.get("/datasets")
    async def datasets(request: Request) -> list[dict[str, Any]]:
        """Return the datasets that who asks is told of."""
        parts, visit = await _visit(request)
        return [_dataset(each) for each in await parts.datasets.all(visit)]

    @made.post("/datasets", status_code=202)
    async def publish(request: Request, wanted: PublishModel) -> dict[str, Any]:
        """Begin to publish a folder; return the publication, which goes on by itself."""
        parts, visit = await _visit(request)
        begun = await in_words(parts.datasets.publish(visit, wanted.fields()))
        return _publication(begun)

    @made.get("/datasets/{name}")
    async def dataset(request: Request, name: str) -> dict[str, Any]:
        """Return one dataset; of its versions those that who asks may know."""
        return await told(*await _visit(request), name)

    @made.patch("/datasets/{name}")
    async def describe(request: Request, name: str, wanted: AboutModel) -> dict[str, Any]:
        """Say anew what a dataset is."""
        parts, visit = await _visit(request)
        await in_words(parts.datasets.describe(visit, name, Fields(**wanted.model_dump())))
        return await told(parts, visit, name)

    @made.post("/datasets/{name}/share")
    async def share(request: Request, name: str, wanted: ClassesModel) -> dict[str, Any]:
        """Give a dataset to classes, from their next start on."""
        parts, visit = await _visit(request)
        await in_words(parts.datasets.share(visit, name, wanted.classes))
        return await told(parts, visit, name)

    @made.post("/datasets/{name}/take")
    async def take(request: Request, name: str, wanted: ClassesModel) -> dict[str, bool]:
        """Take a dataset from classes, from their next start on."""
        parts, visit = await _visit(request)
        await in_words(parts.datasets.take(visit, name, wanted.classes))
        return {"taken": True}

    @made.post("/datasets/{name}/retire")
    async def retire(request: Request, name: str, wanted: VersionModel) -> dict[str, Any]:
        """Let no server start with a version any more."""
        parts, visit = await _visit(request)
        await in_words(parts.datasets.retire(visit, name, wanted.version))
        return await told(parts, visit, name)

    @made.post("/datasets/{name}/restore")
    async def restore(request: Request, name: str, wanted: VersionModel) -> dict[str, Any]:
        """Take a retirement back."""
        parts, visit = await _visit(request)
        await in_words(parts.datasets.restore(visit, name, wanted.version))
        return await told(parts, visit, name)


def _publications(made: APIRouter) -> None:
    @made.get("/publications")
    async def publications(request: Request) -> list[dict[str, Any]]:
        """Return what who asks has begun to publish and is no version yet; an admin: everybody's.

        Sizes in bytes, ``rate`` in bytes a second, ``left`` in seconds.
        """
        parts, visit = await _visit(request)
        return [
            {**_publication(row.publication), "refused": str(row.refused)}
            for row in await parts.datasets.publications(visit)
        ]

    @made.post("/publications/{identity}/again")
    async def again(
        request: Request, identity: str, wanted: AgainModel | None = None
    ) -> dict[str, bool]:
        """Go on with a publication that stopped."""
        parts, visit = await _visit(request)
        given = wanted and Wanted(tuple(wanted.addresses), wanted.access.access)
        await in_words(parts.datasets.again(visit, identity, given))
        return {"going_on": True}

    @made.delete("/publications/{identity}")
    async def cancel(request: Request, identity: str) -> dict[str, bool]:
        """Stop a publication and leave nothing of it."""
        parts, visit = await _visit(request)
        await in_words(parts.datasets.cancel(visit, identity))
        return {"cancelled": True}


def _dataset(told: Told) -> dict[str, Any]:
    known = told.dataset
    started = known.usable or known.newest
    versions = known.versions if told.manages else () if started is None else (started,)
    return {
        "name": known.name,
        "path": f"/datasets/{known.name}",
        "description": known.description,
        "licence": known.licence,
        "source": known.source,
        "classes": list(told.classes),
        "manages": told.manages,
        "version": known.usable and known.usable.number,
        "versions": [_version(each) for each in versions],
    }


def _version(version: Version) -> dict[str, Any]:
    return {
        "number": version.number,
        "digest": version.digest,
        "size": version.size,
        "files": version.files,
        "published_at": version.published_at.isoformat(),
        "published_by": version.published_by,
        "retired_at": version.retired_at and version.retired_at.isoformat(),
        "pruned_at": version.pruned_at and version.pruned_at.isoformat(),
        "verified_at": version.verified_at and version.verified_at.isoformat(),
        "damaged": version.damaged,
        "here": version.here,
        "usable": version.usable,
    }


def _publication(found: Publication) -> dict[str, Any]:
    return {**asdict(found), "about": asdict(found.about), "classes": list(found.classes)}
