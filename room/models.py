"""The values that rules take and return. Frozen; no behaviour but their own arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

#: Labels on everything the room makes in the engine. Reconcile reads them back.
LABEL_ROOM = "torchroom.room"
LABEL_KIND = "torchroom.kind"  # server | home | build | environment
LABEL_USER = "torchroom.user"
LABEL_SERVER = "torchroom.server"
LABEL_LEASE = "torchroom.lease"
LABEL_GPUS = "torchroom.gpus"  # UUIDs, comma-separated
LABEL_PROFILE = "torchroom.profile"
LABEL_SESSION = "torchroom.session"  # seconds that the server may run; 0: no end
LABEL_IDLE = "torchroom.idle"  # seconds that it may run with nothing to do; 0: no end
LABEL_DATASETS = "torchroom.datasets"  # name=digest of what is mounted, comma-separated
LABEL_ENVIRONMENT = "torchroom.environment"  # the class whose packages it has; empty: none
LABEL_GPU_IDLE = "torchroom.gpu-idle"  # seconds until an unused GPU is offered back; 0: never


@dataclass(frozen=True, slots=True)
class Owner:
    """One server of one user; the default server's name is empty."""

    user: str
    server: str = ""

    def __str__(self) -> str:
        return f"{self.user}/{self.server}" if self.server else self.user


@dataclass(frozen=True, slots=True)
class SpawnOptions:
    """What a person chose on the start page or sent to REST, after the allow-list."""

    profile: str | None = None
    choices: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    image: str | None = None
    #: Each ``name`` or ``name@number``; none: what the profile preselects, else all.
    datasets: tuple[str, ...] = ()
    #: A class, whose environment it is to have, or none; empty: the first that there is.
    environment: str = ""
    #: A small server, only to tidy up the home with.
    rescue: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A refusal: the rule for logs and tests, and the words for a person."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Xid:
    """A fatal error that a GPU's driver reported: its number in NVIDIA's catalog.

    ``report`` is this one event's own: an agent says it again and again, and nobody else ever.
    """

    number: int
    report: str


@dataclass(frozen=True, slots=True)
class GPUUnit:
    """What can be leased: a whole GPU, a MIG instance, or one seat of a shared GPU.

    Identified by UUID, never by index; a seat by its GPU's UUID and a number, ``GPU-…/1``.
    """

    uuid: str
    index: int
    model: str
    memory_mib: int
    compute_capability: str = ""
    #: Fully qualified CDI name (``nvidia.com/gpu=GPU-…``), or empty when the engine has no CDI.
    cdi_name: str = ""
    simulated: bool = False
    #: gpu | mig | seat
    kind: str = "gpu"
    #: Of a MIG instance or a seat: the UUID of the GPU that it is a part of.
    parent: str = ""
    mig_profile: str = ""
    #: The machine it is in; empty when there is only one.
    host: str = ""
    #: ok | unknown | sick | drained | quarantined: only what is ``ok`` is given out.
    health: str = "ok"
    #: Why it is not ``ok``, for the admin.
    why: str = ""
    #: UUIDs of the GPUs that it reaches by a fast link.
    links: tuple[str, ...] = ()
    #: The newest fatal Xid that its GPU has reported since the agent began; then it is ``sick``.
    xid: Xid | None = None

    @property
    def usable(self) -> bool:
        return self.health == "ok"

    @property
    def device(self) -> str:
        """The UUID by which the driver knows it: a seat is its GPU."""
        return self.parent if self.kind == "seat" else self.uuid


@dataclass(frozen=True, slots=True)
class Inventory:
    """The GPU units of one host, as read at ``read_at``."""

    units: tuple[GPUUnit, ...] = ()
    driver_version: str = ""
    cuda_version: str = ""
    read_at: datetime | None = None

    def by_uuid(self) -> dict[str, GPUUnit]:
        return {unit.uuid: unit for unit in self.units}


@dataclass(frozen=True, slots=True)
class Lease:
    """One server's right to its units, from grant until its container is confirmed gone."""

    id: str
    owner: Owner
    units: tuple[str, ...]
    granted_at: datetime
    #: None: it has no end.
    ends_at: datetime | None = None
    #: When its server was ready; None while it is being started.
    ready_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """How a server's container ended."""

    owner: Owner
    code: int
    oom_killed: bool
    finished_at: datetime
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server may take. Sizes in bytes, CPU in cores; ``None`` is no limit."""

    cpu: float | None
    memory: int | None
    shm: int
    pids: int


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the host that a server has at ``target``; the engine makes none."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Pinned:
    """A version of a dataset that a server starts with, and keeps for as long as it runs."""

    name: str
    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class ClassEnvironment:
    """The environment of a class that a server has: the image that it runs is ``tag``."""

    class_name: str
    tag: str


@dataclass(frozen=True, slots=True)
class SpawnPlan:
    """Everything ``docker create`` needs to know about one server."""

    owner: Owner
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    limits: Limits
    network: str
    port: int
    gpus: tuple[GPUUnit, ...] = ()
    gpu_driver: str = "cdi"  # cdi | nvidia
    #: MiB of each card's memory that the driver lets the server use; None: all.
    gpu_memory_cap: int | None = None
    lease_id: str = ""
    profile: str = ""
    #: Seconds that the server may run; 0: as long as it likes.
    session: float = 0.0
    #: Seconds that it may run with nothing to do; 0: as long as it likes.
    idle: float = 0.0
    #: Seconds that its GPUs may do nothing before they are offered back; 0: they never are.
    gpu_idle: float = 0.0
    #: volume or host path → (path in the container, "rw" | "ro")
    mounts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: What else of the host is mounted, as ``mounts`` is not: the engine makes nothing for it.
    binds: tuple[Bind, ...] = ()
    #: The datasets that are among them.
    datasets: tuple[Pinned, ...] = ()
    class_environment: ClassEnvironment | None = None
    #: path in the container → options: what is written there is kept in memory, and lost
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
