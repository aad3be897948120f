"""The two formats in which a room talks to a browser while time passes.

Kernel messages, in the binary form that JupyterLab asks for
(`v1.kernel.websocket.jupyter.org`, defined in Jupyter Server's documentation),
and the event stream on which a hub tells how a start goes.
Pure: bytes and lines in, values out.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"

#: The version of Jupyter's messaging protocol in the headers we write.
MESSAGING = "5.3"

_WORD = 8  # every offset is an unsigned 64-bit little-endian number


@dataclass(frozen=True, slots=True)
class Message:
    """One message to or from a kernel."""

    channel: str
    header: Mapping[str, Any]
    parent: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    content: Mapping[str, Any] = field(default_factory=dict)
    buffers: tuple[bytes, ...] = ()

    @property
    def kind(self) -> str:
        return str(self.header.get("msg_type", ""))

    def answers(self, request: Message) -> bool:
        """Return whether this message came because of ``request``."""
        return self.parent.get("msg_id") == request.header["msg_id"]


def request(kind: str, content: Mapping[str, Any], session: str, channel: str = "shell") -> Message:
    """Return a new message to a kernel, with an identity of its own."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": kind,
        "session": session,
        "username": "",
        "date": datetime.now(timezone.utc).isoformat(),
        "version": MESSAGING,
    }
    return Message(channel=channel, header=header, content=content)


def pack(message: Message) -> bytes:
    """Return the frame that carries ``message``."""
    parts = [
        message.channel.encode(),
        *(
            json.dumps(part).encode()
            for part in (message.header, message.parent, message.metadata, message.content)
        ),
        *message.buffers,
    ]
    position = _WORD * (len(parts) + 2)
    offsets = [position]
    for part in parts:
        position += len(part)
        offsets.append(position)
    words = [len(offsets), *offsets]
    return b"".join([*(word.to_bytes(_WORD, "little") for word in words), *parts])


def unpack(frame: bytes) -> Message:
    """Return the message in ``frame``. Raises ``ValueError`` when it holds none."""
    count = int.from_bytes(frame[:_WORD], "little")
    if count < 6 or len(frame) < _WORD * (count + 1):
        raise ValueError(f"a frame of {len(frame)} bytes is no kernel message")
    offsets = [
        int.from_bytes(frame[_WORD * place : _WORD * (place + 1)], "little")
        for place in range(1, count + 1)
    ]
    if offsets != sorted(offsets) or offsets[-1] > len(frame):
        raise ValueError("a kernel message's parts lie outside its frame")
    channel, *parts = (frame[a:b] for a, b in pairwise(offsets))
    header, parent, metadata, content = (json.loads(part or b"{}") for part in parts[:4])
    return Message(channel.decode(), header, parent, metadata, content, tuple(parts[4:]))


def event(line: str) -> dict[str, Any] | None:
    """Return the event in one line of a hub's event stream, or None for a heartbeat."""
    if not line.startswith("data:"):
        return None
    found = json.loads(line[len("data:") :])
    return found if isinstance(found, dict) else None
