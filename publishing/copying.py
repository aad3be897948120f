"""Copying a file and taking its SHA-256 on the way: what is published is what was read."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable
from typing import BinaryIO

#: Bytes at a time: large enough that Python is not what is waited for.
CHUNK = 1 << 20
#: Linux: let a file share another one's blocks (ioctl_ficlone(2)).
FICLONE = 0x40049409


class ChangedError(Exception):
    """A file was another when it had been read; the message names it."""


def digest(source: int, tell: Callable[[int], None]) -> tuple[str, int]:
    """Return SHA-256 and size of an open file. ``tell`` hears of bytes, and may raise to stop."""
    found, size, buffer = hashlib.sha256(), 0, memoryview(bytearray(CHUNK))
    os.lseek(source, 0, os.SEEK_SET)
    while read := os.readv(source, [buffer]):
        found.update(buffer[:read])
        size += read
        tell(read)
    return found.hexdigest(), size


def copy(source: int, target: int, tell: Callable[[int], None]) -> tuple[str, int]:
    """Copy one open file to another; return SHA-256 and size of what was copied."""
    found, size, buffer = hashlib.sha256(), 0, memoryview(bytearray(CHUNK))
    os.lseek(source, 0, os.SEEK_SET)
    while read := os.readv(source, [buffer]):
        piece = buffer[:read]
        found.update(piece)
        _write(target, piece)
        size += read
        tell(read)
    return found.hexdigest(), size


def save(source: BinaryIO, target: int, tell: Callable[[int], None]) -> tuple[str, int]:
    """Write what a stream gives to an open file; return its SHA-256 and size."""
    found, size = hashlib.sha256(), 0
    while piece := source.read(CHUNK):
        found.update(piece)
        _write(target, memoryview(piece))
        size += len(piece)
        tell(len(piece))
    return found.hexdigest(), size


def clone(source: int, target: int) -> bool:
    """Let ``target`` share the blocks of ``source``. False: this file system cannot."""
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError:
        return False
    return True


def _write(target: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(target, piece) :]
