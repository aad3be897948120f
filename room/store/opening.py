"""Open the room's database where the settings say it is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from room.settings import Settings
from room.store.migrate import upgrade
from room.store.store import Store


def database_path(settings: Settings) -> Path:
    """Return the SQLite file's path; the same inside and outside the hub's container."""
    return settings.data_root / "state" / "torchroom.sqlite"


def open_store(settings: Settings) -> Store:
    """Return the store, migrated. Raises ``OSError`` when it cannot be read and written."""
    path = database_path(settings)
    directory = path.parent
    if not directory.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(directory))
    if not os.access(path if path.exists() else directory, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    store = Store(f"sqlite:///{path}")
    upgrade(store)
    _give_to_owner_of(directory, path)
    return store


def _give_to_owner_of(directory: Path, path: Path) -> None:
    """Let the hub write what root has just made: the database belongs to its directory's owner.

    Later files beside it (``-wal``, ``-shm``) SQLite gives to the database's owner by itself.
    """
    if os.geteuid() != 0:
        return
    owner = directory.stat()
    for file in directory.glob(path.name + "*"):
        if file.stat().st_uid != owner.st_uid:
            os.chown(file, owner.st_uid, owner.st_gid)
