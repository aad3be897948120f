"""A publication that is under way: what it is to become, how far it is, and whether it is to stop.

It lies in a directory of its own under ``staging`` and outlives whoever works on it: a process that
holds its lock goes on where the last one stopped.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from publishing import secrets
from publishing.incoming import promised
from publishing.shelf import Shelf
from room.datasets.readme import Kind
from room.datasets.space import refusal

#: Seconds between two notes of how far it is, which are also looks at whether it is to stop.
NOTE_EVERY = 0.5
#: Seconds over which its rate is taken: what it was an hour ago says nothing of the time left.
RATE_OVER = 10.0
#: Bytes that a publication keeps free for its own last words.
SPARE = 64 * 1024
#: ``stored``: its files are a version's, and only the room's database does not know it yet.
State = Literal["gathering", "stored", "failed"]


class CancelledJobError(Exception):
    """Somebody asked for the publication to stop."""


class BusyJobError(Exception):
    """Another process works on it."""


class NoSpaceError(Exception):
    """There is no room for it on the disk; the message says how much is missing."""


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for, and what came of it so far.

    ``source``: what it is made from, as its reader wants it; no password is in it. ``expected``,
    ``same`` (of those, what looks like files of the version before) and ``size`` are bytes; times
    are seconds since 1970. ``boot``: of which start of the machine its files are: what was not
    synced before the last one may be lost. ``shape`` and ``example``: what its files look like.
    """

    id: str
    name: str
    actor: str
    source: Mapping[str, Any]
    about: Mapping[str, str]
    classes: tuple[str, ...]
    began: float
    boot: str
    state: State = "gathering"
    why: str = ""
    expected: int = 0
    same: int = 0
    digest: str = ""
    size: int = 0
    files: int = 0
    shape: Kind = "files"
    example: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a publication is: bytes, of ``total`` unless that is 0; ``rate``: bytes a second."""

    done: int = 0
    total: int = 0
    rate: float = 0.0
    at: float = 0.0

    @property
    def left(self) -> float | None:
        """Seconds that it will take from now on, None: nobody can tell."""
        if self.rate <= 0 or not self.total:
            return None
        return max(0, self.total - self.done) / self.rate


class Desk:
    """The publications of one shelf. ``key``: a file, with which they keep what is secret."""

    def __init__(self, shelf: Shelf, key: Path | None = None) -> None:
        self.shelf, self._key = shelf, key

    def begin(self, name: str, actor: str, source: Mapping[str, Any], **more: Any) -> Job:
        """Write down a new publication. ``secret``: what nobody else may read of its source."""
        secret = more.pop("secret", None)
        job = Job(
            id=str(uuid.uuid4()),
            name=name,
            actor=actor,
            source=source,
            about=more.pop("about", {}),
            classes=tuple(more.pop("classes", ())),
            began=time.time(),
            boot=boot(),
            **more,
        )
        self.directory(job).mkdir(mode=0o700)
        self.set_aside(job)
        if secret is not None:
            self.hide(job, secret)
        self.write(job)
        return job

    def directory(self, job: Job) -> Path:
        return self.shelf.staging / job.id

    def write(self, job: Job) -> Job:
        """Put what is known of it on the disk, whole."""
        _write(self.directory(job) / "job.json", asdict(job))
        return job

    def hide(self, job: Job, secret: Mapping[str, Any]) -> None:
        """Keep what is secret of a source until the publication is stored or cancelled."""
        if self._key is None:
            raise LookupError("this desk has no key to keep anything secret with")
        path = self.directory(job) / "secret"
        aside = path.with_suffix(".new")
        aside.write_bytes(secrets.seal(self._key, secret))
        aside.replace(path)

    def revealed(self, job: Job) -> Mapping[str, Any]:
        """Return a source with what is secret of it, for who reads it and for nobody else."""
        path = self.directory(job) / "secret"
        if self._key is None or not path.exists():
            return job.source
        return {**job.source, "secret": secrets.open_(self._key, path.read_bytes())}

    def forget_secret(self, job: Job) -> None:
        (self.directory(job) / "secret").unlink(missing_ok=True)

    def set_aside(self, job: Job) -> None:
        """Keep a little of the disk, so that a full one can be written down."""
        (self.directory(job) / "spare").write_bytes(b"\1" * SPARE)

    def spend_aside(self, job: Job) -> None:
        (self.directory(job) / "spare").unlink(missing_ok=True)

    def all(self) -> list[Job]:
        """Return the publications that are under way or stopped on the way, oldest first."""
        found = []
        for path in self.shelf.staging.glob("*/job.json"):
            with suppress(FileNotFoundError, ValueError, TypeError):
                told = json.loads(path.read_bytes())
                found.append(Job(**(told | {"classes": tuple(told["classes"])})))
        return sorted(found, key=lambda job: job.began)

    def get(self, beginning: str) -> Job:
        """Return the one whose id begins so. Raises ``LookupError``."""
        found = [job for job in self.all() if beginning and job.id.startswith(beginning)]
        if len(found) != 1:
            shown = repr(beginning[:40])
            raise LookupError(
                f"{len(found)} publications have an id that begins {shown}: write more of it"
                if found
                else f"no publication has an id that begins {shown}"
            )
        return found[0]

    def progress(self, job: Job) -> Progress:
        try:
            return Progress(**json.loads((self.directory(job) / "progress.json").read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return Progress()

    def running(self, job: Job) -> bool:
        """Say whether a process works on it now."""
        try:
            with self.held(job):
                return False
        except BusyJobError:
            return True
        except FileNotFoundError:
            return False

    def left(self, job: Job) -> int:
        """Return the bytes that it has yet to write, as far as anybody can tell."""
        return max(0, job.expected - max(job.same, self.progress(job).done))

    def promised(self, but: Job) -> int:
        """Return the bytes that all others have yet to write, and uploads to bring."""
        others = sum(
            self.left(each)
            for each in self.all()
            if each.id != but.id and each.state == "gathering"
        )
        return others + promised(self.shelf.incoming)

    @contextmanager
    def held(self, job: Job) -> Iterator[None]:
        """Be the one who works on it. Raises ``BusyJobError``."""
        path = self.directory(job) / "lock"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise BusyJobError(f"another process publishes {job.name}") from error
        finally:
            os.close(handle)

    def ask_to_stop(self, job: Job) -> None:
        (self.directory(job) / "cancel").touch()

    def end(self, job: Job) -> None:
        """Remove what is left of it: all its files, unless they are a version's by now."""
        directory = self.directory(job)
        aside = directory / "version"
        if aside.exists():
            self.shelf.clear(aside)
        shutil.rmtree(directory, ignore_errors=True)

    def note(
        self,
        job: Job,
        also: Callable[[int], object] | None = None,
        grows: Callable[[int], object] | None = None,
    ) -> Meter:
        """Return what hears of its bytes; ``also`` hears of them too, ``grows`` of their total."""
        return Meter(self, job, also, grows)


