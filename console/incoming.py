"""Uploads on the disk: what was asked for, and the files as they come in.

    <id>/upload.json    whose it is, what it is to become, and which files it has
    <id>/published      the publication that is made of it, while there is one
    <id>/parts/<n>      what came of the n-th file so far
    <id>/parts/<n>.kept how much of that is synced, and by which start of the machine
    <id>/tree/          whole files, under their paths

How much of a file is there is what its file has, so that no crash of the console makes the two
differ. After one of the machine only that counts which was synced.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from room.datasets.space import Disk
from room.datasets.uploads import Sent

_IDENTITY = re.compile(r"[0-9a-f]{32}")
#: Of an upload, and then of one of its files.
_FILE = re.compile(r"([0-9a-f]{32})-(0|[1-9][0-9]{0,5})")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class NoSuchUploadError(LookupError):
    """There is none of that id."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What somebody uploads. ``about``: as the form says it; ``began``: seconds since 1970."""

    id: str
    actor: str
    name: str
    classes: tuple[str, ...]
    about: dict[str, str | None]
    unpack: bool
    began: float
    files: tuple[Sent, ...]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(each.size for each in self.files)


@dataclass(frozen=True, slots=True)
class Arrived:
    """How much of an upload is there: bytes, and whole files."""

    size: int
    files: int


