"""The tus protocol (tus.io, 1.0.0): the bytes of a file, from where the last connection left it.

``tuspyserver`` speaks it, over a storage of our own. Its other parts are not used: its own files
wait for a lock while the whole server stands still, and take bytes twice after a kill; what it
creates has no bound. A file is created with its upload (``console.uploads``), and has its address
from there.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.routing import APIRoute
from tuspyserver import create_tus_router
from tuspyserver.storage import TusStorage

from console.incoming import Incoming, NoSuchUploadError, Upload
from room.said import said

#: Bytes of one request. What came of one that is cut short counts, so it bounds no loss, but how
#: long a request takes: the proxy's server waits five minutes for the whole of one.
CHUNK = 16 * 1024**2
#: Bytes that are written at once.
WRITE = 1024**2

FULL = said("The disk is full. What came so far is kept: go on when an admin has made room.")
#: Of those that it answers; none makes or finds out anything by itself.
METHODS = {"HEAD", "PATCH"}


class _Writer:
    """One request that goes on with a file; another one for the same file takes it over.

    A connection that was cut may look alive for long. So who comes later is not kept waiting.
    """

    def __init__(self, incoming: Incoming, upload: Upload, number: int) -> None:
        self._incoming, self._upload, self._number = incoming, upload, number
        self._busy = asyncio.Lock()
        self._buffer = bytearray()
        self._at: int | None = None
        self._over = False

    async def append(self, piece: bytes) -> None:
        self._buffer += piece
        if len(self._buffer) >= WRITE:
            async with self._turn():
                await asyncio.to_thread(self._write)

    async def flush(self) -> None:
        async with self._turn():
            await asyncio.to_thread(self._keep)

    async def close(self) -> None:
        """Return once nothing more is written."""
        self._over = True
        async with self._busy:
            pass

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._busy:
            if self._over:
                raise HTTPException(409, "Another request goes on with this file.")
            try:
                yield
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise HTTPException(507, FULL) from error

    def _write(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        if not data:
            return
        if self._at is None:
            self._at = self._incoming.offset(self._upload, self._number)
        self._incoming.write(self._upload, self._number, self._at, data)
        self._at += len(data)

    def _keep(self) -> None:
        self._write()
        self._incoming.keep(self._upload, self._number)


#: The one of the request that is being answered.
_WRITER: ContextVar[_Writer] = ContextVar("writer")


class Storage(TusStorage):
    """Uploads as ``tuspyserver`` knows them: by the address of each file."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._writers: dict[str, _Writer] = {}

    @asynccontextmanager
    async def lock(self, uid: str) -> AsyncIterator[None]:
        upload, number = self._incoming.find(uid)
        before = self._writers.get(uid)
        writer = self._writers[uid] = _Writer(self._incoming, upload, number)
        token = _WRITER.set(writer)
        try:
            if before is not None:
                await before.close()
            yield
        finally:
            _WRITER.reset(token)
            await writer.close()
            if self._writers.get(uid) is writer:
                del self._writers[uid]

    async def release(self, upload: Upload) -> None:
        """Let nobody go on with what is being removed."""
        for uid, writer in list(self._writers.items()):
            if uid.startswith(upload.id):
                await writer.close()

    async def exists(self, uid: str) -> bool:
        try:
            await asyncio.to_thread(self._incoming.find, uid)
        except NoSuchUploadError:
            return False
        return True

    async def size(self, uid: str) -> int:
        return (await self._look(uid))[1] if await self.exists(uid) else 0

    async def append(self, uid: str, chunk: bytes) -> None:
        await _WRITER.get().append(chunk)

    async def flush(self, uid: str) -> None:
        await _WRITER.get().flush()

    async def finalize(self, uid: str) -> None:
        await asyncio.to_thread(self._incoming.finish, *self._incoming.find(uid))

    async def read_info(self, uid: str) -> dict[str, Any] | None:
        """Return what there is of a file. It is always what the disk has."""
        if not await self.exists(uid):
            return None
        (upload, number), offset = await self._look(uid)
        file = upload.files[number]
        # Without both it answers nobody who asks for the offset.
        metadata = {"filename": file.path, "filetype": "application/octet-stream"}
        return {
            "metadata": metadata,
            "size": file.size,
            "offset": offset,
            "created_at": "",
            "expires": None,
        }

    async def write_info(self, uid: str, data: dict[str, Any]) -> None:
        """Nothing of it is to be kept: an offset beside the bytes can be wrong."""

    async def _look(self, uid: str) -> tuple[tuple[Upload, int], int]:
        found = self._incoming.find(uid)
        return found, await asyncio.to_thread(self._incoming.offset, *found)

    async def create(self, uid: str) -> None:
        """Only an upload has files."""
        raise HTTPException(404)

    async def delete(self, uid: str) -> None:
        """Only with its upload."""
        raise HTTPException(404)

    async def read(self, uid: str) -> bytes | None:
        """Nobody is given what was uploaded: it is read where it is published."""
        return None

    async def list_uids(self) -> list[str]:
        """What is over is found by upload, and not by file."""
        return []

    def location(self, uid: str) -> str:
        return uid


def router(
    prefix: str, storage: TusStorage, own: Callable[[Request, str], Awaitable[None]]
) -> APIRouter:
    """Return its addresses. ``own`` raises unless who asks may: before anything of it is read."""
    logging.getLogger("tuspyserver").setLevel(logging.WARNING)
    spoken = create_tus_router(prefix, max_size=1 << 62, storage=storage)
    spoken.routes[:] = [
        route for route in spoken.routes if isinstance(route, APIRoute) and route.methods & METHODS
    ]
    made = APIRouter()
    made.include_router(spoken, dependencies=[Depends(own)])
    return made
