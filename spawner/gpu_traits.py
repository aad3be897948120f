"""RoomSpawner's settings of what kind of GPUs a server asks for, and how it gets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jupyterhub.traitlets import ByteSpecification
from traitlets import CaselessStrEnum, Float, Integer, Unicode

from engine.client import Engine
from room.gpus import asking, memorycap, watchdog
from room.gpus.requests import KINDS, GPURequest
from room.models import GPUUnit
from spawner.queue_traits import QueueTraits

#: The traits that say which units a server asks for.
ASKED = ("gpus", "gpu_kind", "gpu_model", "gpu_memory", "mig_profile")


class GPUTraits(QueueTraits):
    """Which units a server asks for; a profile's ``spawner_override`` may set each."""

    gpus = Integer(
        0,
        min=0,
        config=True,
        help="""GPU units leased to each server, unless its profile says otherwise.

        .. versionadded:: 0.1
        """,
    )

    gpu_kind = CaselessStrEnum(
        KINDS,
        default_value="any",
        config=True,
        help="""Kind of the units: ``gpu``, ``mig``, ``seat`` or ``any``.

        ``gpu``: whole cards. ``mig``: MIG instances. ``seat``: seats of a shared card. ``any``:
        a card or a MIG instance, never a seat, because a seat is cooperative.

        .. versionadded:: 0.1
        """,
    )

    gpu_model = Unicode(
        "",
        config=True,
        help="""A part of the card's name that each unit must have, such as ``A100``.

        .. versionadded:: 0.1
        """,
    )

    gpu_memory = ByteSpecification(
        0,
        config=True,
        help="""Memory that each unit must have at least.

        .. versionadded:: 0.1
        """,
    )

    mig_profile = Unicode(
        "",
        config=True,
        help="""MIG profile that each unit must have, such as ``1g.10gb``.

        .. versionadded:: 0.1
        """,
    )

    gpu_toolkit = Unicode(
        "",
        config=True,
        help="""Version of NVIDIA's Container Toolkit on the host. Empty: not known.

        From 1.20.1 on, with a driver from 615 on and cgroups of version 2, the driver caps the
        memory that a seat of a shared GPU can use. ``room up`` finds the version out.

        .. versionadded:: 0.1
        """,
    )

    seat_patience = Float(
        watchdog.PATIENCE,
        min=0,
        config=True,
        help="""Seconds above a seat's share of the GPU's memory after which a server is warned.

        Where the driver caps the memory, nobody is: see ``gpu_toolkit``.

        .. versionadded:: 0.1
        """,
    )

    seat_grace = Float(
        watchdog.GRACE,
        min=1,
        config=True,
        help="""Seconds from the warning of a server to its stop, if it is above its share still.

        The warning names them: see ``seat_patience``.

        .. versionadded:: 0.1
        """,
    )

    gpu_idle = Float(
        0.0,
        min=0,
        config=True,
        help="""Seconds a server's GPUs may do nothing before they are offered back to the room.

        0: they never are. Who works in the server is asked in its JupyterLab, and nothing happens
        unless they say so; their plan may say another time. It holds as it was when the server
        started.

        .. versionadded:: 0.1
        """,
    )

    inventory_memory = Unicode(
        "",
        config=True,
        help="""File in which the agent's last answer is kept. Empty: it is kept in memory alone.

        Until the agent answers after a restart, its units are known, and none is given out.

        .. versionadded:: 0.1
        """,
    )

    agent_container = Unicode(
        "",
        config=True,
        help="""Container of the agent, which is started when the agent is silent. Empty: none is.

        An engine tries once to start a container at boot; the agent's fails when GPUs are
        described to the engine later than that.

        .. versionadded:: 0.1
        """,
    )

    #: MiB to which the driver caps each card of the server that runs; None: it caps none.
    gpu_memory_cap: int | None = None

    def asked_gpus(self, override: Mapping[str, Any]) -> GPURequest | None:
        """Return what a server asks for when a profile sets ``override``; None: no GPU."""
        value = {name: override.get(name, getattr(self, name)) for name in ASKED}
        return asking.request(
            count=int(value["gpus"]),
            kind=str(value["gpu_kind"]),
            model=str(value["gpu_model"]),
            memory=ByteSpecification().validate(self, value["gpu_memory"]),
            mig_profile=str(value["mig_profile"]),
        )

    def seat_times(self) -> watchdog.Times:
        """Return how long a server may be above its seat's share."""
        return watchdog.Times(self.seat_patience, self.seat_grace)

    async def memory_cap(self, gpus: Iterable[GPUUnit], driver: str, engine: Engine) -> int | None:
        """Return the MiB to which the driver shall cap each card; None: it cannot, or no seat.

        ``driver`` is the NVIDIA driver's version.
        """
        cap = memorycap.cap(gpus)
        if cap is None:
            return None
        async with engine.words("asking for the cgroups' version"):
            cgroup = str((await engine.call("info")).get("CgroupVersion", ""))
        found = memorycap.preflight(driver, str(self.gpu_toolkit), cgroup)
        if not found.binds:
            self.log.info("A seat's memory is not capped: %s", found.why)
        return cap if found.binds else None


def memory_file(path: str) -> Path | None:
    """Return the file that a trait names, if it names one."""
    return Path(path) if path else None