class Incoming:
    """The uploads below ``root``, which no other process writes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._lock = threading.Lock()
        self._known: dict[str, Upload] = {}

    def usable(self) -> bool:
        """Say whether anything can be put there: an older room has no such directory."""
        return os.access(self.root, os.R_OK | os.W_OK | os.X_OK)

    def disk(self) -> Disk:
        found = os.statvfs(self.root)
        return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    # -- uploads -----------------------------------------------------------------------------

    def begin(self, **told: Any) -> Upload:
        """Write down a new upload: all but its id."""
        upload = Upload(id=secrets.token_hex(16), **told)
        aside = self.root / f"{upload.id}.new"
        (aside / "parts").mkdir(mode=0o700, parents=True)
        (aside / "tree").mkdir(mode=0o700)
        with (aside / "upload.json").open("w") as file:
            json.dump(asdict(upload), file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._at(upload.id))
        return upload

    def all(self) -> list[Upload]:
        """Return all uploads, oldest first."""
        found = []
        for path in self.root.iterdir():
            with suppress(NoSuchUploadError):
                found.append(self.get(path.name))
        return sorted(found, key=lambda each: each.began)

    def get(self, identity: str) -> Upload:
        """Raises ``NoSuchUploadError``."""
        if not _IDENTITY.fullmatch(identity):
            raise NoSuchUploadError(identity)
        with self._lock:
            if identity not in self._known:
                self._known[identity] = self._read(identity)
            return self._known[identity]

    def remove(self, identity: str) -> None:
        """Remove one and all its files. Again it does nothing."""
        with self._lock:
            self._known.pop(identity, None)
        # What is cut short on the way is no upload any more.
        with suppress(FileNotFoundError):
            (self._at(identity) / "upload.json").unlink()
        shutil.rmtree(self._at(identity), ignore_errors=True)

    def sweep(self, before: float) -> None:
        """Remove what is no upload and was last touched before that: seconds since 1970."""
        known = {each.id for each in self.all()}
        for path in self.root.iterdir():
            with suppress(FileNotFoundError):
                if path.name not in known and path.lstat().st_mtime < before:
                    shutil.rmtree(path, ignore_errors=True)

    def publication(self, upload: Upload) -> str:
        """Return the id of the publication that is made of it; empty: none."""
        try:
            return (self._at(upload.id) / "published").read_text()
        except FileNotFoundError:
            return ""

    def publishes(self, upload: Upload, publication: str) -> None:
        """Write down which publication is made of it; empty: none any more."""
        place = self._at(upload.id) / "published"
        if publication:
            place.write_text(publication)
        else:
            place.unlink(missing_ok=True)

    def arrived(self, upload: Upload) -> Arrived:
        offsets = [self.offset(upload, number) for number in range(len(upload.files))]
        whole = sum(there == each.size for there, each in zip(offsets, upload.files, strict=True))
        return Arrived(sum(offsets), whole)

    def touched(self, upload: Upload) -> float:
        """Return when anything of it last came: seconds since 1970."""
        return (self._at(upload.id) / "upload.json").stat().st_mtime

    # -- files -------------------------------------------------------------------------------

    def find(self, name: str) -> tuple[Upload, int]:
        """Return what a file's address names: ``<id>-<n>``. Raises ``NoSuchUploadError``."""
        match = _FILE.fullmatch(name)
        if match is None:
            raise NoSuchUploadError(name)
        upload, number = self.get(match[1]), int(match[2])
        if number >= len(upload.files):
            raise NoSuchUploadError(name)
        return upload, number

    def offset(self, upload: Upload, number: int) -> int:
        """Return how many bytes of a file are there."""
        file = upload.files[number]
        try:
            there = self._part(upload, number).stat().st_size
        except FileNotFoundError:
            return file.size if self._whole(upload, number).is_file() else 0
        return there

    def write(self, upload: Upload, number: int, at: int, data: bytes) -> None:
        """Write bytes of a file at their place: again they are the same."""
        if self._whole(upload, number).exists():
            return
        if not self._note(upload, number).exists():
            self._keep(upload, number, 0)
        file = os.open(self._part(upload, number), _NEW, 0o600)
        try:
            piece = memoryview(data)
            while piece:
                wrote = os.pwrite(file, piece, at)
                at, piece = at + wrote, piece[wrote:]
        finally:
            os.close(file)

    def keep(self, upload: Upload, number: int) -> None:
        """Make sure that what came so far outlives the machine."""
        try:
            file = os.open(self._part(upload, number), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            size = os.fstat(file).st_size
            os.fdatasync(file)
        finally:
            os.close(file)
        self._keep(upload, number, size)
        os.utime(self._at(upload.id) / "upload.json")

    def finish(self, upload: Upload, number: int) -> None:
        """Put a file that is whole under its path. Again it does nothing."""
        part, whole = self._part(upload, number), self._whole(upload, number)
        if not upload.files[number].size:
            part.touch(mode=0o600)
        if part.exists():
            whole.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.replace(whole)
            self._note(upload, number).unlink(missing_ok=True)

    def finish_all(self, upload: Upload) -> None:
        """Do so with all that are whole."""
        for number, file in enumerate(upload.files):
            if self.offset(upload, number) == file.size:
                self.finish(upload, number)

    # -- parts -------------------------------------------------------------------------------

    def _at(self, identity: str) -> Path:
        return self.root / identity

    def _part(self, upload: Upload, number: int) -> Path:
        return self._at(upload.id) / "parts" / str(number)

    def _note(self, upload: Upload, number: int) -> Path:
        return self._at(upload.id) / "parts" / f"{number}.kept"

    def _whole(self, upload: Upload, number: int) -> Path:
        return self._at(upload.id) / "tree" / upload.files[number].path

    def _keep(self, upload: Upload, number: int, size: int) -> None:
        note = self._note(upload, number)
        aside = note.with_suffix(".new")
        aside.write_text(json.dumps({"boot": self._boot, "size": size}))
        aside.replace(note)

    def _read(self, identity: str) -> Upload:
        try:
            told = json.loads((self._at(identity) / "upload.json").read_bytes())
            files = tuple(Sent(**each) for each in told["files"])
            upload = Upload(**told | {"files": files, "classes": tuple(told["classes"])})
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError) as error:
            # Of another release, or what a disk that failed has left of it.
            raise NoSuchUploadError(identity) from error
        for part in (self._at(identity) / "parts").iterdir():
            if part.name.isdigit():
                self._cut(upload, int(part.name))
        return upload

    def _cut(self, upload: Upload, number: int) -> None:
        """Cut off what an earlier start of the machine wrote and did not sync."""
        boot, size = "", 0
        with suppress(FileNotFoundError, ValueError):
            told = json.loads(self._note(upload, number).read_bytes())
            boot, size = told["boot"], told["size"]
        part = self._part(upload, number)
        if boot != self._boot:
            os.truncate(part, min(size, part.stat().st_size))
            self._keep(upload, number, size)
