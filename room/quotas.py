"""How a home can be limited on a file system, and who has to be allowed what for it. Pure.

btrfs counts what is in a subvolume; xfs and ext4 count what belongs to a project. Of any other
file system, and of these where counting is off, a home can only be measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from room.mounts import Mount

DriverName = Literal["btrfs", "project", "none"]

#: How the kernel names the option of xfs and of ext4 that makes it count and limit by project.
_BY_PROJECT = frozenset({"prjquota", "pquota"})
_COUNTED = ("xfs", "ext4")


@dataclass(frozen=True, slots=True)
class Support:
    """What a file system can do for homes. ``why`` says why it cannot limit; empty: it can."""

    driver: DriverName
    why: str = ""

    @property
    def limits(self) -> bool:
        return not self.why


def support(mount: Mount, btrfs_counts: bool | None) -> Support:
    """Return what the file system that homes are on can do.

    ``btrfs_counts``: quotas are on there; None where that is not known or no question.
    """
    if mount.kind == "btrfs":
        # A new home is a subvolume all the same: then quotas can be turned on later.
        return Support("btrfs", "" if btrfs_counts else "its quotas are off")
    if mount.kind in _COUNTED:
        if mount.options & _BY_PROJECT:
            return Support("project")
        return Support("none", f"{mount.kind} is mounted without project quotas (prjquota)")
    return Support("none", f"{mount.kind or 'the file system'} cannot limit a directory")
