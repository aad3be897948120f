"""A folder as the source of a version. It may be somebody else's, who changes it meanwhile.

Every step down is by an open directory and takes no symbolic link: what was looked at is what is
read, wherever its path leads by then.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import MappingProxyType

from publishing.copying import ChangedError
from publishing.stage import Stage
from room.datasets.paths import PathRefusedError
from room.said import said

#: Threads that read and hash. Both leave Python's lock while they do.
WORKERS = max(2, min(8, os.cpu_count() or 2))
#: Files and bytes that are one piece of a thread's work: a task of its own costs what a small file
#: does.
BATCH_FILES, BATCH_BYTES = 64, 8 * 1024**2
#: Pieces that wait: each holds its directory open.
WAITING = 4 * WORKERS

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Never waits for the other end of a pipe that came in a file's place.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Measure:
    """What a folder holds: bytes of its files, and how many they are.

    ``same``: bytes of those that look like files of another version, by path and size.
    """

    size: int
    files: int
    same: int


class NoFolderError(Exception):
    """What was named is no folder, or only by way of a link."""


class _Open:
    """An open directory that several users share; the last one to leave closes it."""

    def __init__(self, handle: int) -> None:
        self.handle, self._users, self._lock = handle, 1, threading.Lock()

    def join(self) -> _Open:
        with self._lock:
            self._users += 1
        return self

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            os.close(self.handle)


@dataclass(frozen=True, slots=True)
class _Found:
    name: bytes
    found: os.stat_result


def measure(
    path: str, below: str = "", before: Mapping[str, int] = MappingProxyType({})
) -> Measure:
    """Return how large a folder is, without reading its files.

    ``below``: as ``take`` has it; ``before``: files of another version, and their sizes.
    """
    size = files = same = 0
    for directory, inside, found in _walk(path, below):
        directory.leave()
        for each in found:
            if stat.S_ISREG(each.found.st_mode):
                size += each.found.st_size
                files += 1
                if before.get(os.fsdecode(_join(inside, each.name))) == each.found.st_size:
                    same += each.found.st_size
    return Measure(size, files, same)


def take(path: str, stage: Stage, below: str = "") -> None:
    """Take all of a folder, or of the one ``below`` it, to which no link leads.

    Raises ``PathRefusedError`` for what no dataset may have, a device or a link out of the folder
    among it, and ``ChangedError`` for what was another while it was read.
    """
    pending: dict[Future[None], _Open] = {}
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="publish") as pool:
        try:
            for directory, inside, found in _walk(path, below):
                try:
                    if inside:
                        stage.directory(inside)
                    for batch in _batches(_sorted_out(found, inside, directory, stage)):
                        work = pool.submit(_take, batch, inside, directory.join(), stage)
                        pending[work] = directory
                        if len(pending) >= WAITING:
                            _settle(pending, wait(pending, return_when=FIRST_COMPLETED).done)
                finally:
                    directory.leave()
            _settle(pending, wait(pending).done)
        except BaseException:
            for work, directory in pending.items():
                if work.cancel():
                    directory.leave()
            raise


def files(path: str, below: str = "") -> Iterator[bytes]:
    """Yield the path of every file of a folder, from ``below`` on."""
    for directory, inside, found in _walk(path, below):
        directory.leave()
        yield from (_join(inside, each.name) for each in found if stat.S_ISREG(each.found.st_mode))


def open_file(path: str) -> int:
    """Open a file of the host. Raises ``PathRefusedError`` for what is none."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return _regular(file, os.path.basename(path))


def find_file(path: str, below: str) -> int | None:
    """Open the file ``below`` a folder, to which no link leads; None: it is a folder.

    Raises ``NoFolderError`` when nothing is there, ``PathRefusedError`` for a device or a pipe.
    """
    above, _, name = below.rpartition("/")
    parent = _root(path, above)
    try:
        file = os.open(name or ".", _FILE, dir_fd=parent)
    except OSError as error:
        raise _nothing(below) from error
    finally:
        os.close(parent)
    if stat.S_ISDIR(os.fstat(file).st_mode):
        os.close(file)
        return None
    return _regular(file, name)


def _regular(file: int, name: str) -> int:
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise PathRefusedError(os.fsencode(name), said("it is a device, a pipe or a socket"))


