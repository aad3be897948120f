"""Rules on space: the data root, and where the engine keeps images."""

from __future__ import annotations

from collections.abc import Iterator

from room.doctor.facts import Facts, Place
from room.doctor.finding import Finding, ok
from room.said import said
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

_FREE_IMAGES = said(
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
            said("The file system of %(root)s is read-only", root=root),
            said("Neither homes nor the room's own state could be written."),
            said(
                "Mount it read-write, or choose another data_root in room.yaml. A disk that became "
                "read-only by itself is failing: see dmesg."
            ),
        )
        return
    if place is not None and place.kind in _NETWORK:
        yield Finding(
            "data-network",
            "fatal",
            said("%(root)s is on a network file system (%(kind)s)", root=root, kind=place.kind),
            said(
                "The room's databases are SQLite, whose journal does not work over a network, and "
                "homes cannot be given to their users where root is mapped away."
            ),
            said("Choose a local disk for data_root in room.yaml."),
        )
    if place is not None and place.kind in _MEMORY:
        yield Finding(
            "data-memory",
            "warning",
            said("%(root)s is in memory (%(kind)s)", root=root, kind=place.kind),
            said("Every home is lost at the next reboot."),
            said("Choose a directory on a disk for data_root in room.yaml."),
        )
    if not facts.data.ready and facts.machine.root:
        yield Finding(
            "data-missing",
            "warning",
            said("The directories of %(root)s are not there, or not their users'", root=root),
            said("They hold homes, datasets and the room's own state."),
            said("make up makes them."),
            prepare="data",
        )


def homes(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The file system can hold a home to its limit; one that cannot still measures it."""
    place = facts.data.data
    if place is None:
        return
    if place.quotas.limits:
        how = said("subvolumes") if place.quotas.driver == "btrfs" else said("project quotas")
        yield ok(
            "homes", said("Homes can be limited: %(kind)s with %(how)s", kind=place.kind, how=how)
        )
        return
    # No warning: most rooms trust their people, and a limit is an admin's own wish.
    yield ok(
        "homes",
        said("Homes can be measured, not limited: %(why)s", why=place.quotas.why),
        said(
            "A limit is told to a home's owner, and the disk does not hold it. "
            "docs/how-to/disk-quotas.md says how to have it held."
        ),
    )


def bootstrap(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """A base image can be made where no registry answers."""
    base_wanted = "base" in facts.data.missing_images
    if facts.data.bootstrap or not base_wanted or "@" in settings.images.base:
        return
    yield Finding(
        "bootstrap-missing",
        "warning",
        said("There is no mmdebstrap"),
        said(
            "Where no container registry answers, the base image is made of a Debian mirror's "
            "packages with it."
        ),
        said(
            "make up installs it. By yourself: sudo apt-get install mmdebstrap "
            "debian-archive-keyring"
        ),
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
            said(
                "%(free)s are free for %(root)s, on the file system of %(path)s",
                free=_gb(data.free),
                root=root,
                path=data.path,
            ),
            said("Notebooks cannot be saved, and the hub cannot write its state."),
            said(
                "Free some: sudo du -xh %(path)s | sort -h | tail shows what takes it. Or move the "
                "data root to a larger disk (data_root in room.yaml).",
                path=data.path,
            ),
        )
    elif left < DATA_LOW:
        words = {"left": _gb(max(left, 0)), "root": root}
        yield Finding(
            "data-low",
            "warning",
            said("%(left)s are left for %(root)s after the images are built", **words)
            if shared and facts.data.missing_bytes
            else said("%(left)s are left for %(root)s", **words),
            said(
                "Less than %(low)s: one downloaded dataset can fill it, and then nobody can save.",
                low=_gb(DATA_LOW),
            ),
            said("Free some, or move the data root to a larger disk (data_root in room.yaml)."),
        )
    else:
        yield ok("data", said("%(left)s are left for %(root)s", left=_gb(left), root=root))


def _images(facts: Facts, place: Place, settings: Settings) -> Iterator[Finding]:
    missing = facts.data.missing_images
    needed = facts.data.missing_bytes or RUN_FREE
    if place.free < needed:
        what = (
            said(
                "Building %(images)s takes %(needed)s, the half of it for a while.",
                images=", ".join(missing),
                needed=_gb(needed),
            )
            if missing
            else said("Servers write logs and temporary files there: starts fail when it is full.")
        )
        yield Finding(
            "images-full",
            "fatal" if missing else "warning",
            said(
                "%(free)s are free where the engine keeps images, on %(path)s",
                free=_gb(place.free),
                path=place.path,
            ),
            what,
            _FREE_IMAGES,
        )
    else:
        words = {"free": _gb(place.free), "needed": _gb(needed), "images": ", ".join(missing)}
        yield ok(
            "images",
            said("%(free)s are free for images; %(needed)s are needed to build %(images)s", **words)
            if missing
            else said("%(free)s are free for images", free=words["free"]),
        )


def inodes(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """There are inodes: a file system can be full of small files with space left."""
    images, data = facts.data.images, facts.data.data
    needed = IMAGE_INODES if "pytorch" in facts.data.missing_images else 10_000
    if images is not None and images.inodes and images.free_inodes < needed:
        yield Finding(
            "images-inodes",
            "fatal",
            said(
                "%(free_inodes)s inodes are free for images, on %(path)s",
                free_inodes=f"{images.free_inodes:,}",
                path=images.path,
            ),
            said(
                "Images hold very many small files; about %(needed)s inodes are needed. The disk "
                'is then "full" with space left.',
                needed=f"{needed:,}",
            ),
            _FREE_IMAGES,
        )
    if data is not None and data.inodes and data.free_inodes < DATA_INODES:
        yield Finding(
            "data-inodes",
            "fatal",
            said(
                "%(free_inodes)s inodes are free for %(data_root)s",
                free_inodes=f"{data.free_inodes:,}",
                data_root=settings.data_root,
            ),
            said(
                "No file can be made when they are gone, whatever space is left. One virtual "
                "environment takes tens of thousands."
            ),
            said(
                "sudo du --inodes -x %(path)s | sort -n | tail shows where they are. Or move the "
                "data root to another disk (data_root in room.yaml).",
                path=data.path,
            ),
        )


def _gb(size: int) -> str:
    return f"{size / GB:.1f} GB"
