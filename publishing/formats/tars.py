"""Reads a tar in one pass, as it comes: nothing of it is seen twice."""

from __future__ import annotations

from collections.abc import Callable

from publishing.formats import tar_headers as tar
from publishing.formats.intake import CHUNK, ArchiveRefusedError, Intake
from publishing.formats.streams import Stream
from publishing.formats.tar_headers import BLOCK, Header
from room.datasets import archive_rules as rules

_END = bytes(BLOCK)


def unpack(stream: Stream, intake: Intake) -> None:
    """Hand on all members. Raises ``ArchiveRefusedError``, when some may have been handed on."""
    blocks = _Blocks(stream, intake)
    extended = tar.Extended()
    #: The size of each file that came, as hard links name it.
    sizes: dict[str, int] = {}
    while (block := blocks.exactly(BLOCK)) != _END:
        header = tar.parse(block)
        # Of those that say more of a member, each kind comes once before it.
        if header.kind == tar.ALL or header.kind not in tar.EXTENDED:
            intake.member(header.name)
        if header.kind in tar.EXTENDED:
            if header.size > tar.MAX_EXTENDED:
                raise ArchiveRefusedError(rules.LONG_HEADER, header.name)
            extended.add(header, blocks.padded(header.size))
        else:
            _take(extended.apply(header), blocks, intake, sizes)
    if extended or blocks.exactly(BLOCK) != _END:
        raise ArchiveRefusedError(rules.DAMAGED)
    blocks.nothing_more()


def _take(header: Header, blocks: _Blocks, intake: Intake, sizes: dict[str, int]) -> None:
    """Hand on one member."""
    kind = header.kind
    # What is older than ustar writes a folder as a file whose name ends with a slash.
    if kind == tar.DIRECTORY or (kind in tar.FILES and header.name.endswith(b"/")):
        _has_no_contents(header)
        intake.directory(intake.admit(header.name, "directory"))
    elif kind in tar.FILES:
        path = intake.admit(header.name, "file", header.size)
        sizes[path] = header.size
        intake.file(path, blocks.contents(header), bool(header.mode & 0o100))
        blocks.pad(header.size)
    elif kind == tar.SYMBOLIC_LINK:
        _has_no_contents(header)
        path = intake.admit(header.name, "link")
        intake.link(path, intake.target(path, header.target))
    elif kind == tar.HARD_LINK:
        _has_no_contents(header)
        source = intake.checked(header.target, header.name)
        if source not in sizes:
            raise ArchiveRefusedError(rules.NO_ORIGINAL, header.name)
        path = intake.admit(header.name, "file", sizes[source])
        sizes[path] = sizes[source]
        intake.copy(path, source)
    elif kind == tar.SPARSE:
        raise ArchiveRefusedError(rules.SPARSE, header.name)
    elif kind in tar.DEVICES:
        raise ArchiveRefusedError(rules.DEVICE, header.name)
    else:
        raise ArchiveRefusedError(rules.UNKNOWN, header.name)


def _has_no_contents(header: Header) -> None:
    """Refuse a size where programs do not agree whether contents follow."""
    if header.size:
        raise ArchiveRefusedError(rules.NOT_EMPTY, header.name)


class _Blocks:
    """A tar's bytes, counted against what may come out of the archive."""

    def __init__(self, stream: Stream, intake: Intake) -> None:
        self._stream, self._intake, self._taken = stream, intake, 0

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._taken += len(data)
        self._intake.expanded(self._taken)
        return data

    def exactly(self, size: int, name: bytes = b"") -> bytes:
        data = self._read(size)
        while len(data) < size:
            more = self._read(size - len(data))
            if not more:
                raise ArchiveRefusedError(rules.TRUNCATED, name)
            data += more
        return data

    def padded(self, size: int) -> bytes:
        data = self.exactly(size) if size else b""
        self.pad(size)
        return data

    def pad(self, size: int) -> None:
        """Read on to the next block, after contents of ``size`` bytes."""
        if rest := -size % BLOCK:
            self.exactly(rest)

    def contents(self, header: Header) -> Callable[[int], bytes]:
        """Return what reads a member's contents, and nothing behind them."""
        left = header.size

        def read(size: int) -> bytes:
            nonlocal left
            if not left:
                return b""
            data = self._read(min(size, left))
            if not data:
                raise ArchiveRefusedError(rules.TRUNCATED, header.name)
            left -= len(data)
            return data

        return read

    def nothing_more(self) -> None:
        """Read the zeros that fill up the last record. Anything else would be hidden there."""
        while data := self._read(CHUNK):
            if data.count(0) < len(data):
                raise ArchiveRefusedError(rules.BEHIND)
