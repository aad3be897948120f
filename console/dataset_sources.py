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

#: The kinds, in the order of the page's forms.
KINDS = ("home", "url")


@dataclass(frozen=True, slots=True)
class Origin:
    """What is to be published. ``unpack``: it is archives, and what is in them is published."""

    kind: str = "home"
    folder: str = ""
    unpack: bool = False
    wanted: Wanted = field(default_factory=lambda: Wanted(()), repr=False)


#: What nobody has named yet.
NOTHING = Origin()


def source(origin: Origin, login: str, rules: Rules) -> Mapping[str, Any]:
    """Return a source of somebody's. Raises ``ValueError`` in words."""
    if origin.kind == "url":
        return {**url(origin.wanted, rules), "unpack": origin.unpack}
    return _home(origin, login)


def url(wanted: Wanted, rules: Rules) -> Mapping[str, Any]:
    """Return addresses as the agent takes them. Raises ``ValueError`` in words."""
    return {"kind": "url", **addresses.check(wanted, rules).as_dict()}


def wanted_of(form: Mapping[str, str]) -> Wanted:
    """Return what a form says of addresses, one a line, and of what lets the room in."""
    given = {name: form.get(f"access-{name}", "").strip() for name in addresses.ACCESS}
    return Wanted(addresses.listed(form.get("addresses", "")), Access(**given))


def _home(origin: Origin, login: str) -> Mapping[str, Any]:
    path = below(origin.folder)
    return {"kind": "home", "user": login, "path": path, "unpack": origin.unpack}
