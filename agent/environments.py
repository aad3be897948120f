"""The environments of classes that this host builds: one at a time, in the order they came.

What is asked for is a directory each, with what was said and done. The agent knows no database: the
console asks for builds, writes down what they made, and says which images are still anybody's.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from agent import environment_log
from agent.environment_build import FailedError, LostError, StoppedError, Work
from engine.buildsite import BuildSite, loads
from engine.client import EngineRefusedError, EngineUnavailableError
from engine.workshop import Workshop
from room.environments import failures
from room.environments.model import Build, as_dict, from_dict
from room.models import Reject

log = logging.getLogger(__name__)

#: How often a build begins anew that the engine cut short.
TRIES = 4
#: Seconds between two tries to reach an engine that is being started anew.
PAUSE = 1.0


class NoSuchBuildError(LookupError):
    """There is none of that id."""


class BusyError(Exception):
    """Something is being built for the class already."""


class Builds:
    """Those of one host. ``root`` is theirs, at the same path on the host; ``image`` the room's.

    ``site`` tells where packages come from, None: nobody has said so yet.
    """

    def __init__(
        self,
        root: Path,
        workshop: Workshop,
        site: Callable[[], BuildSite | None],
        *,
        room: str,
        image: str,
    ) -> None:
        self._root, self._workshop, self._site = root, workshop, site
        self._room, self._image = room, image
        self._changed = threading.Condition()
        self._builds: dict[str, Build] = {}
        self._work: Work | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="builds", daemon=True)

    def open(self) -> None:
        """Go on with what was under way when the agent ended."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = (_read(path) for path in self._root.iterdir())
        for build in sorted((each for each in found if each is not None), key=lambda b: b.began):
            again = build if build.over else replace(build, state="waiting")
            self._builds[build.id] = again
        self._thread.start()

    def close(self) -> None:
        """Cut short what is under way: it begins anew with the next agent."""
        with self._changed:
            self._closing = True
            work = self._work
            self._changed.notify_all()
        if work is not None:
            work.stop()
        self._thread.join()

    # -- what is asked -----------------------------------------------------------------------

    def all(self) -> list[Build]:
        with self._changed:
            return list(self._builds.values())

    def image(self) -> str:
        """Return the engine's id of the room's image; empty when it has none."""
        return self._workshop.image_id(self._image)

    def images(self) -> set[str]:
        """Return the tags of what this room has built, and the engine still has."""
        return self._workshop.images()

    def begin(
        self, class_name: str, actor: str, requirements: str, replaces: int = 0, pins: str = ""
    ) -> Build:
        """Ask for a build, in the place of one for the class that failed. Raises ``BusyError``."""
        build = Build(
            str(uuid.uuid4()), class_name, actor, requirements, time.time(), replaces, pins
        )
        with self._changed:
            mine = [each for each in self._builds.values() if each.class_name == class_name]
            if any(each.state != "failed" for each in mine):
                raise BusyError
            for each in mine:
                if bool(each.replaces) == bool(replaces):
                    self._drop(each)
            (self._root / build.id).mkdir(mode=0o700)
            self._write(build)
            self._changed.notify_all()
        return build

    def log(self, identity: str) -> str:
        """Return the end of what a build said. Raises ``NoSuchBuildError``."""
        return environment_log.shown(self._root / self._get(identity).id / "log.txt")

    def remove(self, identity: str) -> None:
        """Cancel a build, or forget one that is over. Raises ``NoSuchBuildError``."""
        with self._changed:
            build = self._get(identity)
            work = self._work if self._work and self._work.build.id == identity else None
            if work is None:
                self._drop(build)
        if work is not None:
            # Its own thread removes what there is, once it has ended.
            work.stop()

    def keep(self, tags: Collection[str]) -> list[str]:
        """Remove the images that nobody has any more; return which. What a server runs on stays."""
        with self._changed:
            if any(each.state == "installing" for each in self._builds.values()):
                return []
            coming = {each.tag for each in self._builds.values()}
        left = sorted(self.images() - set(tags) - coming)
        return [tag for tag in left if self._workshop.remove_image(tag)]

    # -- the one thread that builds ----------------------------------------------------------

    def _run(self) -> None:
        while (build := self._next()) is not None:
            try:
                self._over(build, self._built(build))
            except StoppedError:
                if not self._closing:
                    with self._changed:
                        self._drop(build)
            except (OSError, ValueError, LookupError, TypeError):
                log.exception("The build %s for %s did not go on", build.id, build.class_name)
                self._over(build, failures.agent_failed())

    def _next(self) -> Build | None:
        """Wait for a build, and return it; None: the agent ends."""
        with self._changed:
            while True:
                if self._closing:
                    return None
                waiting = (each for each in self._builds.values() if each.state == "waiting")
                if (found := next(waiting, None)) is not None:
                    return found
                self._changed.wait()

    def _built(self, build: Build) -> Build | Reject:
        """Build, and begin anew where the engine went away; return why not where it cannot be."""
        for _ in range(TRIES):
            self._reach()
            site = self._site()
            if site is None:
                return failures.not_set_up()
            try:
                return self._tried(build, site)
            except FailedError as error:
                return error.why
            except EngineRefusedError as error:
                log.error("The build %s for %s: %s", build.id, build.class_name, error)
                why = failures.explain([str(error)])
                return why if why.reason == "disk" else failures.agent_failed()
            except (EngineUnavailableError, LostError) as error:
                log.warning(
                    "The build %s begins anew: %s", build.id, error or "its container ended"
                )
        return failures.engine_went()

    def _tried(self, build: Build, site: BuildSite) -> Build:
        work = Work(
            build,
            self._workshop,
            site,
            self._root / build.id,
            room=self._room,
            image=self._image,
            note=self._note,
        )
        with self._changed:
            if self._closing or build.id not in self._builds:
                raise StoppedError
            self._work = work
        try:
            done = work.run()
        finally:
            with self._changed:
                self._work = None
        if work.stopped:
            raise StoppedError
        return done

    def _reach(self) -> None:
        """Wait until the engine answers, and remove what earlier builds have left there."""
        while not self._closing:
            try:
                left = self._workshop.sweep()
            except EngineUnavailableError:
                with self._changed:
                    self._changed.wait(PAUSE)
            else:
                if left:
                    log.warning("Removed %s containers of builds that were cut short", left)
                return
        raise StoppedError

    def _over(self, build: Build, what: Build | Reject) -> None:
        with self._changed:
            if build.id not in self._builds:
                return
            if isinstance(what, Reject):
                what = replace(self._builds[build.id], state="failed", why=what.message)
            self._write(what)
        log.info("Environment of %s: %s %s", what.class_name, what.state, what.tag or what.why)

    # -- what is written down ----------------------------------------------------------------

    def _note(self, build: Build) -> None:
        with self._changed:
            self._write(build)

    def _get(self, identity: str) -> Build:
        found = self._builds.get(identity)
        if found is None:
            raise NoSuchBuildError(identity)
        return found

    def _write(self, build: Build) -> None:
        self._builds[build.id] = build
        path = self._root / build.id / "build.json"
        beside = path.with_suffix(".new")
        try:
            beside.touch(mode=0o600)
            beside.write_text(json.dumps(as_dict(build), indent=2) + "\n")
            beside.replace(path)
        except OSError as error:
            # A full disk ends a build, and not the thread that builds.
            log.warning("The build %s could not be written down: %s", build.id, error)

    def _drop(self, build: Build) -> None:
        self._builds.pop(build.id, None)
        shutil.rmtree(self._root / build.id, ignore_errors=True)


def _read(place: Path) -> Build | None:
    """Return what was asked for there; None, and remove it, where half of it was written."""
    shutil.rmtree(place / "site", ignore_errors=True)
    with suppress(OSError, ValueError, TypeError):
        return from_dict(json.loads((place / "build.json").read_text()))
    shutil.rmtree(place, ignore_errors=True)
    return None


def site_reader(path: Path) -> Callable[[], BuildSite | None]:
    """Return what reads where packages come from, as ``room up`` wrote it last."""

    def read() -> BuildSite | None:
        with suppress(OSError, ValueError):
            return loads(path.read_text())
        return None

    return read
