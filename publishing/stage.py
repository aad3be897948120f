"""The tree of a version that is being made, and what of it is done already."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from publishing import copying
from publishing.shelf import DIRECTORY_MODE, MANIFEST, README, TREE, Shelf, mode_bits
from room.datasets.manifest import (
    EXECUTABLE,
    PLAIN,
    Directory,
    Entry,
    File,
    Link,
    Summary,
    in_order,
    line,
    read,
    summarize,
)
from room.datasets.paths import Kind, Names, check, link_target
from room.datasets.space import Disk

#: Entries after which the journal is written: what is lost at a kill is read once more.
JOURNAL_EVERY = 64

#: Where files are fetched to, beside the tree, until they are whole.
PARTS = "parts"

#: What tells one state of a source's file from another.
Stamp = tuple[int | str, ...]


def stamp(found: os.stat_result) -> Stamp:
    """Return that of a file of this host: device, inode, size, times of change."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Done:
    """An entry that is in the tree, and of which state of its source it was made."""

    entry: Entry
    source: Stamp | None


@dataclass(frozen=True, slots=True)
class Brought:
    """A file that was fetched, and what it is."""

    at: Path
    sha256: str
    size: int


class Stage:
    """Takes files by path and puts them in the tree, each hashed as it is written.

    ``before``: files of the version before, and their sizes. What looks the same is read first, and
    not written when it is. Safe to use from several threads. Raises ``PathRefusedError`` for a path
    that no dataset may have.
    """

    def __init__(
        self,
        shelf: Shelf,
        directory: Path,
        tell: Callable[[int], None],
        *,
        resume: bool = True,
        before: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._shelf, self._tell, self._before = shelf, tell, before
        self.version = directory / "version"
        self.tree = self.version / TREE
        self.parts = directory / PARTS
        self._journal, self._aside = directory / "journal.jsonl", directory / "link"
        self._known = self._read_journal() if resume else {}
        if not resume:
            shelf.clear(self.version)
            self._journal.unlink(missing_ok=True)
        self.tree.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self._names, self._entries = Names(), dict[str, Entry]()
        self._made: set[str] = set()
        self._lines: list[bytes] = []
        self._lock = threading.Lock()
        self._clones = True

    # -- taking ------------------------------------------------------------------------------

    def take(self, path: str | bytes, source: int) -> None:
        """Take an open regular file. Raises ``ChangedError`` when it changes meanwhile."""
        before = os.fstat(source)
        executable = bool(before.st_mode & stat.S_IXUSR)
        name = self._admit(path)
        known = self._known.get(name)
        if known and known.source == stamp(before) and self._is_there(known.entry):
            self._tell(before.st_size)
            self._done(known.entry, known.source, again=True)
            return
        sha256, size = self._copy(name, source, before.st_size, executable)
        if stamp(os.fstat(source)) != stamp(before) or size != before.st_size:
            raise copying.ChangedError(f"{name} changed while it was read; publish it again")
        self._done(File(name, size, sha256, executable), stamp(before))

    def file(self, path: str | bytes, stream: BinaryIO, *, executable: bool) -> None:
        """Take what a stream gives."""
        name = self._admit(path)
        target = self._open(name)
        try:
            sha256, size = copying.save(stream, target, self._tell)
            os.fchmod(target, mode_bits(EXECUTABLE if executable else PLAIN))
        finally:
            os.close(target)
        self._done(File(name, size, sha256, executable), None)

    def bring(self, path: str, source: Stamp, fetch: Callable[[], Brought]) -> None:
        """Take a file that is fetched to beside the tree first, unless an earlier run has it."""
        name = self._admit(path)
        known = self._known.get(name)
        if known and known.source == source and self._is_there(known.entry):
            self._tell(known.entry.size if isinstance(known.entry, File) else 0)
            self._done(known.entry, known.source, again=True)
            return
        brought = fetch()
        brought.at.chmod(mode_bits(PLAIN))
        # In this order a kill leaves a file that is as the journal says, or what was fetched.
        self._clear_way(name)
        self._done(File(name, brought.size, brought.sha256, False), source)
        self._flush()
        brought.at.replace(self._at(name))

    def copy(self, path: str, source: str) -> None:
        """Take a file once more under another name: a hard link of an archive."""
        name = self._admit(path)
        with self._lock:
            known = self._entries[source]
        self._clear_way(name)
        try:
            os.link(self._at(source), self._at(name))
        except OSError:
            # It has as many links as the file system lets it have.
            self._clear_way(name)
            shutil.copy2(self._at(source), self._at(name))
        self._tell(known.size if isinstance(known, File) else 0)
        self._done(replace(known, path=name), None)

    def link(self, path: str | bytes, target: str | bytes) -> None:
        """Take a symbolic link; one that leads out of the tree is refused."""
        name = self._admit(path, "link")
        entry = Link(name, link_target(name, target))
        self._clear_way(name)
        os.symlink(entry.target, self._at(name))
        self._done(entry, None)

    def directory(self, path: str | bytes) -> None:
        """Take a directory. It is an entry of its own only while nothing is in it."""
        name = check(path)
        with self._lock:
            self._names.add(name, "directory")
        self._parents(f"{name}/.")
        self._done(Directory(name), None)

    def disk(self) -> Disk:
        """Return how full the disk is that all of it goes to."""
        return self._shelf.disk()

    # -- the end -----------------------------------------------------------------------------

    def finish(self, readme: Callable[[list[Entry], Summary], str]) -> Summary:
        """Write the manifest and README, and return once all of it is on the disk.

        What an earlier run had taken and this one did not is removed.
        """
        self._flush()
        entries = in_order(self._without_full_directories())
        kept = {entry.path for entry in entries}
        for name, known in self._known.items():
            if name not in kept and not isinstance(known.entry, Directory):
                with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
                    os.unlink(self._at(name))
        self._prune_directories(entries)
        summary = summarize(entries)
        with (self.version / MANIFEST).open("wb") as manifest:
            manifest.writelines(line(entry) for entry in entries)
        (self.version / README).write_text(readme(entries, summary), "utf-8")
        for path in (self.version / MANIFEST, self.version / README):
            path.chmod(mode_bits(PLAIN))
        self._shelf.sync()
        for entry in entries:
            if isinstance(entry, File):
                self._shelf.keep(Path(self._at(entry.path)), entry, self._aside)
        return summary

    def _without_full_directories(self) -> list[Entry]:
        parents = {parent for entry in self._entries.values() for parent in _parents_of(entry.path)}
        return [
            entry
            for entry in self._entries.values()
            if not (isinstance(entry, Directory) and entry.path in parents)
        ]

    def _prune_directories(self, entries: list[Entry]) -> None:
        """Give each directory its mode, and remove those that an earlier run needed."""
        wanted = {parent for entry in entries for parent in _parents_of(entry.path)}
        wanted |= {entry.path for entry in entries if isinstance(entry, Directory)}
        for path, _, _ in os.walk(self.tree, topdown=False):
            name = os.path.relpath(path, self.tree)
            if name != "." and name not in wanted:
                os.rmdir(path)
            else:
                os.chmod(path, DIRECTORY_MODE)

    # -- parts -------------------------------------------------------------------------------

    def _admit(self, path: str | bytes, kind: Kind = "file") -> str:
        name = check(path)
        with self._lock:
            self._names.add(name, kind)
        self._parents(name)
        return name

    def _copy(self, name: str, source: int, size: int, executable: bool) -> tuple[str, int]:
        """Put the content at its place in the tree; that of an object is not written again."""
        mode = EXECUTABLE if executable else PLAIN
        if self._before.get(name) == size:
            sha256, read_size = copying.digest(source, lambda _: self._tell(0))
            there = self._shelf.object(sha256, read_size, mode)
            self._clear_way(name)
            try:
                os.link(there, self._at(name))
            except OSError:
                pass  # not there, or with as many links as it may have: it is copied
            else:
                self._tell(read_size)
                return sha256, read_size
        target = self._open(name)
        try:
            # An empty clone says nothing of whether the two file systems are one.
            if size and self._clones and not copying.clone(source, target):
                self._clones = False
            if size and self._clones:
                found = copying.digest(target, self._tell)
            else:
                found = copying.copy(source, target, self._tell)
            os.fchmod(target, mode_bits(mode))
        except BaseException:
            # Half a file is of no use, and on a full disk in the way.
            self._clear_way(name)
            raise
        finally:
            os.close(target)
        return found

    def _open(self, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(self._at(name), flags, 0o600)
        except FileExistsError:
            self._clear_way(name)
            return os.open(self._at(name), flags, 0o600)

    def _clear_way(self, name: str) -> None:
        """Remove what an earlier run has left there; this run has nothing of that name."""
        try:
            os.unlink(self._at(name))
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            shutil.rmtree(self._at(name))

    def _parents(self, name: str) -> None:
        parent = name.rpartition("/")[0]
        if parent and parent not in self._made:
            try:
                os.makedirs(self._at(parent), DIRECTORY_MODE, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                # What is a directory now was a file when an earlier run took it.
                for above in (*_parents_of(parent), parent):
                    if not os.path.isdir(self._at(above)) or os.path.islink(self._at(above)):
                        self._clear_way(above)
                os.makedirs(self._at(parent), DIRECTORY_MODE, exist_ok=True)
            self._made.add(parent)

    def _at(self, name: str) -> str:
        return f"{self.tree}/{name}"

    def _is_there(self, entry: Entry) -> bool:
        """Say whether a file that the journal has is in the tree as it says.

        A journal's line is written after its file; a hard link to an object is whole anyway.
        """
        try:
            found = os.lstat(self._at(entry.path))
        except OSError:
            return False
        return (
            isinstance(entry, File)
            and stat.S_ISREG(found.st_mode)
            and found.st_size == entry.size
            and stat.S_IMODE(found.st_mode) == mode_bits(entry.mode)
        )

    def _done(self, entry: Entry, source: Stamp | None, *, again: bool = False) -> None:
        told: dict[str, Any] = {"entry": line(entry).decode(), "source": source}
        with self._lock:
            self._entries[entry.path] = entry
            if not again:
                self._lines.append(json.dumps(told).encode() + b"\n")
            full = len(self._lines) >= JOURNAL_EVERY
        if full:
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            if lines:
                with self._journal.open("ab") as journal:
                    journal.write(b"".join(lines))

    def _read_journal(self) -> dict[str, Done]:
        """Return what earlier runs took; a last line that was cut short is cut off."""
        found: dict[str, Done] = {}
        with suppress(FileNotFoundError), self._journal.open("rb+") as lines:
            end = 0
            for text in lines:
                if not text.endswith(b"\n"):
                    lines.truncate(end)
                    break
                end += len(text)
                told = json.loads(text)
                entry = next(read([told["entry"].encode()]))
                source = told["source"]
                found[entry.path] = Done(entry, tuple(source) if source else None)
        return found


def _parents_of(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]
