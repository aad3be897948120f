"""Rules on space: the data root, and where the engine keeps images."""

from __future__ import annotations

from collections.abc import Iterator

from room.doctor.facts import Facts, Place
from room.doctor.finding import Finding, ok
from room.settings import Settings

GB = 1000**3
#: Below the first nothing can be relied on; below the second a class fills it in a lesson.
DATA_FATAL, DATA_LOW = GB // 2, 10 * GB
#: What running servers write beside their homes: logs, /tmp, pip's caches outside a home.
RUN_FREE = 2 * GB
#: PyTorch's image holds 72,800 files and directories, the others 30,000; while they are built there
#: are up to two of each.
IMAGE_INODES = 210_000
DATA_INODES = 10_000

_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "ceph", "fuse.glusterfs")
_MEMORY = ("tmpfs", "ramfs")

_FREE_IMAGES = (
    "See what takes it: docker system df. Free some: docker image prune, docker builder prune "
    "(both ask first). Or move the engine to a larger disk: data-root in /etc/docker/daemon.json."
)


def data_root(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The data root is there, on a file system that keeps what is written."""
    place, root = facts.data.data, settings.data_root
    if place is not None and place.read_only:
        yield Finding(
            "data-read-only",
            "fatal",
            f"The file system of {root} is read-only",
            "Neither homes nor the room's own state could be written.",
            "Mount it read-write, or choose another data_root in room.yaml. A disk that became "
            "read-only by itself is failing: see dmesg.",
        )
        return
    if place is not None and place.kind in _NETWORK:
        yield Finding(
            "data-network",
            "fatal",
            f"{root} is on a network file system ({place.kind})",
            "The room's databases are SQLite, whose journal does not work over a network, and "
            "homes cannot be given to their users where root is mapped away.",
            "Choose a local disk for data_root in room.yaml.",
        )
    if place is not None and place.kind in _MEMORY:
        yield Finding(
            "data-memory",
            "warning",
            f"{root} is in memory ({place.kind})",
            "Every home is lost at the next reboot.",
            "Choose a directory on a disk for data_root in room.yaml.",
        )
    if not facts.data.ready and facts.machine.root:
        yield Finding(
            "data-missing",
            "warning",
            f"The directories of {root} are not there, or not their users'",
            "They hold homes, datasets and the room's own state.",
            "make up makes them.",
            prepare="data",
        )


def homes(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The file system can hold a home to its limit; one that cannot still measures it."""
    place = facts.data.data
    if place is None:
        return
    if place.quotas.limits:
        how = "subvolumes" if place.quotas.driver == "btrfs" else "project quotas"
        yield ok("homes", f"Homes can be limited: {place.kind} with {how}")
        return
    # No warning: most rooms trust their people, and a limit is an admin's own wish.
    yield ok(
        "homes",
        f"Homes can be measured, not limited: {place.quotas.why}",
        "A limit is told to a home's owner, and the disk does not hold it. "
        "docs/how-to/disk-quotas.md says how to have it held.",
    )


def bootstrap(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """A base image can be made where no registry answers."""
    base_wanted = "base" in facts.data.missing_images
    if facts.data.bootstrap or not base_wanted or "@" in settings.images.base:
        return
    yield Finding(
        "bootstrap-missing",
        "warning",
        "There is no mmdebstrap",
        "Where no container registry answers, the base image is made of a Debian mirror's "
        "packages with it.",
        "make up installs it. By yourself: sudo apt-get install mmdebstrap debian-archive-keyring",
        prepare="data",
    )


def space(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """There is room for homes, and for the images that are not built yet."""
    data, images = facts.data.data, facts.data.images
    shared = data is not None and images is not None and data.device == images.device
    if images is not None:
        yield from _images(facts, images, settings)
    if data is None:
        return
    left = data.free - (facts.data.missing_bytes if shared else 0)
    root = settings.data_root
    if data.free < DATA_FATAL:
        yield Finding(
            "data-full",
            "fatal",
            f"{_gb(data.free)} are free for {root}, on the file system of {data.path}",
            "Notebooks cannot be saved, and the hub cannot write its state.",
            f"Free some: sudo du -xh {data.path} | sort -h | tail shows what takes it. Or move "
            "the data root to a larger disk (data_root in room.yaml).",
        )
    elif left < DATA_LOW:
        after = " after the images are built" if shared and facts.data.missing_bytes else ""
        yield Finding(
            "data-low",
            "warning",
            f"{_gb(max(left, 0))} are left for {root}{after}",
            f"Less than {_gb(DATA_LOW)}: one downloaded dataset can fill it, and then nobody can "
            "save.",
            "Free some, or move the data root to a larger disk (data_root in room.yaml).",
        )
    else:
        yield ok("data", f"{_gb(left)} are left for {root}")


def _images(facts: Facts, place: Place, settings: Settings) -> Iterator[Finding]:
    missing = facts.data.missing_images
    needed = facts.data.missing_bytes or RUN_FREE
    if place.free < needed:
        what = (
            f"Building {', '.join(missing)} takes {_gb(needed)}, the half of it for a while."
            if missing
            else "Servers write logs and temporary files there: starts fail when it is full."
        )
        yield Finding(
            "images-full",
            "fatal" if missing else "warning",
            f"{_gb(place.free)} are free where the engine keeps images, on {place.path}",
            what,
            _FREE_IMAGES,
        )
    else:
        built = f"; {_gb(needed)} are needed to build {', '.join(missing)}" if missing else ""
        yield ok("images", f"{_gb(place.free)} are free for images{built}")


def inodes(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """There are inodes: a file system can be full of small files with space left."""
    images, data = facts.data.images, facts.data.data
    needed = IMAGE_INODES if "pytorch" in facts.data.missing_images else 10_000
    if images is not None and images.inodes and images.free_inodes < needed:
        yield Finding(
            "images-inodes",
            "fatal",
            f"{images.free_inodes:,} inodes are free for images, on {images.path}",
            f"Images hold very many small files; about {needed:,} inodes are needed. The disk is "
            'then "full" with space left.',
            _FREE_IMAGES,
        )
    if data is not None and data.inodes and data.free_inodes < DATA_INODES:
        yield Finding(
            "data-inodes",
            "fatal",
            f"{data.free_inodes:,} inodes are free for {settings.data_root}",
            "No file can be made when they are gone, whatever space is left. One virtual "
            "environment takes tens of thousands.",
            f"sudo du --inodes -x {data.path} | sort -n | tail shows where they are. Or move the "
            "data root to another disk (data_root in room.yaml).",
        )


def _gb(size: int) -> str:
    return f"{size / GB:.1f} GB"
