"""What a version of a dataset is: its files by path, and one digest of all of them. Pure.

A manifest is a file of lines, one an entry, in the order of their paths' bytes. So the same tree
has the same manifest, and its SHA-256 is the version's address: two people who publish the same
files publish the same version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

#: The only modes that files of a version have: the read bit says nothing, the mount does.
PLAIN, EXECUTABLE = "0444", "0555"


@dataclass(frozen=True, slots=True)
class File:
    """A regular file; ``size`` in bytes, ``sha256`` in hexadecimal digits."""

    path: str
    size: int
    sha256: str
    executable: bool = False

    @property
    def mode(self) -> str:
        return EXECUTABLE if self.executable else PLAIN


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link that stays inside the tree."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory with nothing in it; the others follow from their files."""

    path: str


Entry = File | Link | Directory


@dataclass(frozen=True, slots=True)
class Summary:
    """``digest``: the manifest's SHA-256. ``size``: bytes of all files, ``files``: how many."""

    digest: str
    size: int
    files: int


class DamagedManifestError(Exception):
    """A manifest that no version of ours wrote."""


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.path.encode())


def line(entry: Entry) -> bytes:
    """Return one entry as it stands in a manifest."""
    told: dict[str, Any] = {"path": entry.path}
    match entry:
        case File():
            told |= {"mode": entry.mode, "sha256": entry.sha256, "size": entry.size}
        case Link():
            told["link"] = entry.target
        case Directory():
            told["directory"] = True
    return json.dumps(told, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def summarize(entries: Iterable[Entry]) -> Summary:
    """Return the digest and the sums of entries that are in order."""
    digest, size, files = hashlib.sha256(), 0, 0
    for entry in entries:
        digest.update(line(entry))
        if isinstance(entry, File):
            size += entry.size
            files += 1
    return Summary(digest.hexdigest(), size, files)


def read(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Yield the entries of a manifest. Raises ``DamagedManifestError`` with the line's number."""
    for number, text in enumerate(lines, 1):
        try:
            yield _entry(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedManifestError(f"line {number} of the manifest is damaged") from error


def _entry(told: dict[str, Any]) -> Entry:
    if "link" in told:
        return Link(told["path"], told["link"])
    if "directory" in told:
        return Directory(told["path"])
    return File(told["path"], int(told["size"]), told["sha256"], told["mode"] == EXECUTABLE)
