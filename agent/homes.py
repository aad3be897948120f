"""Homes: one directory a user, made here because only the agent is root on the host's files."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from agent.disk.drivers import Driver, driver
from agent.disk.limits import KnownLimits, Limits
from agent.disk.measures import Measures
from room import names
from room.homeuse import HomeUse

#: The image's user, ``jovyan``, and its group, ``users``.
STUDENT_UID, STUDENT_GID = 1000, 100
HOME_MODE = 0o700

#: Seconds for which a measure is good: while somebody looks at it, and where it alone says how
#: much is used.
SHOWN_AGE, WATCHED_AGE = 60.0, 600.0


class HomeError(Exception):
    """A home cannot be handed out; the message says why, for the admin."""


@dataclass(frozen=True, slots=True)
class Home:
    """``enforced``: its file system holds the hard limit; else ``why`` says why it does not."""

    user: str
    path: Path
    created: bool
    enforced: bool = False
    why: str = ""


class Homes:
    """The homes under ``directory``. What they hold is measured, or counted by the driver."""

    def __init__(
        self,
        directory: Path,
        driver: Driver,
        measures: Measures | None = None,
        limits: KnownLimits | None = None,
    ) -> None:
        self._directory = directory
        self._driver = driver
        self._measures = measures or Measures()
        self._limits = limits or KnownLimits()

    @classmethod
    def at(cls, directory: Path, state: Path | None = None) -> Homes:
        """Return the homes under ``directory``; ``state`` is where the agent remembers things."""
        file = state / "limits.json" if state else None
        return cls(directory, driver(directory), limits=KnownLimits(file))

    def open(self, user: str, limits: Limits | None = None) -> Home:
        """Return the user's home, made if there was none, with these limits; None: as they are.

        Nothing in an existing home is changed. A symbolic link or a file in its
        place is refused: mounting it would hand out somebody else's files. A limit that cannot
        be set keeps nobody out.
        """
        path = self._path(user)
        created = self._make(path)
        if not created and not stat.S_ISDIR(path.lstat().st_mode):
            raise HomeError(f"{path} is not a directory: move it away, then start the server again")
        if limits is None:
            return Home(user, path, created)
        why = self._driver.limit(path, limits.hard)
        self._limits.set(path.name, limits)
        return Home(user, path, created, enforced=not why, why=why)

    def use(self, user: str, patience: float = 0.0) -> HomeUse:
        """Return how full the home is. ``patience``: seconds to wait for a new measure.

        Raises ``HomeError`` when there is no such home.
        """
        path = self._path(user)
        try:
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise HomeError(f"{path} is not a directory")
            disk = os.statvfs(path)
        except OSError as error:
            raise HomeError(f"{path} cannot be looked at: {error.strerror}") from error
        counted = self._driver.count(path)
        measured = self._measures.latest(path, SHOWN_AGE if patience else WATCHED_AGE, patience)
        told = self._limits.of(path.name)
        files = counted.files if counted else None
        if files is None and measured:
            files = measured.files
        return HomeUse(
            used=counted.used if counted else measured.used if measured else None,
            files=files,
            soft=told.soft,
            hard=counted.hard if counted and counted.hard else told.hard,
            exact=counted is not None,
            enforced=bool(counted and counted.hard),
            measured_at=measured.at if measured else None,
            complete=measured.complete if measured else True,
            largest=measured.largest if measured else (),
            disk_free=disk.f_bavail * disk.f_frsize,
            # btrfs has no fixed number of files, and says 0 of 0.
            disk_free_files=disk.f_favail if disk.f_files else None,
        )

    def _path(self, user: str) -> Path:
        return self._directory / names.home_directory(user)

    def _make(self, path: Path) -> bool:
        """Make a home that is not there. True: it was not."""
        try:
            self._driver.make(path, HOME_MODE)
        except FileExistsError:
            return False
        except FileNotFoundError as error:
            raise HomeError(f"{self._directory} is missing: run `room up` to make it") from error
        except OSError as error:
            raise HomeError(f"{path} cannot be made: {error.strerror}") from error
        os.chown(path, STUDENT_UID, STUDENT_GID)
        path.chmod(HOME_MODE)  # the mode that it was made with is cut by the umask
        return True
