"""How much of the disk uploads have yet to take. The console keeps them: ``console.incoming``."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path


def promised(incoming: Path) -> int:
    """Return the bytes that uploads below ``incoming`` have yet to bring."""
    return sum(_left(path.parent) for path in incoming.glob("*/upload.json"))


def _left(upload: Path) -> int:
    with suppress(FileNotFoundError, ValueError, TypeError, KeyError):
        told = json.loads((upload / "upload.json").read_bytes())
        size = sum(int(each["size"]) for each in told["files"])
        return max(0, size - _size(upload))
    return 0


def _size(upload: Path) -> int:
    found = 0
    for above, _, files in os.walk(upload):
        for name in files:
            with suppress(FileNotFoundError):
                found += os.lstat(os.path.join(above, name)).st_size
    return found
