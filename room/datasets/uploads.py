"""What may be uploaded to be published, and for how long it waits. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from room.datasets.paths import Names, check
from room.models import Reject
from room.said import said
from room.values import readable_size

#: Uploads that one person has unpublished at once.
UPLOADS_MOST = 5
#: Files of one upload: each takes the browser two requests of its own.
FILES_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """``size``: bytes of somebody's uploads together; ``days`` for which each waits untouched."""

    size: int = 200 * 1024**3
    days: int = 7


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as a browser has it. ``size``: bytes; ``modified``: what tells its states apart."""

    path: str
    size: int
    modified: int = 0


def checked(files: Iterable[Sent]) -> tuple[Sent, ...]:
    """Return files under the paths that they will have. Raises ``PathRefusedError``.

    All are looked at before the first byte is sent.
    """
    names, found = Names(), []
    for each in files:
        path = check(each.path)
        names.add(path, "file")
        found.append(Sent(path, each.size, each.modified))
    return tuple(found)


def refusal(files: Collection[Sent], others: Collection[int], limits: Limits) -> Reject | None:
    """Say why somebody may not upload these files; None: they may.

    ``others``: the sizes of their other uploads, in bytes.
    """
    if not files:
        return Reject("no-file", said("No file is chosen: choose one, or a folder."))
    if len(files) > FILES_MOST:
        return Reject(
            "too-many-files",
            said(
                "An upload has at most %(most)s files, and this one has %(has)s. Pack them into a "
                "zip or a tar, upload that, and have it unpacked.",
                most=FILES_MOST,
                has=len(files),
            ),
        )
    if len(others) >= UPLOADS_MOST:
        return Reject(
            "too-many-uploads",
            said(
                "You have %(has)s uploads that are not published, and may have %(most)s. Publish "
                "or remove one first.",
                has=len(others),
                most=UPLOADS_MOST,
            ),
        )
    size = sum(each.size for each in files) + sum(others)
    if size > limits.size:
        return Reject(
            "too-large",
            said(
                "Your uploads may take %(most)s together, and with this one they take %(size)s. "
                "Publish or remove one first, or have an admin raise datasets.uploads.",
                most=readable_size(limits.size),
                size=readable_size(size),
            ),
        )
    return None


def expired(touched: float, now: float, limits: Limits) -> bool:
    """Say whether an upload that last grew at ``touched`` waits no more; seconds since 1970."""
    return now - touched > limits.days * 86400
