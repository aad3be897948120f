"""What a dataset may be called, and how a version of one is written. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from room.said import said

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
NAME_RULE = said(
    "a dataset's name starts with a letter a-z or a digit, goes on with those or . _ -, "
    "and has at most 64 characters"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A dataset, and which version of it; None: the newest."""

    name: str
    number: int | None = None

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}@{self.number}"


def normalize(text: str) -> str:
    """Return a dataset's name. Raises ``ValueError`` with the rule when the text can be none."""
    name = text.strip().lower()
    if not NAME.fullmatch(name):
        raise ValueError(
            said("%(text)s names no dataset: %(rule)s", text=repr(text[:64]), rule=NAME_RULE)
        )
    return name


def reference(text: str) -> Reference:
    """Return what ``name`` or ``name@2`` refers to. Raises ``ValueError`` with the rule."""
    name, at, number = text.strip().partition("@")
    if not at:
        return Reference(normalize(name))
    if not re.fullmatch(r"[1-9][0-9]{0,8}", number):
        raise ValueError(
            said(
                "%(text)s names no version: write a dataset and its number, as cifar10@2",
                text=repr(text[:80]),
            )
        )
    return Reference(normalize(name), int(number))


def label(mounted: Iterable[tuple[str, str]]) -> str:
    """Return what a container's label says of the datasets it has: name and digest of each."""
    return ",".join(f"{name}={digest}" for name, digest in mounted)


def from_label(text: str) -> list[tuple[str, str]]:
    """Return name and digest of each dataset that ``label`` wrote down."""
    pairs = (each.partition("=") for each in text.split(",") if "=" in each)
    return [(name, digest) for name, _, digest in pairs]