class Meter:
    """Hears of bytes, notes how far the publication is, and stops it when it is asked to."""

    def __init__(
        self,
        desk: Desk,
        job: Job,
        also: Callable[[int], object] | None = None,
        grows: Callable[[int], object] | None = None,
    ) -> None:
        self._also, self._grows = also, grows
        self._desk, self._job = desk, job
        self._directory = desk.directory(job)
        self._total = job.expected
        self._done = 0
        self._noted = 0.0
        self._points: list[tuple[float, int]] = [(time.monotonic(), 0)]
        self._lock = threading.Lock()

    def expect(self, total: int) -> None:
        self._total = total

    def reserve(self, total: int) -> None:
        """Hear how large it is from who found it out on the way. Raises ``NoSpaceError``."""
        self.expect(total)
        if self._grows is not None:
            self._grows(total)
        desk = self._desk
        job = desk.write(replace(desk.get(self._job.id), expected=total))
        why = refusal(desk.left(job), desk.shelf.disk(), desk.promised(job))
        if why is not None:
            raise NoSpaceError(why)

    def tell(self, count: int) -> None:
        """Hear of so many bytes more, from any thread. Raises ``CancelledJobError``."""
        with self._lock:
            self._done += count
            if self._also is not None:
                self._also(count)
            now = time.monotonic()
            if now - self._noted >= NOTE_EVERY:
                self._noted = now
                self._note()

    def _note(self) -> None:
        if (self._directory / "cancel").exists():
            raise CancelledJobError("the publication was cancelled")
        _write(self._directory / "progress.json", asdict(self.progress()))

    def look(self, count: int) -> None:
        """See whether it is to stop; hear of no bytes."""
        self.tell(0)

    def progress(self) -> Progress:
        now = time.monotonic()
        self._points = [
            each for each in self._points if now - each[0] <= RATE_OVER
        ] or self._points[-1:]
        first = self._points[0]
        self._points.append((now, self._done))
        rate = (self._done - first[1]) / max(now - first[0], 1e-3)
        return Progress(self._done, self._total, rate, time.time())


def boot() -> str:
    """Return what names this start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def failed(job: Job, why: str) -> Job:
    return replace(job, state="failed", why=why)


def _write(path: Path, told: Mapping[str, Any]) -> None:
    aside = path.with_suffix(f".{os.getpid()}.new")
    aside.write_text(json.dumps(told))
    aside.replace(path)
