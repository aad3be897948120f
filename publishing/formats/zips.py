"""Reads a zip: its list and every member's header first, and only then the first contents."""

from __future__ import annotations

import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from publishing.formats import zip_records as records
from publishing.formats.intake import CHUNK, ArchiveRefusedError, Intake
from publishing.formats.zip_records import Record
from room.datasets import archive_rules as rules
from room.datasets.paths import Kind

_STORED, _DEFLATED = 0, 8
#: Bytes of a link's target (PATH_MAX of Linux).
_LINK_MOST = 4096
_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 98: "PPMd"}
_KINDS: dict[int, Kind] = {
    0: "file",
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
}
_DEVICES = (stat.S_IFBLK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK)


@dataclass(slots=True)
class _Entry:
    """One member that may come in. ``span``: its data, and then its end."""

    record: Record
    kind: Kind
    path: str
    start: int = 0
    end: int = 0
    target: str = ""


def unpack(file: BinaryIO, size: int, intake: Intake) -> None:
    """Hand on all members, or nothing where the archive says something that is refused.

    Raises ``ArchiveRefusedError``; when contents prove to be damaged, some were handed on.
    """
    where = records.end(file, size)
    entries = sorted(_listed(file, where, intake), key=lambda entry: entry.record.offset)
    for entry in entries:
        entry.start, entry.end = records.local(file, entry.record, where.start)
    for one, other in pairwise(entries):
        if one.end > other.record.offset:
            raise ArchiveRefusedError(rules.OVERLAP, other.record.name)
    for entry in entries:
        if entry.kind == "link":
            entry.target = intake.target(entry.path, _whole(file, entry))
    for entry in entries:
        if entry.kind == "directory":
            intake.directory(entry.path)
        elif entry.kind == "link":
            intake.link(entry.path, entry.target)
        else:
            executable = bool(entry.record.mode & stat.S_IXUSR)
            intake.file(entry.path, contents(file, entry), executable)


def _listed(file: BinaryIO, where: records.List, intake: Intake) -> Iterator[_Entry]:
    """Yield the members of the list, each admitted by its name, kind and size."""
    intake.announced(where.count)
    file.seek(where.start)
    left = where.end - where.start
    for _ in range(where.count):
        record, size = records.listed(file, left)
        left -= size
        kind = _kind(record)
        intake.member(record.name)
        yield _Entry(record, kind, intake.admit(record.name, kind, record.size))
    if left:
        raise ArchiveRefusedError(rules.DAMAGED)


def _kind(record: Record) -> Kind:
    """Say what a member is. Raises ``ArchiveRefusedError`` where it can be none of a dataset."""
    if record.method not in (_STORED, _DEFLATED):
        method = _METHODS.get(record.method, f"method {record.method}")
        raise ArchiveRefusedError(rules.unknown_method(method), record.name)
    if record.method == _STORED and record.packed != record.size:
        raise ArchiveRefusedError(rules.SIZES, record.name)
    written = stat.S_IFMT(record.mode)
    if written not in _KINDS:
        reason = rules.DEVICE if written in _DEVICES else rules.UNKNOWN
        raise ArchiveRefusedError(reason, record.name)
    kind = _KINDS[written]
    if kind == "file" and record.name.endswith(b"/"):
        kind = "directory"
    # A folder has nothing in it, and a link no more than a path.
    if record.size > {"file": record.size, "directory": 0, "link": _LINK_MOST}[kind]:
        raise ArchiveRefusedError(rules.NOT_EMPTY, record.name)
    return kind


def _whole(file: BinaryIO, entry: _Entry) -> bytes:
    """Return a member's contents, which are short."""
    read, whole = contents(file, entry), b""
    while data := read(CHUNK):
        whole += data
    return whole


def contents(file: BinaryIO, entry: _Entry) -> Callable[[int], bytes]:
    """Return what reads a member's contents: as many bytes as it said, of its checksum."""
    return (_Stored if entry.record.method == _STORED else _Inflated)(file, entry).read


class _Stored:
    """A member as it lies in the file."""

    def __init__(self, file: BinaryIO, entry: _Entry) -> None:
        self._file, self._record = file, entry.record
        self._left, self._packed, self._checksum = entry.record.size, entry.record.packed, 0
        self._is_checked = False
        file.seek(entry.start)

    def read(self, size: int) -> bytes:
        data = self._portion(size)
        self._left -= len(data)
        self._checksum = zlib.crc32(data, self._checksum)
        if self._left < 0 or (not data and self._left):
            raise ArchiveRefusedError(rules.SIZES, self._record.name)
        if not data and self._checksum != self._record.checksum:
            raise ArchiveRefusedError(rules.CHECKSUM, self._record.name)
        return data

    def _portion(self, size: int) -> bytes:
        """Return the next bytes, and none at the end only."""
        return self._take(size)

    def _take(self, size: int) -> bytes:
        """Return bytes of the file, as long as they are this member's."""
        data = self._file.read(min(size, self._packed))
        self._packed -= len(data)
        return data


class _Inflated(_Stored):
    """A member that is compressed by Deflate."""

    def __init__(self, file: BinaryIO, entry: _Entry) -> None:
        super().__init__(file, entry)
        self._decoder, self._input = zlib.decompressobj(-zlib.MAX_WBITS), b""

    def _portion(self, size: int) -> bytes:
        while not self._decoder.eof:
            self._input = self._input or self._take(CHUNK)
            at_end = not self._input
            try:
                data = self._decoder.decompress(self._input, size)
            except zlib.error:
                raise ArchiveRefusedError(rules.CHECKSUM, self._record.name) from None
            self._input = self._decoder.unconsumed_tail
            if data:
                return data
            if at_end and not self._decoder.eof:
                raise ArchiveRefusedError(rules.SIZES, self._record.name)
        if self._packed or self._decoder.unused_data:
            raise ArchiveRefusedError(rules.SIZES, self._record.name)
        return b""
