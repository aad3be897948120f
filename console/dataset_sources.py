"""What a form or a program names to publish from → a source as the agent takes it.

Each kind of source is a form of its own on the page of datasets. What is somebody else's can be
named by nobody: whose home or upload it is, is who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from room.datasets.homes import below
from room.said import said

#: The kinds, in the order of the page's forms.
KINDS = ("home", "upload")


@dataclass(frozen=True, slots=True)
class Origin:
    """What is to be published. ``unpack``: it is archives, and what is in them is published.

    ``upload``: the id of one that is theirs who ask. No form names it.
    """

    kind: str = "home"
    folder: str = ""
    unpack: bool = False
    upload: str = ""


#: What nobody has named yet.
NOTHING = Origin()


def source(origin: Origin, login: str) -> Mapping[str, Any]:
    """Return a source of somebody's. Raises ``ValueError`` in words."""
    return _SOURCES[origin.kind](origin, login)


def _home(origin: Origin, login: str) -> Mapping[str, Any]:
    path = below(origin.folder)
    return {"kind": "home", "user": login, "path": path, "unpack": origin.unpack}


def _upload(origin: Origin, login: str) -> Mapping[str, Any]:
    if not origin.upload:
        raise ValueError(
            said(
                "your browser did not send the files: let it run this page's script, or publish a "
                "folder of your home"
            )
        )
    return {"kind": "upload", "upload": origin.upload, "unpack": origin.unpack}


_SOURCES = {"home": _home, "upload": _upload}
