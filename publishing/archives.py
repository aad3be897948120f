"""Takes a dataset out of an archive that anybody may have made: all of it, or it is refused whole.

No library's ``extractall`` is used: what a member is called, what it is, and how much comes out of
it is judged here before it is handed on. The kind of an archive is told by its contents.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

from publishing.formats import tar_headers, tars, zip_records, zips
from publishing.formats.intake import ArchiveRefusedError, Intake, Progress, Sink
from publishing.formats.streams import Gunzip, Source, Stream, Unzstd
from room.datasets import archive_rules as rules
from room.datasets.archive_rules import Limits

__all__ = ["ArchiveRefusedError", "Heard", "Limits", "Progress", "Sink", "unpack"]

_GZIP = b"\x1f\x8b"
_ZSTD, _ZSTD_SKIPPED = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
#: What people send instead, told by its first bytes, by name.
_OTHERS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
}


class Heard(io.FileIO):
    """A file whose reader is heard of: ``tell`` has the bytes that were read, and may raise."""

    def __init__(
        self, file: str | int, tell: Callable[[int], None], *, closefd: bool = True
    ) -> None:
        super().__init__(file, closefd=closefd)
        self._told = tell

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._told(len(data))
        return data


def unpack(
    file: BinaryIO, name: str, sink: Sink, limits: Limits, progress: Progress | None = None
) -> None:
    """Hand every member of the archive in ``file`` to ``sink``. ``name``: how messages call it.

    A zip's list is checked whole before the first member is handed on; a tar is read as it comes,
    also from a file that cannot seek. So who calls takes away what the sink has, whenever this
    raises: ``ArchiveRefusedError``, or what ``file`` or ``sink`` raised.
    """
    try:
        _unpack(file, sink, limits, progress)
    except ArchiveRefusedError as refused:
        raise refused.of(name) from refused


def _unpack(file: BinaryIO, sink: Sink, limits: Limits, progress: Progress | None) -> None:
    size = file.seek(0, io.SEEK_END) if file.seekable() else None
    if size is not None:
        file.seek(0)
    source = Source(file)
    head = source.peek(tar_headers.BLOCK)
    intake = Intake(sink, limits, size, lambda: source.taken, progress)
    if head.startswith(zip_records.FIRST):
        if size is None:
            raise io.UnsupportedOperation("a zip is read from its end: the file must be seekable")
        zips.unpack(file, size, intake)
    else:
        tars.unpack(_unpacked(source, head), intake)


def _unpacked(source: Source, head: bytes) -> Stream:
    """Return the tar in a file that begins with ``head``."""
    if tar_headers.is_header(head):
        return source
    unpacker: type[Gunzip | Unzstd] | None = None
    if head.startswith(_GZIP):
        unpacker = Gunzip
    elif head.startswith(_ZSTD) or head[1:4] == _ZSTD_SKIPPED:
        unpacker = Unzstd
    if unpacker is None:
        kinds = (kind for magic, kind in _OTHERS.items() if head.startswith(magic))
        raise ArchiveRefusedError(rules.unknown_kind(next(kinds, "")))
    stream = Source(unpacker(source))
    if not tar_headers.is_header(stream.peek(tar_headers.BLOCK)):
        raise ArchiveRefusedError(rules.NO_TAR)
    return stream
