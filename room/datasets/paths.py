"""Which paths a dataset's members may have, whichever way they came. Pure.

A dataset is read on other machines and by other people's programs than its publisher's. So a path
that means another file somewhere, or nothing, is refused before anything is made of it.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata

from room.said import said

#: Bytes that Linux takes for one name, and for a path with room for ``/datasets/<name>/``.
NAME_MOST, PATH_MOST = 255, 3_072
_DRIVE = re.compile(r"[A-Za-z]:")


class PathRefusedError(ValueError):
    """A member that no dataset may have; the message names it and the rule."""

    def __init__(self, path: str | bytes, rule: str) -> None:
        super().__init__(
            said("%(member)s cannot be in a dataset: %(rule)s.", member=shown(path), rule=rule)
        )


def shown(path: str | bytes) -> str:
    """Return a path as a message can show it, whatever is in it; 200 characters at most."""
    text = path.decode("utf-8", "backslashreplace") if isinstance(path, bytes) else path
    text = ascii(text) if not text.isprintable() else repr(text)
    return text if len(text) <= 200 else text[:197] + "..."


def check(path: str | bytes) -> str:
    """Return a member's path from the tree's root on: ``train/cat/1.jpg``.

    Raises ``PathRefusedError``.
    """
    text = _text(path)
    if not text:
        raise PathRefusedError(path, said("its path is empty"))
    if _control(text):
        raise PathRefusedError(
            path, said("its path has a line break, or another control character")
        )
    if "\\" in text:
        raise PathRefusedError(path, said("its path has a backslash, which is / elsewhere"))
    if text.startswith("/") or _DRIVE.match(text):
        raise PathRefusedError(path, said("its path is absolute"))
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise PathRefusedError(path, said("its path leads out by .."))
    if not parts:
        raise PathRefusedError(path, said("its path names the dataset itself"))
    longest = max(len(part.encode()) for part in parts)
    if longest > NAME_MOST:
        raise PathRefusedError(
            path,
            said(
                "a name in its path has %(count)s bytes, and the most is %(most)s",
                count=longest,
                most=NAME_MOST,
            ),
        )
    found = "/".join(parts)
    if len(found.encode()) > PATH_MOST:
        raise PathRefusedError(
            path,
            said(
                "its path has %(count)s bytes, and the most is %(most)s",
                count=len(found.encode()),
                most=PATH_MOST,
            ),
        )
    return found


def link_target(path: str, target: str | bytes) -> str:
    """Return where a symbolic link at a checked ``path`` may lead: to a place inside the tree.

    Raises ``PathRefusedError``. What ``target`` leads through is ``Names``' to check.
    """
    text = _text(target, of=path)
    if not text or _control(text) or "\\" in text:
        raise PathRefusedError(
            path,
            said("it is a symbolic link to %(target)s, which is no path", target=shown(text)),
        )
    end = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), text))
    depth = len(path.split("/")) - 1
    for part in text.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            break
    if text.startswith("/") or depth < 0 or end == "/":
        raise PathRefusedError(
            path,
            said(
                "it is a symbolic link to %(target)s, which is not inside the dataset",
                target=shown(text),
            ),
        )
    return text


class Names:
    """The members so far. No two may mean one file, here or where case counts for nothing."""

    def __init__(self) -> None:
        #: By what it is elsewhere: the path as it was given, and whether it holds others.
        self._seen: dict[str, tuple[str, bool]] = {}

    def file(self, path: str) -> None:
        """Add a file or a link by its checked path. Raises ``PathRefusedError``."""
        self._add(path, holds=False)

    def directory(self, path: str) -> None:
        """Add a directory by its checked path, which may be there already."""
        self._add(path, holds=True)

    def _add(self, path: str, *, holds: bool) -> None:
        parent = path.rpartition("/")[0]
        if parent:
            known = self._seen.get(folded(parent))
            if known is None or known[0] != parent or not known[1]:
                self._add(parent, holds=True)
        key = folded(path)
        there = self._seen.get(key)
        if there is None:
            self._seen[key] = (path, holds)
            return
        other, other_holds = there
        if other != path:
            raise PathRefusedError(
                path,
                said(
                    "it and %(other)s are one name where upper and lower case, or two ways to "
                    "write an accent, count as the same",
                    other=shown(other),
                ),
            )
        if holds != other_holds:
            raise PathRefusedError(
                path, said("it is a directory, and a file or a link of the same name")
            )
        if not holds:
            raise PathRefusedError(path, said("it is there twice"))


def folded(path: str) -> str:
    """Return what a path is where case and the way to write an accent count for nothing."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _text(path: str | bytes, of: str | None = None) -> str:
    try:
        if isinstance(path, bytes):
            return path.decode("utf-8")
        path.encode("utf-8")
    except UnicodeError:
        raise PathRefusedError(of or path, said("its path is not UTF-8")) from None
    return path


def _control(text: str) -> bool:
    if text.isprintable():
        return False
    return any(unicodedata.category(each) in ("Cc", "Zl", "Zp") for each in text)
