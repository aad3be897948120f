"""The room's lessons in a new home: given once, never overwritten, never brought back."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

#: What a home was given, one path a line. A lesson named here was deleted or changed on purpose.
_GIVEN = Path(".local", "state", "torchroom", "examples")


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
        target = home / "examples" / name
        if not os.path.lexists(target):
            _copy(path, target)
            new.append(name)
        known.add(name)
        _note(record, name)
    return new


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
