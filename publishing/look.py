"""``python -m publishing.look SHELF NAME DIGEST``: read one version through, and say what is wrong.

A process of its own, for the reasons of ``publishing.work``. It prints how many bytes it has read,
a line each second, and at last as JSON the paths that are not as published; null: the version is
not there.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

from publishing.mending import look_through
from publishing.shelf import Shelf
from publishing.work import NICE

#: Seconds between two lines.
EVERY = 1.0
#: What the last line begins with.
FOUND = "found "


class Told:
    """Hears of bytes from several threads, and prints how many they are."""

    def __init__(self) -> None:
        self._lock, self._done, self._at = threading.Lock(), 0, time.monotonic()

    def tell(self, count: int) -> None:
        with self._lock:
            self._done += count
            now = time.monotonic()
            if now - self._at >= EVERY:
                self._at = now
                print(self._done, flush=True)


def main(arguments: list[str]) -> int:
    root, name, digest = arguments
    os.nice(NICE)
    damaged = look_through(Shelf(Path(root)), name, digest, Told().tell)
    print(f"{FOUND}{json.dumps(damaged)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
