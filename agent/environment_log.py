"""What a build says, kept for the page: bounded, and without passwords."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable
from pathlib import Path

from room.environments.failures import TAIL

#: Bytes that are kept of one build, and those at the end that a page is given.
MOST, SHOWN = 1024**2, 64 * 1024
_MORE = "… the log goes on, and what comes is not kept\n"


class Log:
    """Writes line by line: what is cut in two by the engine is looked at whole."""

    def __init__(self, path: Path, redact: Callable[[str], str]) -> None:
        self._path, self._redact = path, redact
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._size = path.stat().st_size if path.exists() else 0
        #: The last lines, for whoever says why it did not succeed.
        self.tail: deque[str] = deque(maxlen=TAIL)

    def feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + self._decoder.decode(chunk)).split("\n")
        # A line without an end is a line, too, once it is longer than anybody reads.
        if len(self._rest) > SHOWN:
            lines, self._rest = [*lines, self._rest], ""
        for line in lines:
            self.say(line)

    def end(self) -> None:
        """Write what came without a line's end."""
        if self._rest:
            self.say(self._rest)
        self._rest = ""

    def say(self, line: str) -> None:
        text = "".join(each for each in self._redact(line) if each.isprintable() or each == "\t")
        self.tail.append(text)
        if self._size >= MOST:
            return
        written = f"{text}\n"
        self._size += len(written.encode())
        with self._path.open("a", encoding="utf-8") as file:
            file.write(written if self._size < MOST else _MORE)


def shown(path: Path) -> str:
    """Return the end of a log, from the beginning of a line on; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            skipped = max(0, file.tell() - SHOWN)
            file.seek(skipped)
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return text.partition("\n")[2] if skipped else text
