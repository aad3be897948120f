"""The records of a zip (APPNOTE 6.3): its end, its list, and the header before each member."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from publishing.formats.intake import ArchiveRefusedError
from room.datasets import archive_rules as rules

FIRST = (b"PK\x03\x04", b"PK\x05\x06")
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LISTED = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_EXTRA = struct.Struct("<2H")
_FULL, _FULL16 = 0xFFFFFFFF, 0xFFFF
_MAX_COMMENT = 0xFFFF
_ZIP64, _UNICODE_PATH, _AES = 0x0001, 0x7075, 0x9901

#: Flags: encrypted in three ways, sizes behind the member, a patch, a name in UTF-8.
_ENCRYPTED, _LATER, _PATCH, _UTF8 = 0x2041, 0x0008, 0x0020, 0x0800
#: Those that change what a program reads; the others say how hard Deflate tried.
_READ_BY = _ENCRYPTED | _LATER | _PATCH | _UTF8
_AES_METHOD = 99


@dataclass(frozen=True, slots=True)
class List:
    """Where a zip's list is: from, to, and of how many members."""

    start: int
    end: int
    count: int


@dataclass(frozen=True, slots=True)
class Record:
    """One member, as the list or its own header has it. ``raw``: its name there."""

    raw: bytes
    name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    mode: int
    offset: int


def exactly(file: BinaryIO, size: int, name: bytes = b"") -> bytes:
    """Return ``size`` bytes. A file may give them in portions."""
    data = file.read(size)
    while len(data) < size:
        more = file.read(size - len(data))
        if not more:
            raise ArchiveRefusedError(rules.TRUNCATED, name)
        data += more
    return data


