"""The JSON interface to uploads, and the addresses that their bytes go to.

An upload is begun with the list of its files, and each file then has an address of its own for the
tus protocol. So whatever is wrong with a name or a path is said before any byte is sent.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from console import tus
from console.dataset_sources import Origin
from console.datasets import Fields
from console.datasets_api import AboutModel, Classes, Word
from console.incoming import Upload
from console.parts import Parts, in_words, parts_of
from console.uploads import Row, Uploads
from room.datasets.uploads import Sent


class FileModel(BaseModel):
    """``size``: bytes; ``modified``: milliseconds since 1970, to tell its states apart."""

    path: Annotated[str, Field(max_length=4096)]
    size: Annotated[int, Field(ge=0, lt=1 << 53)]
    modified: Annotated[int, Field(ge=0, lt=1 << 53)] = 0


class UploadModel(AboutModel):
    """What is to be published once all its files are there."""

    name: Word
    classes: Classes = Field(default_factory=list)
    unpack: bool = False
    #: More than may be sent: too many are refused in words.
    files: Annotated[list[FileModel], Field(max_length=100_000)]

    def fields(self) -> Fields:
        return Fields(
            self.name,
            Origin("upload", unpack=self.unpack),
            tuple(self.classes),
            self.description,
            self.licence,
            self.source,
        )


class AgainModel(BaseModel):
    """Left out, it is published as it was begun."""

    name: Word = ""
    unpack: bool | None = None


def add(made: APIRouter) -> None:
    """Add it to the console's."""

    @made.get("/uploads")
    async def uploads(request: Request) -> list[dict[str, Any]]:
        """Return the uploads of who asks that nothing is published of yet. Sizes in bytes."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        return [_row(each) for each in await parts.uploads.mine(visit)]

    @made.post("/uploads", status_code=201)
    async def begin(request: Request, wanted: UploadModel) -> dict[str, Any]:
        """Begin an upload; return where each of its files goes."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        files = [Sent(each.path, each.size, each.modified) for each in wanted.files]
        upload = await in_words(parts.uploads.begin(visit, wanted.fields(), files))
        return _upload(parts, upload, [0] * len(files))

    @made.get("/uploads/{identity}")
    async def upload(request: Request, identity: str) -> dict[str, Any]:
        """Return an upload, and how much of each file is there."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        found = await parts.uploads.get(visit, identity)
        return _upload(parts, found, await parts.uploads.offsets(found))

    @made.post("/uploads/{identity}/publish", status_code=202)
    async def publish(request: Request, identity: str, wanted: AgainModel) -> dict[str, Any]:
        """Publish what was uploaded; return the publication, which goes on by itself."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        begun = await in_words(
            parts.uploads.publish(visit, identity, name=wanted.name, unpack=wanted.unpack)
        )
        return {"publication": begun.id}

    @made.delete("/uploads/{identity}")
    async def remove(request: Request, identity: str) -> dict[str, bool]:
        """Remove an upload and all its files."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        await in_words(parts.uploads.remove(visit, identity))
        return {"removed": True}


def files_prefix(prefix: str) -> str:
    """Return how the address of each file begins."""
    return f"{prefix}api/upload-files/"


def files(prefix: str, uploads: Uploads) -> APIRouter:
    """Return the addresses of files."""
    if uploads.incoming is None:
        return APIRouter()

    async def own(request: Request, uuid: str) -> None:
        await uploads.own_file(await parts_of(request).guard.visit(request), uuid)

    storage = tus.Storage(uploads.incoming)
    uploads.release = storage.release
    return tus.router(files_prefix(prefix).rstrip("/"), storage, own)


def _row(row: Row) -> dict[str, Any]:
    return {
        "id": row.upload.id,
        "name": row.upload.name,
        "classes": list(row.upload.classes),
        "unpack": row.upload.unpack,
        "size": row.upload.size,
        "files": len(row.upload.files),
        "arrived": row.arrived.size,
        "whole": row.whole,
    }


def _upload(parts: Parts, upload: Upload, offsets: list[int]) -> dict[str, Any]:
    place = files_prefix(parts.pages.prefix)
    return {
        "id": upload.id,
        "name": upload.name,
        "files": [
            {
                "path": each.path,
                "size": each.size,
                "modified": each.modified,
                "offset": offset,
                "url": f"{place}{upload.id}-{number}",
            }
            for number, (each, offset) in enumerate(zip(upload.files, offsets, strict=True))
        ],
    }
