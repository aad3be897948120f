"""Archives made byte by byte, as no library makes them, and a sink that remembers."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import zstandard

from publishing.archives import Limits, unpack
from room.datasets.paths import check, link_target

GIB = 1024**3
LIMITS = Limits(bytes=20 * GIB)


class Recording:
    """A sink that keeps what came, and sees to it that all of it was checked."""

    def __init__(self, keep: bool = True) -> None:
        self.keep, self.bytes = keep, 0
        self.files: dict[str, bytes] = {}
        self.executable: set[str] = set()
        self.links: dict[str, str] = {}
        self.directories: set[str] = set()

    def file(self, path: str, stream: BinaryIO, *, executable: bool) -> None:
        assert check(path) == path
        content = []
        while data := stream.read(100_000):
            self.bytes += len(data)
            content += [data] if self.keep else []
        assert path not in self.files
        self.files[path] = b"".join(content)
        if executable:
            self.executable.add(path)

    def copy(self, path: str, source: str) -> None:
        assert check(path) == path
        self.files[path] = self.files[source]
        if source in self.executable:
            self.executable.add(path)

    def link(self, path: str, target: str) -> None:
        assert check(path) == path
        assert link_target(path, target) == target
        self.links[path] = target

    def directory(self, path: str) -> None:
        assert check(path) == path
        self.directories.add(path)


class OneWay(io.RawIOBase):
    """A file that comes over the network: no seeking, and short reads."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), 700))
        buffer[: len(data)] = data
        return len(data)


def unpacked(data: bytes, limits: Limits = LIMITS) -> Recording:
    """Return what comes out of an archive."""
    sink = Recording()
    unpack(io.BytesIO(data), "set.zip", sink, limits)
    return sink


# -- tar -----------------------------------------------------------------------------------------


def header(
    name: bytes,
    kind: bytes = b"0",
    size: int | bytes = 0,
    *,
    mode: int = 0o644,
    target: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
) -> bytes:
    """Return one header, with its checksum."""
    number = size if isinstance(size, bytes) else b"%011o\0" % size
    block = struct.pack(
        "100s8s8s8s12s12s8sc100s8s80x155s12x",
        *(name, b"%07o\0" % mode, b"", b"", number, b"", b" " * 8, kind, target, magic, prefix),
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def contents(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def member(name: bytes, data: bytes = b"", **said: Any) -> bytes:
    """Return a file as it lies in a tar."""
    return header(name, size=len(data), **said) + contents(data)


def record(key: bytes, value: bytes) -> bytes:
    """Return a record of pax, which begins with its own length."""
    rest, length = b" " + key + b"=" + value + b"\n", 0
    while length != len(str(length)) + len(rest):
        length = len(str(length)) + len(rest)
    return b"%d%s" % (length, rest)


def pax(kind: bytes = b"x", **records: bytes) -> bytes:
    """Return a header with properties. ``GNU__sparse__major`` stands for dots."""
    data = b"".join(record(k.replace("__", ".").encode(), v) for k, v in records.items())
    return header(b"pax", kind, len(data)) + contents(data)


def tar(*parts: bytes) -> bytes:
    """Return a whole tar of headers and contents."""
    return b"".join(parts) + bytes(1024)


def gzipped(data: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(data) + packer.flush()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(data)


def gzip_of(head: bytes, part: bytes, times: int) -> bytes:
    """Return the beginning of a gzip file: ``head``, and so often ``part``, packed only once."""
    packer = zlib.compressobj(9, wbits=31)
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + (packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)) * times


def zstd_of_zeros(head: bytes, mebibytes: int) -> bytes:
    """Return a Zstandard file of ``head`` and zeros: a block of 4 bytes makes 128 KiB."""
    window = b"\x28\xb5\x2f\xfd\x00\x38"
    block = (len(head) << 3).to_bytes(3, "little") + head
    repeat = (128 * 1024 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    return window + block + repeat * (8 * mebibytes - 1) + bytes([repeat[0] | 1]) + repeat[1:]


# -- zip -----------------------------------------------------------------------------------------


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


@dataclass
class Zipped:
    """One member. ``listed`` and ``local`` say otherwise in the list, and before the member."""

    name: bytes
    data: bytes = b"x"
    method: int = 8
    flags: int = 0
    mode: int = 0o100644
    packed: bytes | None = None
    later: bytes = b""
    listed: Mapping[str, Any] = field(default_factory=dict)
    local: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.packed is None:
            self.packed = deflated(self.data) if self.method == 8 else self.data
        self.said = {
            **{"name": self.name, "method": self.method, "flags": self.flags, "extra": b""},
            **{"checksum": zlib.crc32(self.data), "packed": len(self.packed)},
            **{"size": len(self.data), "mode": self.mode, "disk": 0},
        }

    def at(self, offset: int) -> tuple[bytes, bytes]:
        """Return the member with its own header, and its place in the list."""
        said = {**self.said, **self.local}
        numbers = (20, said["flags"], said["method"], 0, 33, said["checksum"], said["packed"])
        lengths = (said["size"], len(said["name"]), len(said["extra"]))
        own = struct.pack("<4s5H3L2H", b"PK\x03\x04", *numbers, *lengths)
        assert self.packed is not None
        whole = own + said["name"] + said["extra"] + self.packed + self.later
        said = {**self.said, "offset": offset, **self.listed}
        numbers = (788, 20, said["flags"], said["method"], 0, 33, said["checksum"])
        lengths = (said["packed"], said["size"], len(said["name"]), len(said["extra"]), 0)
        rest = (said["disk"], 0, said["mode"] << 16, said["offset"])
        entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *numbers, *lengths, *rest)
        return whole, entry + said["name"] + said["extra"]


def made_zip(*members: Zipped, comment: bytes = b"", behind: bytes = b"", **said: int) -> bytes:
    """Return a zip. ``said``: other numbers in its end: disk, here, count, length, offset."""
    body, entries = b"", b""
    for one in members:
        whole, entry = one.at(len(body))
        body, entries = body + whole, entries + entry
    numbers = {
        **{"disk": 0, "first": 0, "here": len(members), "count": len(members)},
        **{"length": len(entries), "offset": len(body), "comment": len(comment)},
        **said,
    }
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", *numbers.values()) + comment
    return body + entries + behind + end


def end64(start: int, list_at: int, list_size: int, members: int, **said: int) -> bytes:
    """Return a zip64 end and its locator, which begin at ``start``."""
    numbers = {
        **{"size": 44, "made": 45, "need": 45, "disk": 0, "first": 0},
        **{"here": members, "count": members, "length": list_size, "offset": list_at},
    }
    numbers |= {key: value for key, value in said.items() if key in numbers}
    end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", *numbers.values())
    place = (said.get("locator_disk", 0), said.get("at", start), said.get("disks", 1))
    return end + struct.pack("<4sLQL", b"PK\x06\x07", *place)
