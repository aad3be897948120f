"""Publications that the room itself works on, for who has no account on the host.

Each is a process of its own (``publishing.work``). One that ended with the agent, or with the
machine, is begun again with it; what the command publishes from a folder of the host is the
command's to go on with.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from publishing import sources
from publishing.job import Desk, Job, Progress
from publishing.shelf import Shelf
from publishing.upkeep import cancel
from room.datasets.addresses import Wanted

#: How many are worked on at once; the others wait in the order in which they came.
AT_ONCE = 2


class NoSuchPublicationError(LookupError):
    """There is none of that id."""


class UnfinishedError(LookupError):
    """One is not a version's files yet, and cannot be forgotten as if it were."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One that is under way, waits, or stopped.

    ``running``: somebody works on it now. ``waiting``: the agent goes on with it by itself.
    """

    job: Job
    progress: Progress
    running: bool
    waiting: bool = False


class Publications:
    """Those of one host. ``key``: a file; without it nothing secret can be published from."""

    def __init__(self, datasets: Path, key: Path | None = None) -> None:
        self._shelf, self._key = Shelf(datasets), key
        self._desk = Desk(self._shelf, key)
        self._lock = threading.Lock()
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._waiting: list[str] = []

    def open(self) -> None:
        """Make the directories, and go on with what was under way."""
        self._shelf.prepare()
        for job in self._desk.all():
            over = job.state == "failed" or self._whole(job)
            if not over and sources.agents(job.source):
                self._queue(job)

    def begin(
        self,
        name: str,
        actor: str,
        source: sources.Source,
        *,
        about: Mapping[str, str],
        classes: tuple[str, ...],
        secret: Mapping[str, Any] | None = None,
    ) -> Publication:
        """Begin to publish what a source has. It is a copy: what happens to it afterwards is none
        of the version's. ``secret``: what of the source nobody may read.
        """
        job = self._desk.begin(name, actor, source, about=about, classes=classes, secret=secret)
        self._queue(job)
        return self._seen(job)

    def all(self) -> list[Publication]:
        self._next()
        return [self._seen(job) for job in self._desk.all()]

    def again(self, identity: str, secret: Wanted | None = None) -> Publication:
        """Go on with one that stopped; ``secret``: what it is let in with from now on.

        Raises ``NoSuchPublicationError``, and ``ValueError`` for other addresses than its own.
        """
        job = self._get(identity)
        if secret is not None and not self._desk.running(job):
            if secret.shown != list(job.source.get("addresses", ())):
                raise ValueError("these are other addresses than those it was begun with")
            self._desk.hide(job, secret.as_dict())
        if not sources.agents(job.source):
            raise NoSuchPublicationError("this one is gone on with by the command that began it")
        if not self._whole(job) and not self._desk.running(job):
            if job.state == "failed":
                job = self._desk.write(replace(job, state="gathering", why=""))
            self._queue(job)
        return self._seen(job)

    def cancel(self, identity: str) -> bool:
        """Stop one and remove what it made. False: it stops by itself within a second."""
        job = self._get(identity)
        with self._lock:
            if job.id in self._waiting:
                self._waiting.remove(job.id)
        return cancel(self._desk, job.id)

    def forget(self, identity: str) -> None:
        """Remove what is left of one that is in the room's database now.

        Raises ``UnfinishedError`` before its files are a version's: they would go with it.
        """
        job = self._get(identity)
        if self._desk.running(job) or not self._whole(job):
            raise UnfinishedError(f"{job.name} is not there yet")
        self._desk.end(job)

    def close(self) -> None:
        """End the workers; what they worked on is gone on with at the next start."""
        with self._lock:
            self._waiting.clear()
            for worker in self._workers.values():
                worker.terminate()
            for worker in self._workers.values():
                worker.wait()

    # -- parts -------------------------------------------------------------------------------

    def _get(self, identity: str) -> Job:
        try:
            return self._desk.get(identity)
        except LookupError as error:
            raise NoSuchPublicationError(str(error)) from error

    def _seen(self, job: Job) -> Publication:
        running = self._desk.running(job)
        with self._lock:
            worker = self._workers.get(job.id)
            coming = job.id in self._waiting or (worker is not None and worker.poll() is None)
        if job.state == "stored" and (running or not self._whole(job)):
            # Nobody may announce it before its files are where versions are.
            job = replace(job, state="gathering")
        waiting = coming and not running and job.state == "gathering"
        return Publication(job, self._desk.progress(job), running, waiting)

    def _whole(self, job: Job) -> bool:
        """Say whether its files are where those of a version are."""
        return job.state == "stored" and self._shelf.version(job.name, job.digest).exists()

    def _queue(self, job: Job) -> None:
        with self._lock:
            if job.id not in self._waiting:
                self._waiting.append(job.id)
        self._next()

    def _next(self) -> None:
        """Begin with those that wait, while there is a place."""
        with self._lock:
            for identity, worker in list(self._workers.items()):
                if worker.poll() is not None:
                    del self._workers[identity]
            while self._waiting and len(self._workers) < AT_ONCE:
                identity = self._waiting.pop(0)
                command = [sys.executable, "-m", "publishing.work", self._shelf.root, identity]
                command += [self._key] if self._key else []
                self._workers[identity] = subprocess.Popen(command)
                threading.Thread(
                    target=self._after, args=(self._workers[identity],), daemon=True
                ).start()
                logging.getLogger(__name__).info("Publication %s begins", identity)

    def _after(self, worker: subprocess.Popen[bytes]) -> None:
        worker.wait()
        self._next()


def as_dict(seen: Publication) -> dict[str, Any]:
    """Return what the console is told of a publication."""
    job, progress = seen.job, seen.progress
    return {
        "id": job.id,
        "name": job.name,
        "actor": job.actor,
        "kind": job.source["kind"],
        "upload": job.source.get("upload", ""),
        "addresses": list(job.source.get("addresses", ())),
        "ours": sources.agents(job.source),
        "about": dict(job.about),
        "classes": list(job.classes),
        "began": job.began,
        "state": job.state,
        "why": job.why,
        "running": seen.running,
        "waiting": seen.waiting,
        "done": progress.done,
        "total": progress.total or job.expected,
        "rate": progress.rate,
        "left": progress.left,
        "digest": job.digest,
        "size": job.size,
        "files": job.files,
        "shape": job.shape,
        "example": job.example,
    }
