"""How full a home is, as the agent tells the hub; and what follows from that. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

#: Bytes and files without which a home is as good as full: a notebook cannot be saved any more.
LEAST_BYTES, LEAST_FILES = 4 * 1024**2, 16

Level = Literal["ok", "near", "full"]


@dataclass(frozen=True, slots=True)
class HomeUse:
    """One home. Sizes in bytes; limits of 0 are none; None: nobody knows yet."""

    used: int | None = None
    #: Files and directories in it.
    files: int | None = None
    soft: int = 0
    hard: int = 0
    #: ``used`` is counted by the file system; else it was measured at ``measured_at``.
    exact: bool = False
    #: The file system itself refuses to write beyond ``hard``.
    enforced: bool = False
    #: When its files were last read through; None: not yet.
    measured_at: datetime | None = None
    #: That reading came to its end; else there is more than it says.
    complete: bool = True
    #: What fills it: paths below the home, largest first.
    largest: tuple[tuple[str, int], ...] = ()
    #: What the disk that it is on has left for everybody; no number of files: no limit on them.
    disk_free: int | None = None
    disk_free_files: int | None = None

    @property
    def left(self) -> int | None:
        """Return the bytes that can still be written, of its own and of the disk's."""
        own = self.hard - self.used if self.enforced and self.used is not None else None
        known = [value for value in (own, self.disk_free) if value is not None]
        return max(0, min(known)) if known else None


def level(use: HomeUse) -> Level:
    """Return ``full`` when nothing can be saved, ``near`` from the soft limit on.

    A hard limit that the file system does not hold is one for people: beyond it is ``near``.
    """
    if use.left is not None and use.left < LEAST_BYTES:
        return "full"
    if use.disk_free_files is not None and use.disk_free_files < LEAST_FILES:
        return "full"
    soft = use.soft or use.hard
    return "near" if soft and use.used is not None and use.used >= soft else "ok"


def as_dict(use: HomeUse) -> dict[str, Any]:
    """Return what JSON can hold."""
    measured = use.measured_at.isoformat() if use.measured_at else None
    return {**asdict(use), "measured_at": measured, "largest": [list(e) for e in use.largest]}


def loads(text: str) -> HomeUse:
    """Read back the JSON of ``as_dict``. Raises ``ValueError`` for anything else."""
    data = json.loads(text)
    try:
        measured = data["measured_at"]
        largest = tuple((str(path), int(size)) for path, size in data["largest"])
        return HomeUse(
            **{
                **data,
                "largest": largest,
                "measured_at": datetime.fromisoformat(measured) if measured else None,
            }
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no use of a home: {error}") from error
