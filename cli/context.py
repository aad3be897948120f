"""What every command starts from: the settings in force, and the room's own database."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import Problem, from_os_error

if TYPE_CHECKING:
    from room.settings import Settings
    from room.store import Store

VARIABLE = "ROOM_CONFIG"

#: Caddy's own authority, under ``<data_root>/state``.
INTERNAL_CA = Path("front/data/caddy/pki/authorities/local/root.crt")


def project_root() -> Path:
    """Return the checkout that this ``room`` command belongs to."""
    return Path(__file__).resolve().parents[1]


def config_path() -> Path:
    """Return where ``room.yaml`` is: ``$ROOM_CONFIG``, or beside ``docker-compose.yml``."""
    named = os.environ.get(VARIABLE, "")
    return Path(named).expanduser().absolute() if named else project_root() / "room.yaml"


def settings(*, or_defaults: bool = False) -> Settings:
    """Return the settings in force, read once a process.

    Raises ``Problem`` when ``room.yaml`` is missing, unreadable or wrong. With
    ``or_defaults`` a room that has no ``room.yaml`` yet gets the defaults; a
    file that is named and missing stays a problem.
    """
    path = config_path()
    if or_defaults and not os.environ.get(VARIABLE) and not path.exists():
        return _defaults()
    return _load(path)


def store() -> Store:
    """Return the room's own database: leases, tokens, invites."""
    from room.store import open_store

    try:
        return open_store(settings())
    except OSError as error:
        raise from_os_error(error) from error


def internal_ca(settings: Settings) -> Path | None:
    """Return the room's own certificate authority, where it has made one."""
    path = settings.data_root / "state" / INTERNAL_CA
    return path if settings.tls.mode == "internal" and path.exists() else None


@lru_cache(maxsize=1)
def _defaults() -> Settings:
    from room.settings import Settings

    return Settings()


@lru_cache(maxsize=8)
def _load(path: Path) -> Settings:
    from room.settings import SettingsError, load

    try:
        return load(path)
    except SettingsError as error:
        raise Problem(
            f"{path} cannot be used; nothing was changed:\n"
            + "\n".join(f"  {problem}" for problem in error.problems),
            f"Correct {path}, then check it with: room config check",
        ) from error
    except FileNotFoundError as error:
        raise Problem(
            f"There is no settings file {path}.",
            "Run make up, which writes one, or copy room.example.yaml to it.",
        ) from error
    except OSError as error:
        raise from_os_error(error) from error
