"""The versions that a server has: where they lie, where it finds them, how it is told. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePosixPath

from room.models import Bind, Pinned

#: Where a server has its datasets, and each one's page: no dataset has a name with capitals.
AT = "/datasets"
PAGES = f"{AT}/README"
#: What a server reads of them in its environment.
VARIABLE = "ROOM_DATASETS"


def binds(root: str, pinned: Iterable[Pinned]) -> tuple[Bind, ...]:
    """Return what is mounted of these: files and page, read-only. ``root``: of the host's shelf."""
    return tuple(
        bind
        for each in pinned
        for bind in (
            Bind(str(directory(root, each) / "tree"), at(each), read_only=True),
            Bind(
                str(directory(root, each) / "README.md"), f"{PAGES}/{each.name}.md", read_only=True
            ),
        )
    )


def at(pinned: Pinned) -> str:
    """Return where a server has it."""
    return f"{AT}/{pinned.name}"


def directory(root: str, pinned: Pinned) -> PurePosixPath:
    """Return where the version lies on the host."""
    return PurePosixPath(root) / "versions" / pinned.name / pinned.digest


def variable(pinned: Iterable[Pinned]) -> str:
    """Return what a server is told: JSON by dataset; ``{}`` where it has none."""
    return json.dumps(
        {
            each.name: {"path": at(each), "version": each.number, "digest": each.digest}
            for each in pinned
        }
    )
