"""The headers of tar: ustar's, GNU's and pax's, read strictly. 512 bytes each, or behind one."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from publishing.formats.intake import ArchiveRefusedError
from room.datasets import archive_rules as rules

BLOCK = 512
#: Bytes of long names and of properties before one member.
MAX_EXTENDED = 1024**2

FILES, HARD_LINK, SYMBOLIC_LINK, DIRECTORY = (b"0", b"\0", b"7"), b"1", b"2", b"5"
DEVICES = (b"3", b"4", b"6")
#: pax's properties of the next member and of all, and GNU's long name and long target.
NEXT, ALL, LONG_NAME, LONG_TARGET = b"x", b"g", b"L", b"K"
EXTENDED = (NEXT, ALL, LONG_NAME, LONG_TARGET)
SPARSE = b"S"

_FIELDS = struct.Struct("100s 8s 16x 12s 12x 8s c 100s 8s 80x 155s 12x")
_CHECKSUM = slice(148, 156)
_OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*")
#: A pax record's length is of the whole record: no such length has more digits.
_RECORD = re.compile(rb"([0-9]{1,7}) ")
_NUMBER = re.compile(rb"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Header:
    """One header: a member's, or one that says more of the next."""

    name: bytes
    kind: bytes
    size: int
    mode: int
    target: bytes


def parse(block: bytes) -> Header:
    """Return what a header says. Raises ``ArchiveRefusedError`` where it is none, or is damaged."""
    name, mode, size, checksum, kind, target, magic, prefix = _FIELDS.unpack(block)
    if _number(checksum) != sum(block) - sum(block[_CHECKSUM]) + 8 * ord(" "):
        raise ArchiveRefusedError(rules.DAMAGED)
    name = _text(name)
    # GNU's magic is another one, and has times where the prefix would be.
    if magic == b"ustar\x0000" and (folder := _text(prefix)):
        name = folder + b"/" + name
    return Header(name, kind, _number(size, name), _number(mode, name), _text(target))


def is_header(block: bytes) -> bool:
    """Say whether a file that begins like this is a tar."""
    if len(block) < BLOCK:
        return False
    try:
        parse(block)
    except ArchiveRefusedError:
        return block == bytes(BLOCK)
    return True


def properties(data: bytes) -> dict[bytes, bytes]:
    """Return the records of a pax header: ``length key=value``, each with its newline."""
    found: dict[bytes, bytes] = {}
    while data:
        match = _RECORD.match(data)
        length = int(match[1]) if match else 0
        record, data = data[:length], data[length:]
        if match is None or len(record) < length or not record.endswith(b"\n"):
            raise ArchiveRefusedError(rules.DAMAGED)
        key, equals, value = record[match.end() : -1].partition(b"=")
        if not equals:
            raise ArchiveRefusedError(rules.DAMAGED)
        found[key] = value
    return found


class Extended:
    """What the headers before a member say of it. Each may come once."""

    def __init__(self) -> None:
        self._kinds: set[bytes] = set()
        self._found: dict[bytes, bytes] = {}

    def __bool__(self) -> bool:
        """Say whether a member has to follow."""
        return bool(self._kinds)

    def add(self, header: Header, data: bytes) -> None:
        """Take an extended header and what followed it."""
        found = properties(data) if header.kind in (NEXT, ALL) else {}
        if any(key.startswith((b"GNU.sparse.", b"SCHILY.realsize")) for key in found):
            raise ArchiveRefusedError(rules.SPARSE, found.get(b"GNU.sparse.name", header.name))
        if header.kind == ALL:
            # What git says of a commit; a name or a size that all members share would be a trick.
            if found.keys() & {b"path", b"linkpath", b"size"}:
                raise ArchiveRefusedError(rules.DAMAGED, header.name)
            return
        if header.kind == LONG_NAME:
            found = {b"path": _text(data)}
        elif header.kind == LONG_TARGET:
            found = {b"linkpath": _text(data)}
        if header.kind in self._kinds or found.keys() & self._found.keys():
            raise ArchiveRefusedError(rules.TWO_NAMES, found.get(b"path", header.name))
        self._kinds.add(header.kind)
        self._found |= found

    def apply(self, header: Header) -> Header:
        """Return a member's header with what was said of it before, which is forgotten then."""
        found, self._found, self._kinds = self._found, {}, set()
        name = found.get(b"path", header.name)
        size = header.size
        if b"size" in found:
            if not _NUMBER.fullmatch(found[b"size"]):
                raise ArchiveRefusedError(rules.DAMAGED, name)
            size = int(found[b"size"])
        target = found.get(b"linkpath", header.target)
        return Header(name, header.kind, size, header.mode, target)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes, name: bytes = b"") -> int:
    """Return a number written in octal digits, or by GNU in bytes."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise ArchiveRefusedError(rules.DAMAGED, name)
    return int(match[1] or b"0", 8)
