"""Whether what is to be published fits on the disk. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from room.said import Said, said
from room.values import readable_size

#: What stays free, whoever publishes: homes and the room's own database live on the same disk.
SPARE_SHARE, SPARE_MOST = 0.02, 10 * 1024**3


@dataclass(frozen=True, slots=True)
class Disk:
    """The data root's file system; bytes. ``free`` is what anybody but root may use."""

    size: int
    free: int

    @property
    def spare(self) -> int:
        return min(int(self.size * SPARE_SHARE), SPARE_MOST)


def refusal(needed: int, disk: Disk, promised: int = 0) -> Said | None:
    """Say why ``needed`` bytes do not fit, or None.

    ``promised``: bytes that other publications, which are under way, have yet to write.
    """
    left = disk.free - disk.spare - promised
    if needed <= left:
        return None
    return said(
        "This takes %(needed)s and there is room for %(left)s: %(free)s are free, of which "
        "%(spare)s stay free and %(promised)s are promised to what is being published. Free some "
        "space, or retire and prune what is not used any more.",
        needed=readable_size(needed),
        left=readable_size(max(0, left)),
        free=readable_size(disk.free),
        spare=readable_size(disk.spare),
        promised=readable_size(promised),
    )
