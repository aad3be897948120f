"""Which files a build may have touched: where packages are, and nothing of the image's own. Pure.

A wheel holds whatever its author packed: it could write over PyTorch, or over what starts the
server. What the engine says of the build's own layer is looked at before it becomes an image.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from room.models import Reject
from room.said import said

#: Where packages come to.
WHERE = "/usr/local/"
#: What the image itself has there, beside its packages.
OURS = (
    "/usr/local/bin/jupyterhub-singleuser",
    "/usr/local/bin/python",
    "/usr/local/share/jupyter/kernels",
)
#: Empty places of the build itself.
PLACES = frozenset({"/run/site", "/run/build"})


@dataclass(frozen=True, slots=True)
class Change:
    """What a container's layer has of a path that its image has, too, or has not."""

    path: str
    kind: Literal["modified", "added", "deleted"]


def refused(changes: Iterable[Change], protected: Collection[str]) -> Reject | None:
    """Say why a layer is not taken. ``protected``: files and folders of the image's packages."""
    changes = list(changes)
    above = {parent for each in changes for parent in _parents(each.path)}
    kept = tuple(f"{path}/" for path in (*OURS, *protected))
    for each in changes:
        if each.path in PLACES or (each.path in above and each.kind != "deleted"):
            continue
        if not each.path.startswith(WHERE):
            return Reject(
                "files-outside",
                said(
                    "A package writes %(path)s, which is no place for packages. Leave out the "
                    "package that does so.",
                    path=each.path,
                ),
            )
        if each.kind != "added" and f"{each.path}/".startswith(kept):
            return Reject(
                "files-ours",
                said(
                    "A package writes over %(path)s, which is the image's own: PyTorch and what "
                    "starts the server stay as they are. Leave out the package that does so.",
                    path=each.path,
                ),
            )
    return None


def _parents(path: str) -> Iterable[str]:
    while "/" in path.lstrip("/"):
        path = path.rpartition("/")[0]
        yield path
