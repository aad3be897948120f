"""A file that is being fetched: what of it is there, and of which state of its source."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from publishing.stage import Brought, Stamp

_CHUNK = 1 << 20
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Part:
    """Beside it lies a note of what it is a part of; of another state, it begins anew.

    ``tell`` hears of the bytes that are there already, when they are read once more for their hash.
    """

    def __init__(self, path: Path, source: Stamp, tell: Callable[[int], None]) -> None:
        self._path, self._tell = path, tell
        self.size, self._hash = 0, hashlib.sha256()
        note = path.with_suffix(".json")
        known = _noted(note) == source
        if not known:
            path.unlink(missing_ok=True)
            aside = note.with_suffix(".new")
            aside.write_text(json.dumps(source))
            aside.replace(note)
        self._file = os.open(path, _FLAGS, 0o600)
        while piece := os.read(self._file, _CHUNK):
            self._count(piece)

    def __enter__(self) -> Part:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def begin_anew(self) -> None:
        if self.size:
            self._tell(-self.size)
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self.size, self._hash = 0, hashlib.sha256()

    def write(self, piece: bytes) -> None:
        left = memoryview(piece)
        while left:
            left = left[os.write(self._file, left) :]
        self._count(piece)

    def brought(self) -> Brought:
        return Brought(self._path, self._hash.hexdigest(), self.size)

    def _count(self, piece: bytes) -> None:
        self._hash.update(piece)
        self.size += len(piece)
        self._tell(len(piece))


def _noted(note: Path) -> Stamp | None:
    try:
        return tuple(json.loads(note.read_bytes()))
    except (FileNotFoundError, ValueError):
        return None
