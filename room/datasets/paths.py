"""Which paths a dataset's members may have, whichever way they came. Pure.

A dataset is read on other machines and by other people's programs than its publisher's. So a path
that means another file somewhere, or nothing, is refused before anything is made of it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from room.said import Said, said

#: Bytes that Linux takes for one name, and for a path with room for ``/datasets/<name>/``.
NAME_MOST, PATH_MOST = 255, 3_072
#: Bytes of all paths of one dataset together: they are in memory until it is published.
NAMES_MOST = 256 * 1024**2
#: Characters of a path that a message shows.
SHOWN = 200

Kind = Literal["file", "link", "directory"]

#: Controls, line and paragraph separators, and what turns the direction of writing, with which a
#: name reads as another one.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:")


class PathRefusedError(ValueError):
    """A member that no dataset may have; the message names it and the ``rule``."""

    def __init__(self, path: str | bytes, rule: str) -> None:
        self.rule = rule
        super().__init__(
            said("%(member)s cannot be in a dataset: %(rule)s.", member=shown(path), rule=rule)
        )


def shown(path: str | bytes) -> str:
    """Return a path as a message can show it, whatever is in it; 200 characters at most.

    Bytes that are no UTF-8 are shown as ``\\xff``.
    """
    if isinstance(path, bytes):
        path = path[: SHOWN * 4].decode("utf-8", "surrogateescape")
    text = re.sub(r"(?<!\\)\\udc([89a-f][0-9a-f])", r"\\x\1", repr(path[:SHOWN]))
    short = len(path) <= SHOWN and len(text) <= SHOWN
    return text if short else text[: SHOWN - 3] + "..."


def check(path: str | bytes) -> str:
    """Return a member's path from the tree's root on: ``train/cat/1.jpg``.

    Raises ``PathRefusedError``.
    """
    text = _text(path)
    if rule := _unwritable(text):
        raise PathRefusedError(path, rule)
    if text.startswith("/") or _DRIVE.match(text):
        raise PathRefusedError(path, said("its path is absolute: use paths inside the folder"))
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PathRefusedError(path, said("its path leads out by ..: use paths inside the folder"))
    if not parts:
        raise PathRefusedError(path, said("it has no name of its own: give it one"))
    if rule := _too_long(parts):
        raise PathRefusedError(path, rule)
    return "/".join(parts)


def is_top(path: str | bytes) -> bool:
    """Say whether a directory's path means the tree itself, as the ``./`` that tar begins with."""
    text = path.decode("latin-1") if isinstance(path, bytes) else path
    return text.rstrip("/") == "."


def link_target(path: str, target: str | bytes) -> str:
    """Return where a symbolic link at a checked ``path`` may lead: to a place inside the tree.

    The target goes up first and down then: behind a name that is a link itself, ``..`` is not
    where it seems to be. So while no path goes through a link (``Names``), no link leads out.
    Raises ``PathRefusedError``.
    """
    try:
        text = _text(target)
    except PathRefusedError as refused:
        raise _no_link(path, target, refused.rule) from None
    if rule := _unwritable(text):
        raise _no_link(path, target, rule)
    if not text:
        raise _no_link(path, target, said("its target is empty: link to a file of the dataset"))
    around, downs = path.split("/")[:-1], list[str]()
    up = 0
    for part in text.split("/"):
        if part == "..":
            if downs:
                raise _no_link(path, target, said("its target goes down and up again: shorten it"))
            up += 1
        elif part not in ("", "."):
            downs.append(part)
    if text.startswith("/") or _DRIVE.match(text) or up > len(around):
        rule = said("it is not inside the dataset: put the file there, or a link to one inside")
        raise _no_link(path, target, rule)
    if rule := _too_long([*around[: len(around) - up], *downs]):
        raise _no_link(path, target, rule)
    return "/".join([".."] * up + downs) or "."


def _no_link(path: str, target: str | bytes, rule: str) -> PathRefusedError:
    about = said("it is a symbolic link to %(target)s: %(rule)s", target=shown(target), rule=rule)
    return PathRefusedError(path, about)


