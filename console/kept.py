"""What was sent when nobody was signed in any more: kept for after the sign-in, within bounds.

Anybody may send a form, so there are bounds on all of it, and on what one sender may take of that.
A form is kept as the bytes in which it came: what they take is known.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from urllib.parse import parse_qsl

#: Bytes of the longest request that is read: a form with a roster of 1 MiB, of which a browser
#: writes most letters beyond ASCII as three bytes for each of theirs.
MOST_SENT = 4 * 1024**2
#: Fields of a form: a class of some thousand people, all of them ticked.
MOST_FIELDS = 10_000
#: Seconds for which a form is kept.
KEPT = 1800.0
#: Bytes that are kept of one sender, and of all. Beyond it the oldest go.
MOST_OF_ONE, MOST_OF_ALL = MOST_SENT, 8 * MOST_SENT
#: Bytes that a form takes beside its own, so that many small ones count too.
EACH = 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """A form that was sent after the session had ended: where to, and what was in it."""

    path: str
    body: bytes

    @property
    def fields(self) -> Sequence[tuple[str, str]]:
        return parsed(self.body)


@dataclass(frozen=True, slots=True)
class _Entry:
    at: float
    sender: str
    kept: Kept

    @property
    def size(self) -> int:
        return len(self.kept.body) + EACH


class Forms:
    """Forms under keys that nobody can guess. ``clock`` tells seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def put(self, sender: str, kept: Kept) -> str:
        """Keep a form; return its key. ``sender``: whose bound it counts towards."""
        entry = _Entry(self._clock(), sender, kept)
        self._make_room(entry)
        key = secrets.token_urlsafe(32)
        self._entries[key] = entry
        return key

    def get(self, key: str) -> Kept | None:
        """Return what is kept under a key; None once it is over, or had to go."""
        found = self._entries.get(key)
        return found.kept if found is not None and self._lives(found) else None

    def _make_room(self, new: _Entry) -> None:
        self._entries = OrderedDict(
            (key, each) for key, each in self._entries.items() if self._lives(each)
        )
        mine = [key for key, each in self._entries.items() if each.sender == new.sender]
        for keys, most in ((mine, MOST_OF_ONE + EACH), (list(self._entries), MOST_OF_ALL)):
            held = [key for key in keys if key in self._entries]
            size = new.size + sum(self._entries[key].size for key in held)
            for key in held:
                if size <= most:
                    break
                size -= self._entries.pop(key).size

    def _lives(self, entry: _Entry) -> bool:
        return self._clock() - entry.at <= KEPT


def parsed(body: bytes) -> Sequence[tuple[str, str]]:
    """Return a form's fields; none of one that has more than any page sends."""
    if body.count(b"&") >= MOST_FIELDS:
        return ()
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