def _settle(pending: dict[Future[None], _Open], done: set[Future[None]]) -> None:
    """Forget what is done; raise what went wrong in it."""
    for work in done:
        del pending[work]
    for work in done:
        work.result()


def _walk(path: str, below: str) -> Iterator[tuple[_Open, bytes, list[_Found]]]:
    """Yield every directory open, with its path and what is in it. Who takes one leaves it.

    A directory is opened when its turn comes, from its parent, which stays open until then.
    """
    root = _Open(_root(path, below))
    waiting: list[tuple[_Open, _Found | None, bytes]] = [(root, None, b"")]
    try:
        while waiting:
            parent, step, above = waiting.pop()
            try:
                directory = parent.join() if step is None else _Open(_step(parent, step, above))
            finally:
                parent.leave()
            inside = _join(above, step.name) if step else b""
            found = _listed(directory, inside)
            deeper = [each for each in found if stat.S_ISDIR(each.found.st_mode)]
            waiting += [(directory.join(), each, inside) for each in reversed(deeper)]
            yield directory, inside, found
    finally:
        for parent, _, _ in waiting:
            parent.leave()


def _root(path: str, below: str) -> int:
    """Open a folder that is named by whom ``path`` belongs to: step by step, through no link."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in below.split("/") if below else ():
        try:
            step = os.open(part, _DIRECTORY, dir_fd=handle)
        except OSError as error:
            raise _nothing(below) from error
        finally:
            os.close(handle)
        handle = step
    return handle


def _listed(directory: _Open, inside: bytes) -> list[_Found]:
    found = []
    for name in sorted(map(os.fsencode, os.listdir(directory.handle))):
        try:
            looked = os.stat(name, dir_fd=directory.handle, follow_symlinks=False)
        except FileNotFoundError as error:
            raise _changed(inside, name) from error
        found.append(_Found(name, looked))
    return found


def _step(parent: _Open, each: _Found, above: bytes) -> int:
    try:
        step = os.open(each.name, _DIRECTORY, dir_fd=parent.handle)
    except OSError as error:
        raise _changed(above, each.name) from error
    try:
        _same(step, each, above)
    except ChangedError:
        os.close(step)
        raise
    return step


def _sorted_out(
    found: list[_Found], inside: bytes, directory: _Open, stage: Stage
) -> Iterator[_Found]:
    """Take the links of a directory, refuse what is no file, and yield its files."""
    for each in found:
        mode = each.found.st_mode
        path = _join(inside, each.name)
        if stat.S_ISREG(mode):
            yield each
        elif stat.S_ISLNK(mode):
            stage.link(path, os.readlink(each.name, dir_fd=directory.handle))
        elif not stat.S_ISDIR(mode):
            raise PathRefusedError(path, said("it is a device, a pipe or a socket"))


def _batches(files: Iterator[_Found]) -> Iterator[list[_Found]]:
    batch: list[_Found] = []
    size = 0
    for each in files:
        batch.append(each)
        size += each.found.st_size
        if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _take(batch: list[_Found], inside: bytes, directory: _Open, stage: Stage) -> None:
    try:
        for each in batch:
            try:
                source = os.open(each.name, _FILE, dir_fd=directory.handle)
            except OSError as error:
                raise _changed(inside, each.name) from error
            try:
                _same(source, each, inside)
                stage.take(_join(inside, each.name), source)
            finally:
                os.close(source)
    finally:
        directory.leave()


def _same(handle: int, each: _Found, inside: bytes) -> None:
    """Raise unless what was opened is what was looked at."""
    now = os.fstat(handle)
    if (now.st_dev, now.st_ino) != (each.found.st_dev, each.found.st_ino):
        raise _changed(inside, each.name)


def _nothing(below: str) -> NoFolderError:
    return NoFolderError(f"there is no folder {below[:200]!r} that no link leads to")


def _changed(inside: bytes, name: bytes) -> ChangedError:
    path = os.fsdecode(_join(inside, name))
    return ChangedError(f"{path!r} changed while it was read; publish it again")


def _join(inside: bytes, name: bytes) -> bytes:
    return inside + b"/" + name if inside else name
