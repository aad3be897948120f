"""Where datasets lie on a host, and the steps by which files become a version there.

    objects/ab/<sha256>.<size>.<mode>   every file's content, once
    versions/<dataset>/<digest>/        tree/, manifest.jsonl and README.md
    staging/<job>/                      what is being published
    incoming/<upload>/                  what is being uploaded, the console's own
    lock                                held while a version comes or goes

A version's files are hard links to objects: what two versions have in common lies on the disk
once, and in the page cache once, which copies that share blocks would not. A file is written under
its staged tree, and becomes an object when all of the version is on the disk; a version appears
with one rename.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from room.datasets.manifest import PLAIN, DamagedManifestError, Entry, File, read
from room.datasets.space import Disk

#: Everything belongs to root and is read by all: what a server may do is its mount's.
DIRECTORY_MODE = 0o755
MANIFEST, README, TREE = "manifest.jsonl", "README.md", "tree"


class Shelf:
    """The datasets of one host, under ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects, self.versions = root / "objects", root / "versions"
        self.staging, self.incoming = root / "staging", root / "incoming"

    def prepare(self) -> None:
        """Make the directories that are not there."""
        for each in (self.root, self.objects, self.versions):
            each.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        # What is half published nobody but root sees.
        self.staging.mkdir(mode=0o700, exist_ok=True)

    def version(self, name: str, digest: str) -> Path:
        return self.versions / name / digest

    def tree(self, name: str, digest: str) -> Path:
        """Return what a server mounts."""
        return self.version(name, digest) / TREE

    def object(self, sha256: str, size: int, mode: str) -> Path:
        return self.objects / sha256[:2] / f"{sha256}.{size}.{mode}"

    def disk(self) -> Disk:
        found = os.statvfs(self.root)
        return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    def newest(self, name: str) -> dict[str, int]:
        """Return the files of a dataset's newest version, and their sizes: what may be the same."""
        versions = [self.versions / name / digest for digest in _listed(self.versions / name)]
        dated = [(path.stat().st_mtime_ns, path.name) for path in versions if path.exists()]
        if not dated:
            return {}
        try:
            entries = list(self.entries(name, max(dated)[1]))
        except (FileNotFoundError, DamagedManifestError):
            return {}
        return {entry.path: entry.size for entry in entries if isinstance(entry, File)}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock without which no version comes or goes, in this process or another."""
        handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def entries(self, name: str, digest: str) -> Iterator[Entry]:
        """Yield the entries of a version's manifest."""
        with (self.version(name, digest) / MANIFEST).open("rb") as lines:
            yield from read(lines)

    # -- objects -----------------------------------------------------------------------------

    def keep(self, staged: Path, file: File, aside: Path) -> None:
        """Let a staged file be the object of its content, or be the one that is there already.

        Again for the same file it does nothing. ``aside`` is a path beside the staged tree, and
        free: what a crash leaves there must be in no version.
        """
        there = self.object(file.sha256, file.size, file.mode)
        try:
            os.link(staged, there)
        except FileNotFoundError:
            there.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            self.keep(staged, file, aside)
        except FileExistsError:
            if not staged.samefile(there):
                self.take(there, staged, aside)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise

    def take(self, there: Path, staged: Path, aside: Path) -> bool:
        """Put a link to an object in place of a staged file. False: it cannot be linked to."""
        with suppress(FileNotFoundError):
            aside.unlink()
        try:
            os.link(there, aside)
        except OSError as error:
            # Gone meanwhile, or as many links as the file system has: then it is kept twice.
            if error.errno in (errno.ENOENT, errno.EMLINK):
                return False
            raise
        aside.replace(staged)
        return True

    def forget(self, files: Iterator[File]) -> int:
        """Remove the objects of these files that nothing is made of any more; return the bytes."""
        freed = 0
        for file in files:
            there = self.object(file.sha256, file.size, file.mode)
            with suppress(FileNotFoundError):
                if there.lstat().st_nlink == 1:
                    there.unlink()
                    freed += file.size
        return freed

    def set_aside(self, name: str, digest: str, aside: Path) -> None:
        """Take a version away, below ``staging``; under the lock. Then it can be cleared."""
        version = self.version(name, digest)
        version.replace(aside)
        with suppress(OSError):
            version.parent.rmdir()

    def clear(self, aside: Path) -> int:
        """Delete what was moved aside, and its objects. Cut short, it can be called again."""
        files: list[File] = []
        with suppress(FileNotFoundError), (aside / MANIFEST).open("rb") as lines:
            files = [entry for entry in read(lines) if isinstance(entry, File)]
        shutil.rmtree(aside / TREE, ignore_errors=True)
        freed = self.forget(iter(files))
        shutil.rmtree(aside, ignore_errors=True)
        return freed

    def sync(self) -> None:
        """Return once everything that was written there is on the disk."""
        handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if _libc.syncfs(handle) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(self.root))
        finally:
            os.close(handle)


def mode_bits(mode: str) -> int:
    return 0o444 if mode == PLAIN else 0o555


def _listed(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []


_libc = ctypes.CDLL(None, use_errno=True)