def end(file: BinaryIO, size: int) -> List:
    """Return where the list is. Nothing may be behind its end but its own comment."""
    start = max(0, size - _END.size - _MAX_COMMENT)
    file.seek(start)
    tail = exactly(file, size - start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise ArchiveRefusedError(rules.TRUNCATED)
    _, disk, first_disk, here, count, length, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise ArchiveRefusedError(rules.BEHIND)
    until = start + at
    found: tuple[int, ...] = (disk, first_disk, here, count, length, offset)
    if until >= _LOCATOR.size:
        file.seek(until - _LOCATOR.size)
        locator = exactly(file, _LOCATOR.size)
        if locator.startswith(b"PK\x06\x07"):
            until, found = _end64(file, locator, until - _LOCATOR.size, found)
    disk, first_disk, here, count, length, offset = found
    if disk or first_disk or here != count:
        raise ArchiveRefusedError(rules.VOLUMES)
    if offset + length != until:
        raise ArchiveRefusedError(rules.DAMAGED)
    return List(offset, until, count)


def _end64(
    file: BinaryIO, locator: bytes, until: int, short: tuple[int, ...]
) -> tuple[int, tuple[int, ...]]:
    """Return where the zip64 end begins and what it says, which is what the ``short`` one says."""
    _, disk, at, disks = _LOCATOR.unpack(locator)
    if disk or disks > 1:
        raise ArchiveRefusedError(rules.VOLUMES)
    if at + _END64.size > until:
        raise ArchiveRefusedError(rules.DAMAGED)
    file.seek(at)
    magic, size, _, _, *found = _END64.unpack(exactly(file, _END64.size))
    if magic != b"PK\x06\x06" or at + 12 + size != until:
        raise ArchiveRefusedError(rules.DAMAGED)
    full = (_FULL16, _FULL16, _FULL16, _FULL16, _FULL, _FULL)
    if any(one not in (most, other) for one, most, other in zip(short, full, found, strict=True)):
        raise ArchiveRefusedError(rules.DAMAGED)
    return at, tuple(found)


def listed(file: BinaryIO, left: int) -> tuple[Record, int]:
    """Return the next member of the list, and its bytes, of which ``left`` are left."""
    if left < _LISTED.size:
        raise ArchiveRefusedError(rules.DAMAGED)
    fields = _LISTED.unpack(exactly(file, _LISTED.size))
    magic, _, _, flags, method, _, _, checksum, packed, size = fields[:10]
    name_size, extra_size, comment_size, disk, _, attributes, offset = fields[10:]
    whole = _LISTED.size + name_size + extra_size + comment_size
    if magic != b"PK\x01\x02" or whole > left:
        raise ArchiveRefusedError(rules.DAMAGED)
    raw = exactly(file, name_size)
    extra = _extra(exactly(file, extra_size), raw)
    exactly(file, comment_size)
    if disk not in (0, _FULL16):
        raise ArchiveRefusedError(rules.VOLUMES, raw)
    size, packed, offset = _large(extra, (size, packed, offset), raw)
    if flags & _ENCRYPTED or method == _AES_METHOD or _AES in extra:
        raise ArchiveRefusedError(rules.ENCRYPTED, raw)
    name = _name(raw, extra)
    if flags & _PATCH:
        raise ArchiveRefusedError(rules.UNKNOWN, name)
    mode = attributes >> 16
    return Record(raw, name, flags, method, checksum, packed, size, mode, offset), whole


def local(file: BinaryIO, listed: Record, limit: int) -> tuple[int, int]:
    """Return where a member's data begin, and where it ends: all before ``limit``.

    Raises ``ArchiveRefusedError`` where its own header says something else than the list.
    """
    if listed.offset + _LOCAL.size > limit:
        raise ArchiveRefusedError(rules.DAMAGED, listed.name)
    file.seek(listed.offset)
    header = exactly(file, _LOCAL.size, listed.name)
    magic, _, flags, method, _, _, checksum, packed, size, name_size, extra_size = _LOCAL.unpack(
        header
    )
    if magic != b"PK\x03\x04":
        raise ArchiveRefusedError(rules.DAMAGED, listed.name)
    raw = exactly(file, name_size, listed.name)
    extra = _extra(exactly(file, extra_size, listed.name), listed.name)
    size, packed = _large(extra, (size, packed), listed.name)
    start = listed.offset + _LOCAL.size + name_size + extra_size
    end = start + listed.packed
    if end > limit:
        raise ArchiveRefusedError(rules.DAMAGED, listed.name)
    # Where the sizes come later, nothing or what fills a field may stand for them.
    empty = (0, _FULL) if flags & _LATER else ()
    same = (
        raw == listed.raw
        and _name(raw, extra) == listed.name
        and flags & _READ_BY == listed.flags & _READ_BY
        and method == listed.method
        and checksum in (listed.checksum, *empty[:1])
        and packed in (listed.packed, *empty)
        and size in (listed.size, *empty)
    )
    if not same:
        raise ArchiveRefusedError(rules.LISTED, listed.name)
    return start, end + (_later(file, listed, end, limit) if flags & _LATER else 0)


def _later(file: BinaryIO, listed: Record, at: int, limit: int) -> int:
    """Return the size of the record behind a member: with a magic or without, long or short."""
    file.seek(at)
    found = file.read(min(24, limit - at))
    for magic in (b"PK\x07\x08", b""):
        for numbers in ("<LQQ", "<LLL"):
            try:
                said = struct.pack(numbers, listed.checksum, listed.packed, listed.size)
            except struct.error:
                continue
            if found.startswith(magic + said):
                return len(magic + said)
    raise ArchiveRefusedError(rules.LISTED, listed.name)


def _extra(data: bytes, name: bytes) -> dict[int, bytes]:
    """Return the extra fields by their number. What aligns a member is no field."""
    found: dict[int, bytes] = {}
    while len(data) >= _EXTRA.size:
        number, size = _EXTRA.unpack_from(data)
        field, data = data[_EXTRA.size : _EXTRA.size + size], data[_EXTRA.size + size :]
        if len(field) < size or (number == _ZIP64 and number in found):
            raise ArchiveRefusedError(rules.DAMAGED, name)
        found[number] = field
    return found


def _large(extra: dict[int, bytes], numbers: tuple[int, ...], name: bytes) -> tuple[int, ...]:
    """Return numbers, those that did not fit from the zip64 field, where they are in order."""
    field = extra.get(_ZIP64)
    if field is None:
        return numbers
    found = []
    for number in numbers:
        if number == _FULL:
            if len(field) < 8:
                raise ArchiveRefusedError(rules.DAMAGED, name)
            number, field = int.from_bytes(field[:8], "little"), field[8:]
        found.append(number)
    return tuple(found)


def _name(raw: bytes, extra: dict[int, bytes]) -> bytes:
    """Return the name in UTF-8, which Info-ZIP writes beside one in the system's own letters."""
    field = extra.get(_UNICODE_PATH, b"")
    is_of_it = int.from_bytes(field[1:5], "little") == zlib.crc32(raw)
    return field[5:] if len(field) > 5 and field[:1] == b"\x01" and is_of_it else raw
