"""What an archive may grow into, and in which words one is refused. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from room.said import Said, said
from room.values import readable_size

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may come out of one archive.

    ``bytes``: of all files together, a hard link counted like a file. ``files``: links and folders
    are counted too. ``ratio``: how many times as large as the archive it may be unpacked; that is
    not asked below ``floor`` bytes, as a small table of zeros is no bomb.
    """

    bytes: int
    files: int = 500_000
    ratio: int = 200
    floor: int = GIB


def too_many(files: int, limits: Limits) -> Said | None:
    """Return why so many files, links and folders are refused."""
    if files <= limits.files:
        return None
    return said(
        "the archive has more than %(most)s files and folders: merge small files into larger ones",
        most=f"{limits.files:,}",
    )


def too_large(size: int, limits: Limits) -> Said | None:
    """Return why files of so many bytes are refused."""
    if size <= limits.bytes:
        return None
    return said(
        "the archive has more than %(most)s unpacked, the limit: leave files out, or ask for more",
        most=readable_size(limits.bytes),
    )


def expands(unpacked: int, packed: int, limits: Limits) -> Said | None:
    """Return why so many bytes are not believed to come from an archive of ``packed`` bytes."""
    if unpacked <= limits.floor or unpacked <= limits.ratio * packed:
        return None
    return said(
        "the archive of %(packed)s is more than %(ratio)s times as large unpacked: if that is so, "
        "pack it as .tar without compression",
        ratio=limits.ratio,
        packed=readable_size(packed),
    )


TRUNCATED = said("the archive ends too early: transfer it again")
DAMAGED = said("the archive is damaged: transfer it again, or pack it again")
CHECKSUM = said("the file is damaged, its checksum is another one: transfer or pack it again")
BEHIND = said("there is something behind the end of the archive: pack it again")
SIZES = said("its size is not what the archive says: pack it again")
NO_TAR = said("it is compressed, and no tar is in it: pack it as zip, tar, tar.gz or tar.zst")
LISTED = said("the archive's list and the header before it say different things: pack it again")
OVERLAP = said("it shares its place in the archive with another file: pack it again")
VOLUMES = said("it is one part of an archive in several parts: pack it as one file")
ENCRYPTED = said("it is encrypted: pack it again without a password")
SPARSE = said("it is a sparse file: pack it again without --sparse")
DEVICE = said("it is a device, a pipe or a socket, and no file: leave it out")
UNKNOWN = said("it is no file, folder or link that we know: leave it out")
NOT_EMPTY = said("it is a folder or link, and says that it has contents: pack it again")
NO_ORIGINAL = said("it is a hard link to no file that came before it: pack it as a file")
TWO_NAMES = said("it has two names, in two ways to write long ones: pack it again")
LONG_HEADER = said("it has more than 1 MiB of properties: pack it without extended attributes")
WINDOW = said("unpacking takes more than 128 MiB of memory: pack it again without --ultra, --long")


def unknown_method(method: str) -> Said:
    """A zip's member is compressed in a way that we cannot read."""
    return said("it is compressed by %(method)s: use Deflate, or no compression", method=method)


def unknown_kind(kind: str) -> Said:
    """The file is none of the archives that we take. ``kind``: what it is, where we know."""
    if kind:
        return said("it is a %(kind)s file: pack it as zip, tar, tar.gz or tar.zst", kind=kind)
    return said("it is no archive that we know: pack it as zip, tar, tar.gz or tar.zst")


def refused(archive: str, member: str, reason: str) -> Said:
    """Say that nothing of an archive is taken. ``archive``, ``member``: as shown, where known."""
    archive = archive or said("the archive")
    if not member:
        return said("%(archive)s is refused: %(reason)s", archive=archive, reason=reason)
    return said(
        "%(archive)s is refused because of %(member)s: %(reason)s",
        archive=archive,
        member=member,
        reason=reason,
    )
