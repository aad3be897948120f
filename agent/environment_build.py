"""One build of a class's environment: resolve, install, look at what it did, keep it as an image.

The engine does the work, in containers; each is gone when its step is over, however it ended.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.environment_log import Log
from engine.buildsite import BuildSite
from engine.client import EngineRefusedError, EngineUnavailableError
from engine.workshop import Ran, Workshop, prefix
from room.environments import failures
from room.environments.files import refused
from room.environments.lock import lock_of, packages_of, tag_of
from room.environments.model import Build, State
from room.environments.requirements import read
from room.models import Reject

#: Runs inside the container, on its own Python.
STEP = Path(__file__).with_name("environment_step.py")
#: Minutes that one step may take.
LONGEST = 30


class FailedError(Exception):
    """It will not succeed as it is. ``why`` is for who asked for it."""

    def __init__(self, why: Reject) -> None:
        super().__init__(why.message)
        self.why = why


class StoppedError(Exception):
    """It was cancelled, or the agent ends."""


class LostError(Exception):
    """Somebody ended its container: the engine, when it is started anew."""


class Work:
    """One build, on the thread that calls ``run``; ``stop`` may come from another.

    ``image`` is the room's own; ``place`` is the build's directory, at the same path on the host.
    ``note`` is told of each state.
    """

    def __init__(
        self,
        build: Build,
        workshop: Workshop,
        site: BuildSite,
        place: Path,
        *,
        room: str,
        image: str,
        note: Callable[[Build], None],
    ) -> None:
        self.build, self._workshop, self._site = build, workshop, site
        self._place, self._room, self._image, self._note = place, room, image, note
        self._log = Log(place / "log.txt", site.redact)
        self._lock = threading.Lock()
        self._container = ""
        self.stopped = self._late = False

    def run(self) -> Build:
        """Return the build as it is when its image is there.

        Raises ``FailedError``, ``StoppedError``, ``LostError`` and the engine's errors.
        """
        base = self._workshop.image_id(self._image)
        if not base:
            raise FailedError(failures.no_base())
        self._enter("resolving", base)
        found = self._resolve()
        packages = packages_of(found["packages"])
        if not packages:
            raise FailedError(failures.nothing_new())
        lock = lock_of(packages)
        tag = tag_of(self._room, base, lock)
        if not self._workshop.image_id(tag):
            self._enter("installing", base)
            self._install(base, lock, tag, found["protected"])
        self._log.say(f"{tag} is there.")
        size = self._workshop.added(tag)
        return replace(self.build, state="built", lock=lock, tag=tag, size=size)

    def stop(self) -> None:
        """End it as soon as can be; ``run`` raises ``StoppedError``."""
        with self._lock:
            self.stopped = True
            container = self._container
        if container:
            with suppress(EngineUnavailableError):
                self._workshop.stop(container)

    # -- steps -------------------------------------------------------------------------------

    def _enter(self, state: State, base: str) -> None:
        self.build = replace(self.build, state=state, base=base)
        self._note(self.build)

    def _resolve(self) -> dict[str, Any]:
        wanted = read(self.build.requirements)
        if isinstance(wanted, Reject):
            raise FailedError(wanted)
        container = self._begin("resolve", wanted.text, self.build.pins)
        try:
            ran = self._followed(container)
        finally:
            self._end(container)
        found: dict[str, Any] = json.loads(ran.output) if ran.output else {}
        if ran.code:
            raise FailedError(failures.explain(list(self._log.tail), bool(found.get("no_wheel"))))
        return found

    def _install(self, base: str, lock: str, tag: str, protected: list[str]) -> None:
        container = self._begin("install", lock)
        try:
            if self._followed(container).code:
                raise FailedError(failures.explain(list(self._log.tail)))
            why = refused(self._workshop.changes(container), protected)
            if why is not None:
                raise FailedError(why)
            # By its id: a newer image may have the tag of the one that it lies on.
            self._workshop.commit(container, base, tag)
        finally:
            self._end(container)

    def _begin(self, step: str, requirements: str, pins: str = "") -> str:
        site = self._place / "site"
        shutil.rmtree(site, ignore_errors=True)
        site.mkdir(mode=0o700)
        files = {**self._site.files(), "requirements.txt": requirements}
        for name, text in {**files, **({"pins.txt": pins} if pins else {})}.items():
            (site / name).touch(mode=0o600)
            (site / name).write_text(text)
        shutil.copyfile(STEP, site / "step.py")
        name = f"{prefix(self._room)}{self.build.id[:8]}-{step}"
        with self._lock:
            if self.stopped:
                raise StoppedError
            self._container = self._workshop.begin(
                name, self.build.base, site, self._site.network, step
            )
        return self._container

    def _followed(self, container: str) -> Ran:
        """Keep what a step says, and return how it ended, if it ended by itself."""
        timer = threading.Timer(60 * LONGEST, self._too_late, [container])
        timer.start()
        try:
            for chunk in self._workshop.follow(container):
                self._log.feed(chunk)
            ran = self._workshop.ended(container)
        finally:
            timer.cancel()
            self._log.end()
        if self.stopped:
            raise StoppedError
        if self._late:
            raise FailedError(failures.too_long(LONGEST))
        if ran.out_of_memory:
            raise FailedError(failures.out_of_memory())
        if ran.killed:
            raise LostError
        return ran

    def _too_late(self, container: str) -> None:
        self._late = True
        with suppress(EngineUnavailableError):
            self._workshop.stop(container)

    def _end(self, container: str) -> None:
        with self._lock:
            self._container = ""
        shutil.rmtree(self._place / "site", ignore_errors=True)
        # What the engine does not remove now is swept before the next build.
        with suppress(EngineUnavailableError, EngineRefusedError):
            self._workshop.remove(container)
