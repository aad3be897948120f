"""One driver for each way of limiting a directory; which one, the file system decides.

It is a home, a class's folder or what somebody hands in: what is said of homes here goes for all.
``make`` makes one that was not there. ``limit`` sets its hard limit, or says
why it cannot. ``count`` returns what the file system itself counts.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.disk import abi, kernel
from room import quotas
from room.mounts import mount_of

MOUNTINFO = Path("/proc/self/mountinfo")
SYSFS = Path("/sys/fs/btrfs")

_TOO_OLD = "it was there before this disk could hold limits"
#: Why the kernel did not do it, in words for the admin.
_REFUSALS = {
    errno.EPERM: "the agent may not set limits: run room up, which allows it where that helps",
    errno.ENOTCONN: "its quotas are off",
    errno.ESRCH: "its project quotas are off",
    errno.ENOSYS: "the kernel is older than 5.14",
    errno.ENOTTY: "the file system knows no projects",
}


@dataclass(frozen=True, slots=True)
class Counted:
    """What the file system counts of one home. ``files`` is None where it counts none."""

    used: int
    files: int | None
    #: Bytes at which writing fails; 0: none.
    hard: int


class Driver(Protocol):
    """``make`` raises ``OSError``; the others say what they cannot do."""

    name: quotas.DriverName

    def make(self, home: Path, mode: int) -> None: ...

    def limit(self, home: Path, hard: int) -> str: ...

    def count(self, home: Path) -> Counted | None: ...


class Unlimited:
    """Directories like any other; what is in them is measured by reading it."""

    name: quotas.DriverName = "none"

    def __init__(self, why: str) -> None:
        self._why = why

    def make(self, home: Path, mode: int) -> None:
        home.mkdir(mode=mode)

    def limit(self, home: Path, hard: int) -> str:
        return self._why

    def count(self, home: Path) -> Counted | None:
        return None


class Btrfs:
    """A subvolume for each home, which btrfs counts and limits by a quota group of its number."""

    name: quotas.DriverName = "btrfs"

    def __init__(self, sysfs: Path = SYSFS) -> None:
        self._sysfs = sysfs

    def make(self, home: Path, mode: int) -> None:
        with kernel.directory(home.parent) as parent:
            kernel.tell(parent, abi.BTRFS_SUBVOL_CREATE, abi.subvolume(home.name))

    def limit(self, home: Path, hard: int) -> str:
        try:
            with kernel.directory(home) as directory:
                number = _subvolume(directory)
                if number is None:
                    return _TOO_OLD
                kernel.tell(directory, abi.BTRFS_QGROUP_LIMIT, abi.btrfs_limit(number, hard))
        except OSError as error:
            return _why(error)
        return ""

    def count(self, home: Path) -> Counted | None:
        try:
            with kernel.directory(home) as directory:
                number = _subvolume(directory)
                info = kernel.ask(directory, abi.BTRFS_FS_INFO, abi.FS_INFO)
            group = self._sysfs / abi.file_system_id(info) / "qgroups" / f"0_{number}"
            if number is None or _number(group.parent / "inconsistent"):
                return None
            hard = _number(group / "max_referenced")
            # Linux 5.9. Without a limit the file says zero, or the largest number there is.
            limited = bool(_number(group / "limit_flags") & 1) and hard != abi.NO_LIMIT
            return Counted(_number(group / "referenced"), None, hard if limited else 0)
        except OSError:
            return None


def _siblings(home: Path) -> Iterable[Path]:
    return home.parent.iterdir()


class Project:
    """A project for each home, which xfs and ext4 count and limit by its number.

    ``others`` returns all that have their numbers from ``first`` on, as a new one has.
    """

    name: quotas.DriverName = "project"
    #: Below are those that an admin's own /etc/projid may use.
    FIRST = 0x7400_0000

    def __init__(
        self, first: int = FIRST, others: Callable[[Path], Iterable[Path]] = _siblings
    ) -> None:
        self._first = first
        self._others = others
        self._numbering = threading.Lock()

    def make(self, home: Path, mode: int) -> None:
        with self._numbering:
            home.mkdir(mode=mode)
            try:
                with kernel.directory(home) as directory:
                    number = next_project(self._first, map(self._project, self._others(home)))
                    kernel.tell(directory, abi.FS_SETXATTR, _xattr(directory).in_project(number))
            except OSError:
                # A home of no project could never be limited: the next start tries again.
                home.rmdir()
                raise

    def limit(self, home: Path, hard: int) -> str:
        try:
            with kernel.directory(home) as directory:
                number = _xattr(directory).project
                if number < self._first:
                    return _TOO_OLD
                kernel.limit_project(directory, number, abi.project_limit(hard))
        except OSError as error:
            return _why(error)
        return ""

    def count(self, home: Path) -> Counted | None:
        try:
            with kernel.directory(home) as directory:
                number = _xattr(directory).project
                if number < self._first:
                    return None
                use = abi.ProjectUse.read(kernel.project_quota(directory, number))
        except OSError:
            return None
        return Counted(use.used, use.files, use.hard)

    def _project(self, home: Path) -> int:
        try:
            with kernel.directory(home) as directory:
                return _xattr(directory).project
        except OSError:
            return 0


def next_project(first: int, taken: Iterable[int]) -> int:
    """Return the project after all that are ``taken``, and not below ``first``. Pure."""
    return max((number + 1 for number in taken if number >= first), default=first)


def driver(
    homes: Path,
    mountinfo: Callable[[], str] = MOUNTINFO.read_text,
    project: Callable[[], Driver] = Project,
) -> Driver:
    """Return the driver for the file system that ``homes`` is on now; of projects, ``project``."""
    support = quotas.support(mount_of(mountinfo(), homes.resolve()), btrfs_counts=None)
    if support.driver == "btrfs":
        return Btrfs()
    return project() if support.driver == "project" else Unlimited(support.why)


def _subvolume(directory: int) -> int | None:
    """Return the number of the subvolume that this is the root of; None: it is not one's root."""
    if os.fstat(directory).st_ino != abi.SUBVOLUME_ROOT:
        return None
    answer = kernel.ask(directory, abi.BTRFS_INO_LOOKUP, abi.INO_LOOKUP, abi.which_subvolume())
    return abi.subvolume_number(answer)


def _xattr(directory: int) -> abi.Xattr:
    return abi.Xattr.read(kernel.ask(directory, abi.FS_GETXATTR, abi.XATTR))


def _number(file: Path) -> int:
    return int(file.read_text())


def _why(error: OSError) -> str:
    return _REFUSALS.get(error.errno or 0, error.strerror or str(error))
