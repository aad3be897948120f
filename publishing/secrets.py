"""What lets the room in elsewhere, kept while a publication needs it: never in the clear.

Encrypted with a key that lies beside nothing that is backed up or shown with the publications.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from room.datasets.fetching import LOST


class LostSecretError(Exception):
    """What was kept cannot be read any more: it is to be given again."""


def seal(key: Path, told: Mapping[str, Any]) -> bytes:
    """Return what is told, encrypted. The key is made where there is none."""
    from cryptography.fernet import Fernet

    return Fernet(_key(key)).encrypt(json.dumps(told).encode())


def open_(key: Path, sealed: bytes) -> dict[str, Any]:
    """Return what was told. Raises ``LostSecretError``."""
    from cryptography.fernet import Fernet, InvalidToken

    try:
        found: dict[str, Any] = json.loads(Fernet(key.read_bytes()).decrypt(sealed))
    except (FileNotFoundError, InvalidToken, ValueError) as error:
        raise LostSecretError(LOST) from error
    return found


def _key(path: Path) -> bytes:
    from cryptography.fernet import Fernet

    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}.new")
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key())
        try:
            # Of two that make it at once, one has made it.
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_bytes()
