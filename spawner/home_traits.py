"""RoomSpawner's settings of homes: how much they may hold, and whether this start is to tidy up."""

from __future__ import annotations

from jupyterhub.traitlets import ByteSpecification

from room.models import SpawnOptions
from spawner.gpu_traits import GPUTraits

#: What the writable places of a start to tidy up are, in memory: docker's tmpfs options by path.
RESCUE_TMPFS = {
    "/run/jupyter": "rw,nosuid,nodev,size=64m,mode=0700,uid=1000,gid=100",
    "/tmp": "rw,nosuid,nodev,size=64m,mode=1777",  # noqa: S108  (the container's own)
}
#: It tells the server to keep nothing in the home: see ``server/launch.py``.
RESCUE_VARIABLE = "ROOM_RESCUE"


class HomeTraits(GPUTraits):
    """The limits of a home; the agent is told them at each start."""

    home_soft = ByteSpecification(
        0,
        config=True,
        help="""Size of a home from which its owner is asked to tidy up. 0: none.

        Shown in JupyterLab and on the pages. Nothing is refused.

        .. versionadded:: 0.1
        """,
    )

    home_hard = ByteSpecification(
        0,
        config=True,
        help="""Size that a home can have at most. 0: no limit.

        Beyond it writing fails, where the file system of the homes can limit them: btrfs with
        quotas on, xfs and ext4 with project quotas. Elsewhere it is measured and told, and does
        not bind.

        .. versionadded:: 0.1
        """,
    )

    _options: SpawnOptions

    def rescue_environment(self) -> dict[str, str]:
        return {RESCUE_VARIABLE: "1"} if self._options.rescue else {}

    def rescue_tmpfs(self) -> dict[str, str]:
        return dict(RESCUE_TMPFS) if self._options.rescue else {}
