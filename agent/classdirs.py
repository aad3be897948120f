"""The folders of classes and what is handed in there: made here, as homes are.

Below ``classes/`` only root passes, and a class's own directory and its ``hand-in`` are root's. So
nobody can put a link in the place of anything here but in a folder and in a student's own
directory; of those only ``folder/hand-in`` is opened, which is root's in a directory with the
sticky bit: who may write in the folder cannot move it away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.disk import kernel
from agent.disk.drivers import Driver, Project, driver
from agent.homes import STUDENT_GID, STUDENT_UID
from room import classdirs
from room.classdirs import HandIn

FOLDER = "folder"
#: Of projects: homes have those below, which so never meet these.
FIRST_PROJECT = 0x7500_0000


@dataclass(frozen=True, slots=True)
class Opened:
    """The directories of one class. ``why``: why a limit is not held; empty: all are, or are none.

    ``problem`` says why there is nothing to mount; then both paths are empty.
    """

    class_name: str
    folder: str = ""
    hand_in: str = ""
    problem: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class DirLimits:
    """Bytes; 0: none. Of a class's folder, and of what each student hands in there."""

    folder: int = 0
    hand_in: int = 0


class ClassDirs:
    """The directories of classes under ``directory``."""

    def __init__(self, directory: Path, driver: Driver) -> None:
        self._directory = directory
        self._driver = driver

    @classmethod
    def at(cls, directory: Path) -> ClassDirs:
        project = partial(Project, FIRST_PROJECT, lambda _: limited(directory))
        return cls(directory, driver(directory, project=project))

    def open(self, user: str, class_name: str, hand_in: HandIn, limits: DirLimits) -> Opened:
        """Return a class's directories, made if there were none, with their limits set.

        What is in a folder or was handed in is never changed. A link or a file in the place of a
        directory is a problem, and so is a name that can be none.
        """
        try:
            return self._open(user, class_name, hand_in, limits)
        except ValueError as error:
            return Opened(class_name, problem=str(error))
        except OSError as error:
            missing = f"{self._directory} is missing: run `room up` to make it"
            there = self._directory.is_dir()
            problem = f"{error.filename or class_name}: {error.strerror}" if there else missing
            return Opened(class_name, problem=problem)

    def _open(self, user: str, class_name: str, hand_in: HandIn, limits: DirLimits) -> Opened:
        place = self._directory / classdirs.directory(class_name)
        folder, handed_in = place / FOLDER, place / classdirs.HAND_IN
        mine = handed_in / classdirs.hand_in_directory(user)
        self._make(place, 0o700)
        # Group and sticky bit: a student's user may make what it likes there, and only root moves
        # what is root's.
        self._make(folder, 0o1775, gid=STUDENT_GID, limited=True)
        self._make(folder / classdirs.HAND_IN, 0o755)
        # To those who collect it is mounted whole, and they are no root.
        self._make(handed_in, 0o755)
        why = self._limit(folder, limits.folder)
        if hand_in == "all":
            return Opened(class_name, str(folder), str(handed_in), why=why)
        self._make(mine, 0o700, STUDENT_UID, STUDENT_GID, limited=True)
        why = self._limit(mine, limits.hand_in) or why
        return Opened(class_name, str(folder), str(mine), why=why)

    def _limit(self, path: Path, hard: int) -> str:
        why = self._driver.limit(path, hard)
        return why if hard else ""

    def _make(
        self, path: Path, mode: int, uid: int = 0, gid: int = 0, *, limited: bool = False
    ) -> None:
        """Make a directory that is not there, and see that one that is there is as it should be.

        A student may close their own to those who collect; the next start opens it again.
        """
        try:
            if limited:
                self._driver.make(path, mode)
            else:
                path.mkdir(mode)
        except FileExistsError:
            pass
        with kernel.directory(path) as found:
            status = os.fstat(found)
            if (status.st_uid, status.st_gid) != (uid, gid):
                os.fchown(found, uid, gid)
            if status.st_mode & 0o7777 != mode:
                os.fchmod(found, mode)


def limited(directory: Path) -> Iterator[Path]:
    """Yield every directory under ``directory`` that may have a limit of its own."""
    for place in directory.iterdir():
        yield place / FOLDER
        if (place / classdirs.HAND_IN).is_dir():
            yield from (place / classdirs.HAND_IN).iterdir()
