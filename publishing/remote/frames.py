"""What a fetcher and its parent say to each other, over its two pipes."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

#: A frame's kind, and the bytes that follow.
HEAD = struct.Struct(">cI")
#: Bytes of data in one frame, and the most that any frame may have.
PIECE, MOST = 1 << 20, 4 << 20

#: A file that was found; where reading begins; bytes of it; the end; and why there is no more.
ENTRY, START, DATA, END, WRONG = b"E", b"S", b"D", b".", b"!"


def send(pipe: BinaryIO, kind: bytes, content: bytes = b"") -> None:
    pipe.write(HEAD.pack(kind, len(content)))
    pipe.write(content)
    pipe.flush()


def send_told(pipe: BinaryIO, kind: bytes, told: Any) -> None:
    send(pipe, kind, json.dumps(told).encode())
