"""Which file system a path is on, as the kernel lists its mounts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: the file system's type, its source, and the options of all its mounts."""

    kind: str = ""
    source: str = ""
    options: frozenset[str] = frozenset()


def mount_of(mountinfo: str, path: Path) -> Mount:
    """Return the mount that ``path`` is on; ``mountinfo`` is /proc/self/mountinfo (proc(5))."""
    best, found = -1, Mount()
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) < 5 or not rest:
            continue
        point = fields[4].replace("\\040", " ")
        # A later mount on the same point hides an earlier one.
        if (path == Path(point) or Path(point) in path.parents) and len(point) >= best:
            best = len(point)
            options = rest[2].split(",") if len(rest) > 2 else []
            found = Mount(rest[0], rest[1] if len(rest) > 1 else "", frozenset(options))
    return found