class Names:
    """The members so far. No two may mean one file, here or where case counts for nothing.

    Directories that a path implies count like those that are named.
    """

    def __init__(self) -> None:
        #: By what it is elsewhere: what is there, and the path where it is written another way.
        self._kinds: dict[str, Kind] = {}
        self._written: dict[str, str] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kinds)

    def add(self, path: str, kind: Kind) -> None:
        """Add a member by its checked path. A directory may be there already.

        Raises ``PathRefusedError``, which names the path that it meets; then nothing was added.
        """
        if self._is_there(path, path, kind):
            return
        new = [path]
        parent = path.rpartition("/")[0]
        while parent and not self._is_there(path, parent, "directory"):
            new.append(parent)
            parent = parent.rpartition("/")[0]
        self._bytes += sum(len(each.encode()) for each in new)
        if self._bytes > NAMES_MOST:
            most = NAMES_MOST // 1024**2
            raise PathRefusedError(
                path,
                said("all paths together have more than %(most)s MiB: shorten them", most=most),
            )
        for each in new:
            key = folded(each)
            self._kinds[key] = kind if each == path else "directory"
            if key != each:
                self._written[key] = each

    def _is_there(self, path: str, part: str, kind: Kind) -> bool:
        """Say whether ``path``, or the ``part`` of it that comes first, is such a ``kind``."""
        key = folded(part)
        found = self._kinds.get(key)
        if found is None:
            return False
        written = self._written.get(key, key)
        if written != part:
            raise PathRefusedError(path, _alike(part, written))
        if found == kind == "directory":
            return True
        if found == "link" and part != path:
            raise PathRefusedError(
                path, said("%(other)s, before it, is a link: leave one out", other=shown(part))
            )
        if "directory" in (found, kind):
            raise PathRefusedError(
                path,
                said(
                    "%(other)s is a directory, and a file or a link, too: rename one",
                    other=shown(part),
                ),
            )
        raise PathRefusedError(path, said("it is there twice: leave one out"))


def _alike(one: str, other: str) -> Said:
    """Say how two paths differ that are one on some systems."""
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return said(
            "%(one)s and %(other)s are one name, whose accents are written in two ways: "
            "rename one of them",
            one=ascii(one)[:SHOWN],
            other=ascii(other)[:SHOWN],
        )
    return said(
        "%(one)s and %(other)s differ in upper and lower case only: rename one of them",
        one=shown(one),
        other=shown(other),
    )


def folded(path: str) -> str:
    """Return what a path is where case and the way to write an accent count for nothing."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _text(path: str | bytes) -> str:
    """Return a path as text. Surrogates are how Python says that a file's name is no UTF-8."""
    try:
        text = path.decode("utf-8") if isinstance(path, bytes) else path
    except UnicodeDecodeError:
        text = "\udc80"
    if _SURROGATE.search(text):
        raise PathRefusedError(path, said("its path is not UTF-8: rename it, or pack it in UTF-8"))
    return text


def _unwritable(text: str) -> Said | None:
    """Return why no path is written like ``text``, whatever it is a path of."""
    if found := _CONTROL.search(text):
        return said(
            "its path has a line break, or another control character (%(code)s): rename it",
            code=f"U+{ord(found.group()):04X}",
        )
    if "\\" in text:
        return said("its path has a backslash, which is / elsewhere: rename it, or use /")
    return None


def _too_long(parts: list[str]) -> Said | None:
    sizes = [len(part.encode()) for part in parts]
    longest, whole = max(sizes, default=0), sum(sizes) + len(sizes) - 1
    if longest > NAME_MOST:
        return said(
            "a name in its path has %(count)s bytes, and the most is %(most)s: shorten it",
            count=longest,
            most=NAME_MOST,
        )
    if whole > PATH_MOST:
        return said(
            "its path has %(count)s bytes, and the most is %(most)s: shorten it",
            count=whole,
            most=PATH_MOST,
        )
    return None
