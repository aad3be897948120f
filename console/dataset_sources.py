"""What a form or a program names to publish from → a source as the agent takes it.

Each kind of source is a form of its own on the page of datasets. What is somebody else's can be
named by nobody: whose home or upload it is, is who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from room.datasets import addresses
from room.datasets.addresses import Access, Rules, Wanted
from room.datasets.homes import below
from room.said import said

#: The kinds, in the order of the page's forms.
KINDS = ("home", "upload", "url")


@dataclass(frozen=True, slots=True)
class Origin:
    """What is to be published. ``unpack``: it is archives, and what is in them is published.

    ``upload``: the id of one that is theirs who ask. No form names it.
    """

    kind: str = "home"
    folder: str = ""
    unpack: bool = False
    upload: str = ""
    wanted: Wanted = field(default_factory=lambda: Wanted(()), repr=False)


#: What nobody has named yet.
NOTHING = Origin()


def source(origin: Origin, login: str, rules: Rules) -> Mapping[str, Any]:
    """Return a source of somebody's. Raises ``ValueError`` in words."""
    return _SOURCES[origin.kind](origin, login, rules)


def _url(origin: Origin, _login: str, rules: Rules) -> Mapping[str, Any]:
    return {**url(origin.wanted, rules), "unpack": origin.unpack}


def url(wanted: Wanted, rules: Rules) -> Mapping[str, Any]:
    """Return addresses as the agent takes them. Raises ``ValueError`` in words."""
    return {"kind": "url", **addresses.check(wanted, rules).as_dict()}


def wanted_of(form: Mapping[str, str]) -> Wanted:
    """Return what a form says of addresses, one a line, and of what lets the room in."""
    given = {name: form.get(f"access-{name}", "").strip() for name in addresses.ACCESS}
    return Wanted(addresses.listed(form.get("addresses", "")), Access(**given))


def _home(origin: Origin, login: str, _rules: Rules) -> Mapping[str, Any]:
    path = below(origin.folder)
    return {"kind": "home", "user": login, "path": path, "unpack": origin.unpack}


def _upload(origin: Origin, _login: str, _rules: Rules) -> Mapping[str, Any]:
    if not origin.upload:
        raise ValueError(
            said(
                "your browser did not send the files: let it run this page's script, or publish a "
                "folder of your home"
            )
        )
    return {"kind": "upload", "upload": origin.upload, "unpack": origin.unpack}


_SOURCES = {"home": _home, "upload": _upload, "url": _url}
