"""Homes: one directory a user, made here because only the agent is root on the host's files."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from room import names

#: The image's user, ``jovyan``, and its group, ``users``.
STUDENT_UID, STUDENT_GID = 1000, 100
HOME_MODE = 0o700


class HomeError(Exception):
    """A home cannot be handed out; the message says why, for the admin."""


@dataclass(frozen=True, slots=True)
class Home:
    user: str
    path: Path
    created: bool


def ensure(homes: Path, user: str) -> Home:
    """Return the user's home under ``homes``, made if there was none.

    Nothing in an existing home is changed. A symbolic link or a file in its
    place is refused: mounting it would hand out somebody else's files.
    """
    path = homes / names.home_directory(user)
    try:
        path.mkdir(mode=HOME_MODE)
        created = True
    except FileExistsError:
        created = False
    except FileNotFoundError as error:
        raise HomeError(f"{homes} is missing: run `room up` to make it") from error
    except OSError as error:
        raise HomeError(f"{path} cannot be made: {error.strerror}") from error
    if created:
        os.chown(path, STUDENT_UID, STUDENT_GID)
        path.chmod(HOME_MODE)  # mkdir's mode is cut by the umask
    elif not stat.S_ISDIR(path.lstat().st_mode):
        raise HomeError(f"{path} is not a directory: move it away, then start the server again")
    return Home(user, path, created)
