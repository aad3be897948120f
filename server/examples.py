"""The room's examples: the first is in each new home, and of the library copies are made.

What was given once is never overwritten, and never brought back.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

#: What a home was given, one path a line. A lesson named here was deleted or changed on purpose.
_GIVEN = Path(".local", "state", "torchroom", "examples")
#: Where a home has them.
FOLDER = "examples"


def give(source: Path, home: Path) -> list[str]:
    """Copy what ``home/examples`` has never been given, and return it.

    Raises ``OSError`` when the home is full or read-only. A lesson is there whole or
    not at all, and is only noted as given once it is there.
    """
    record = home / _GIVEN
    known = _read(record)
    new = []
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if not path.is_file() or name in known:
            continue
        target = home / FOLDER / name
        if not os.path.lexists(target):
            _copy(path, target)
            new.append(name)
        known.add(name)
        _note(record, name)
    return new


def listed(library: Path, home: Path) -> list[dict[str, Any]]:
    """Return the library: title and words of each notebook, and whether the home has a copy."""
    found = []
    for path in sorted(library.glob("*.ipynb")):
        about = json.loads(path.read_text("utf-8"))["metadata"]["room"]
        copied = os.path.lexists(home / FOLDER / path.name)
        found.append({"name": path.name, **about, "copied": copied})
    return found


def take(library: Path, home: Path, name: str) -> str:
    """Copy one notebook, unless the home has one of that name; return its path from the home on.

    Raises ``LookupError`` for what is not in the library, and ``OSError`` for a full home.
    """
    source = next((each for each in library.glob("*.ipynb") if each.name == name), None)
    if source is None:
        raise LookupError(name)
    target = home / FOLDER / name
    if not os.path.lexists(target):
        _copy(source, target)
    return f"{FOLDER}/{name}"


def _read(record: Path) -> set[str]:
    try:
        return set(record.read_text(errors="replace").splitlines())
    except FileNotFoundError:
        return set()


def _note(record: Path, name: str) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.open("a") as given:
        given.write(f"{name}\n")


def _copy(path: Path, target: Path) -> None:
    """Copy under another name first: a full disk leaves no half of a lesson behind."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=target.parent, prefix=".room-")
    try:
        with os.fdopen(handle, "wb") as copy, path.open("rb") as original:
            shutil.copyfileobj(original, copy)
        Path(beside).chmod(0o644)
        # A link fails where a file has appeared meanwhile; a rename would replace it.
        os.link(beside, target)
    finally:
        with contextlib.suppress(OSError):
            Path(beside).unlink()
