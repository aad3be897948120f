"""An archive's bytes as they come: plain, or out of gzip and Zstandard, and never many at once."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from typing import BinaryIO, Protocol

import zstandard

from publishing.formats.intake import CHUNK, ArchiveRefusedError
from room.datasets import archive_rules as rules

#: Zstandard may ask for as much memory as its command does without being told to.
_WINDOW = 128 * 1024**2
#: Bytes that are given to Zstandard at once. Four of them make 128 KiB at most, and it returns
#: whatever comes out: so these are 32 MiB in the worst archive.
_PIECE = 1024
#: Bytes of gzip that are read at once: what is left of them is copied at each member's end.
_INPUT = 16 * 1024
_GZIP = zlib.MAX_WBITS | 16


class Stream(Protocol):
    """Where bytes come from."""

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes, and none at the end only."""


class Source:
    """A file or stream at which one can look ahead. ``taken``: the bytes that were read."""

    def __init__(self, file: BinaryIO | Stream) -> None:
        self._file, self._head, self.taken = file, b"", 0

    def peek(self, size: int) -> bytes:
        """Return the next ``size`` bytes, or all there are; they are read again."""
        while len(self._head) < size and (more := self._file.read(size - len(self._head))):
            self._head += more
        return self._head[:size]

    def read(self, size: int) -> bytes:
        data, self._head = self._head[:size], self._head[size:]
        data = data or self._file.read(size)
        self.taken += len(data)
        return data


class _Unpacked(ABC):
    """Bytes that come in portions, read in any."""

    def __init__(self) -> None:
        self._output = memoryview(b"")

    def read(self, size: int) -> bytes:
        if not self._output:
            self._output = memoryview(self._more())
        data, self._output = bytes(self._output[:size]), self._output[size:]
        return data

    @abstractmethod
    def _more(self) -> bytes:
        """Return the next portion, and nothing at the end only."""


class Gunzip(_Unpacked):
    """The contents of a gzip file, of one or of several members, whose checksums are right."""

    def __init__(self, source: Stream) -> None:
        super().__init__()
        self._source, self._input = source, b""
        self._decoder = zlib.decompressobj(_GZIP)

    def _more(self) -> bytes:
        while not self._decoder.eof or self._another():
            self._input = self._input or self._source.read(_INPUT)
            at_end = not self._input
            try:
                data = self._decoder.decompress(self._input, CHUNK)
            except zlib.error:
                raise ArchiveRefusedError(rules.DAMAGED) from None
            self._input = self._decoder.unused_data or self._decoder.unconsumed_tail
            if data:
                return data
            if at_end and not self._decoder.eof:
                raise ArchiveRefusedError(rules.TRUNCATED)
        return b""

    def _another(self) -> bool:
        """Go on to the next member, over the zeros that tapes and disks fill up with."""
        while not self._input.strip(b"\0"):
            self._input = self._source.read(_INPUT)
            if not self._input:
                return False
        self._input = self._input.lstrip(b"\0")
        self._decoder = zlib.decompressobj(_GZIP)
        return True


class Unzstd(_Unpacked):
    """The contents of a Zstandard file, of one frame or of several, whose checksums are right."""

    def __init__(self, source: Stream) -> None:
        super().__init__()
        self._source, self._input, self._at = source, b"", 0
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self._frame = self._decompressor.decompressobj()

    def _more(self) -> bytes:
        while True:
            if self._at == len(self._input):
                self._input, self._at = self._source.read(CHUNK), 0
            if not self._input:
                if not self._frame.eof:
                    raise ArchiveRefusedError(rules.TRUNCATED)
                return b""
            if data := self._piece():
                return data

    def _piece(self) -> bytes:
        if self._frame.eof:
            self._frame = self._decompressor.decompressobj()
        piece = self._input[self._at : self._at + _PIECE]
        try:
            data: bytes = self._frame.decompress(piece)
        except zstandard.ZstdError as error:
            reason = rules.WINDOW if "memory" in str(error) else rules.DAMAGED
            raise ArchiveRefusedError(reason) from None
        self._at += len(piece)
        if self._frame.eof:
            self._at -= len(self._frame.unused_data)
        return data
