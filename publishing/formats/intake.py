"""What every format does with a member once it knows what it is: checks, counts, hands on."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, Protocol

from room.datasets import archive_rules as rules
from room.datasets.archive_rules import Limits
from room.datasets.paths import Kind, Names, PathRefusedError, check, is_top, link_target, shown
from room.said import Said

#: Bytes that are read, inflated and handed on at once.
CHUNK = 256 * 1024

#: Called with the files and the bytes that were handed on so far.
Progress = Callable[[int, int], None]


class ArchiveRefusedError(ValueError):
    """An archive of which nothing may be kept. ``member``: as a message shows it, or nothing."""

    def __init__(self, reason: str, member: str | bytes = "", archive: str = "") -> None:
        self.reason, self._raw = reason, member
        self.member = shown(member) if member else ""
        super().__init__(rules.refused(shown(archive) if archive else "", self.member, reason))

    def of(self, archive: str) -> ArchiveRefusedError:
        """Return the same with the archive's name, which who reads a member does not know."""
        return ArchiveRefusedError(self.reason, self._raw, archive)


class Sink(Protocol):
    """Where members go. All paths are checked ones; the folders they imply are not announced."""

    def file(self, path: str, stream: BinaryIO, *, executable: bool) -> None:
        """Take a file. Reading raises ``ArchiveRefusedError`` where it proves to be damaged."""

    def copy(self, path: str, source: str) -> None:
        """Take a file that is the same as ``source``, which came before: a hard link."""

    def link(self, path: str, target: str) -> None:
        """Take a symbolic link, relative and inside the tree; it may lead to nothing."""

    def directory(self, path: str) -> None:
        """Take a folder, which may be there already."""


class Member(io.RawIOBase):
    """One member's contents. ``read(n)`` returns some bytes, none at the end; or it refuses."""

    def __init__(self, read: Callable[[int], bytes], passed: Callable[[int], None]) -> None:
        self._read, self._passed = read, passed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._read(min(len(buffer), CHUNK))
        buffer[: len(data)] = data
        self._passed(len(data))
        return len(data)


class Intake:
    """One archive's way into a sink.

    A member is admitted first, which checks its path and counts it, and handed on then.
    ``packed`` is the size of the archive, if it is known before its end; ``taken`` returns how
    much of it was read.
    """

    def __init__(
        self,
        sink: Sink,
        limits: Limits,
        packed: int | None,
        taken: Callable[[], int],
        progress: Progress | None = None,
    ) -> None:
        self._sink, self._limits, self._progress = sink, limits, progress
        self._packed, self._taken = packed, taken
        self._names = Names()
        self._members = self._admitted = self._files = self._bytes = 0

    def announced(self, members: int) -> None:
        """Refuse an archive that says itself that it has too many members."""
        self._refuse(rules.too_many(members, self._limits), b"")

    def member(self, raw: bytes) -> None:
        """Count what is in the archive for itself, whatever it is."""
        self._members += 1
        self._refuse(rules.too_many(self._members, self._limits), raw)

    def admit(self, raw: bytes, kind: Kind, size: int = 0) -> str:
        """Return the path of a member that may come in; nothing for the tree itself.

        Raises ``ArchiveRefusedError``, also where its ``size`` is too much already.
        """
        if kind == "directory" and is_top(raw):
            return ""
        path = self.checked(raw, raw)
        try:
            self._names.add(path, kind)
        except PathRefusedError as refused:
            raise ArchiveRefusedError(refused.rule, raw) from None
        self._refuse(rules.too_many(len(self._names), self._limits), raw)
        self._admitted += size
        self._refuse(rules.too_large(self._admitted, self._limits), raw)
        if self._packed is not None:
            self._refuse(rules.expands(self._admitted, self._packed, self._limits), raw)
        return path

    def checked(self, raw: bytes, member: bytes) -> str:
        """Return a path that ``member`` names, its own or its original's."""
        try:
            return check(raw)
        except PathRefusedError as refused:
            raise ArchiveRefusedError(refused.rule, member) from None

    def target(self, path: str, raw: bytes) -> str:
        """Return where the link at ``path`` may lead."""
        try:
            return link_target(path, raw)
        except PathRefusedError as refused:
            raise ArchiveRefusedError(refused.rule, path) from None

    def expanded(self, unpacked: int) -> None:
        """Refuse an archive of which so many bytes came."""
        packed = self._taken() if self._packed is None else self._packed
        self._refuse(rules.expands(unpacked, packed, self._limits), b"")

    def _refuse(self, reason: Said | None, raw: bytes) -> None:
        if reason:
            raise ArchiveRefusedError(reason, raw)

    # -- handing on -------------------------------------------------------------------------------

    def file(self, path: str, read: Callable[[int], bytes], executable: bool) -> None:
        """Hand on a file, and read what the sink left, as it is checked at its end."""
        with io.BufferedReader(Member(read, self._passed), CHUNK) as stream:
            self._sink.file(path, stream, executable=executable)
            while stream.read(CHUNK):
                continue
        self._done()

    def copy(self, path: str, source: str) -> None:
        self._sink.copy(path, source)
        self._done()

    def link(self, path: str, target: str) -> None:
        self._sink.link(path, target)
        self._done()

    def directory(self, path: str) -> None:
        if path:
            self._sink.directory(path)

    def _passed(self, size: int) -> None:
        self._bytes += size
        self._tell()

    def _done(self) -> None:
        self._files += 1
        self._tell()

    def _tell(self) -> None:
        if self._progress:
            self._progress(self._files, self._bytes)
