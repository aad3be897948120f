"""Reads a home through to say what is in it. Whatever a student made there, it ends.

Directories are opened one by one below the home, and no link is followed: neither one that was
there, nor one that appears while we look.
"""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.disk import kernel
from agent.disk.largest import Parts, largest

#: After as many entries or seconds a home is said to hold more than was counted.
MOST_ENTRIES, MOST_SECONDS = 2_000_000, 300.0
#: Levels below the home that are read, and those of which each directory's total is kept.
DEEPEST, TOLD = 64, 3
#: Directories and files of which a size is kept.
KEPT_DIRECTORIES, KEPT_FILES = 20_000, 40
#: The kernel's unit of ``st_blocks``.
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Measured:
    """What a home held at a time. ``used`` in bytes, as they lie on the disk."""

    used: int
    files: int
    largest: tuple[tuple[str, int], ...]
    at: datetime
    complete: bool


class _Tally:
    """What was seen so far."""

    def __init__(self, is_over: Callable[[int], bool]) -> None:
        self._is_over = is_over
        self.used = self.files = 0
        self.complete = True
        self.directories: dict[Parts, int] = {}
        self.largest_files: list[tuple[int, Parts]] = []
        self._linked: set[tuple[int, int]] = set()

    def over(self) -> bool:
        """Say whether as much was seen as may be; then it is not complete."""
        if self._is_over(self.files):
            self.complete = False
            return True
        return False

    def add(self, path: Parts, found: os.stat_result, is_directory: bool) -> None:
        self.files += 1
        if found.st_nlink > 1 and not is_directory:
            # A file of several names takes its space once.
            if (found.st_dev, found.st_ino) in self._linked:
                return
            self._linked.add((found.st_dev, found.st_ino))
        size = found.st_blocks * _BLOCK
        self.used += size
        told = path[:TOLD] if is_directory else path[:-1][:TOLD]
        for depth in range(1, len(told) + 1):
            key = told[:depth]
            if key not in self.directories and len(self.directories) >= KEPT_DIRECTORIES:
                break
            self.directories[key] = self.directories.get(key, 0) + size
        if not is_directory:
            heapq.heappush(self.largest_files, (size, path))
            if len(self.largest_files) > KEPT_FILES:
                heapq.heappop(self.largest_files)


def measure(
    home: Path,
    *,
    most_entries: int = MOST_ENTRIES,
    most_seconds: float = MOST_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Measured:
    """Return what is in ``home``. Raises ``OSError`` when it is no directory that can be read."""
    until = clock() + most_seconds
    tally = _Tally(lambda files: files >= most_entries or clock() > until)
    todo: list[Parts] = [()]
    with kernel.directory(home) as root:
        while todo and not tally.over():
            path = todo.pop()
            try:
                _read(root, path, tally, todo)
            except OSError:
                if not path:
                    raise
                # It is gone, or a link by now.
                continue
    found = largest(tally.directories, tally.largest_files)
    return Measured(tally.used, tally.files, found, datetime.now(UTC), tally.complete)


def _read(root: int, path: Parts, tally: _Tally, todo: list[Parts]) -> None:
    with ExitStack() as opened:
        directory = root
        for name in path:
            directory = opened.enter_context(kernel.directory(name, directory))
        with os.scandir(directory) as entries:
            for entry in entries:
                if tally.over():
                    return
                inside = (*path, entry.name)
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                is_directory = entry.is_dir(follow_symlinks=False)
                tally.add(inside, found, is_directory)
                if is_directory and len(inside) <= DEEPEST:
                    todo.append(inside)
                elif is_directory:
                    tally.complete = False
