"""Reading versions through because somebody asks: one at a time, in a process of its own.

What came of one is kept until the console has written it down. An agent that ends forgets those
that are under way: who waits for one asks again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from publishing.look import FOUND
from publishing.shelf import Shelf

#: failed: nobody could read it to its end. lost: the version is not on this host.
State = Literal["waiting", "reading", "read", "lost", "failed"]
#: How many may wait.
MOST = 100


class TooManyChecksError(Exception):
    """More wait than anybody looks through."""


@dataclass(frozen=True, slots=True)
class Check:
    """``done``: bytes that are read. ``damaged``: files that are not as published."""

    id: str
    name: str
    number: int
    digest: str
    actor: str
    state: State = "waiting"
    done: int = 0
    damaged: int = 0

    @property
    def over(self) -> bool:
        return self.state in ("read", "lost", "failed")


class Checks:
    """Those of one host."""

    def __init__(self, datasets: Path) -> None:
        self._shelf = Shelf(datasets)
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._checks: dict[str, Check] = {}
        self._reader: subprocess.Popen[str] | None = None
        self._closed = False

    def begin(self, name: str, number: int, digest: str, actor: str) -> Check:
        """Read a version through; one that waits or is being read is not begun twice.

        Raises ``TooManyChecksError``.
        """
        with self._lock:
            for known in self._checks.values():
                if (known.name, known.number) == (name, number) and not known.over:
                    return known
            if sum(not each.over for each in self._checks.values()) >= MOST:
                raise TooManyChecksError
            made = Check(str(uuid.uuid4()), name, number, digest, actor)
            self._checks[made.id] = made
        threading.Thread(target=self._run, args=(made.id,), daemon=True).start()
        return made

    def all(self) -> list[Check]:
        with self._lock:
            return list(self._checks.values())

    def forget(self, identity: str) -> None:
        """Forget one that is over and written down."""
        with self._lock:
            if identity in self._checks and self._checks[identity].over:
                del self._checks[identity]

    def close(self) -> None:
        """End the reader."""
        with self._lock:
            self._closed = True
            if self._reader is not None:
                self._reader.kill()

    # -- parts -------------------------------------------------------------------------------

    def _run(self, identity: str) -> None:
        with self._turn:
            with self._lock:
                if self._closed:
                    return
                check = self._checks[identity] = replace(self._checks[identity], state="reading")
                command = [sys.executable, "-m", "publishing.look", self._shelf.root]
                self._reader = subprocess.Popen(
                    [*command, check.name, check.digest], stdout=subprocess.PIPE, text=True
                )
            for seen in _read(self._reader, check):
                with self._lock:
                    self._checks[identity] = seen


def _read(reader: subprocess.Popen[str], check: Check) -> Iterator[Check]:
    """Yield how far a check is, and at last what came of it."""
    assert reader.stdout is not None  # noqa: S101 - it has a pipe
    end = replace(check, state="failed")
    with reader:
        for line in reader.stdout:
            if line.startswith(FOUND):
                damaged = json.loads(line.removeprefix(FOUND))
                state: State = "lost" if damaged is None else "read"
                end = replace(check, state=state, damaged=len(damaged or ()))
            else:
                yield replace(check, state="reading", done=int(line))
    yield end
