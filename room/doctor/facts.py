"""What a machine is like, as far as a room cares. Gathered by ``cli.doctor_probe``, judged here.

``None`` and empty texts stand for what could not be found out: no rule guesses.
Sizes in bytes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

from room.models import GPUUnit
from room.quotas import Support

Answer = Literal["yes", "missing", "stopped", "refused", "strange"]


@dataclass(frozen=True, slots=True)
class Engine:
    """The Docker Engine, its command, and what it can do."""

    #: missing: no engine here; stopped: it does not answer; refused: this user may not ask it.
    answer: Answer = "missing"
    error: str = ""
    version: str = ""
    #: What answers: ``Docker Engine - Community``, or podman in its place.
    kind: str = ""
    root: str = ""
    storage: str = ""
    cgroup_version: str = ""
    cgroup_driver: str = ""
    #: Of memory, swap, cpu and pids: those that the engine cannot limit.
    unlimited: tuple[str, ...] = ()
    #: rootless, userns, selinux, apparmor, seccomp
    security: tuple[str, ...] = ()
    #: Directories that the engine reads CDI specs from; none when CDI is off.
    cdi_directories: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    default_runtime: str = ""
    client: bool = False
    compose: str = ""
    buildx: str = ""


@dataclass(frozen=True, slots=True)
class GPUs:
    """NVIDIA's cards, driver and toolkit on the host."""

    #: Addresses of the cards on the PCI bus, driver or not.
    pci: tuple[str, ...] = ()
    cards: tuple[GPUUnit, ...] = ()
    driver: str = ""
    #: NVML's refusal: mismatch, permission, not-loaded, or its own words.
    problem: str = ""
    toolkit: str = ""
    #: nvidia-container-runtime-hook is where the engine looks for it.
    hook: bool = False
    #: Qualified names in the CDI specs of the host.
    cdi_names: frozenset[str] = frozenset()
    #: How many GPUs are to be simulated.
    simulated: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """The file system under a directory that exists, or under its nearest ancestor."""

    path: str
    device: int
    free: int
    total: int
    kind: str = ""
    #: Zero where the file system has no fixed number of inodes.
    inodes: int = 0
    free_inodes: int = 0
    read_only: bool = False
    #: How homes can be limited there.
    quotas: Support = field(default_factory=lambda: Support("none", "nobody looked"))

    @classmethod
    def of(cls, path: str, device: int, disk: os.statvfs_result, kind: str) -> Place:
        """Return a place by what the kernel says of it; ``kind`` is the file system's."""
        return cls(
            path=path,
            device=device,
            free=disk.f_bavail * disk.f_frsize,
            total=disk.f_blocks * disk.f_frsize,
            kind=kind,
            inodes=disk.f_files,
            free_inodes=disk.f_favail,
            read_only=bool(disk.f_flag & os.ST_RDONLY),
        )


@dataclass(frozen=True, slots=True)
class Port:
    """A port that the front publishes. ``holder`` is who has it now, in words."""

    number: int
    host: str
    holder: str = ""
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Mirror:
    """A package mirror; ``problem`` says why it is out of reach, in words."""

    name: str
    url: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A site's own certificate and key. ``not_after`` in seconds since 1970."""

    problem: str = ""
    names: tuple[str, ...] = ()
    not_after: float | None = None
    key_problem: str = ""
    key_mode: int | None = None
    key_fits: bool | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """The operating system and what it runs on."""

    os: str = ""
    os_id: str = ""
    os_version: str = ""
    architecture: str = "x86_64"
    kernel: str = ""
    python: tuple[int, int] = (3, 11)
    cores: int = 0
    memory: int = 0
    available: int = 0
    swap: int = 0
    root: bool = True
    systemd: bool = True
    selinux: str = ""
    #: Seconds that this machine's clock is ahead of a mirror's.
    clock_ahead: float | None = None
    clock_synchronized: bool | None = None
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class Network:
    """What decides whether people reach the room, and servers the world."""

    ports: tuple[Port, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    ip_forward: bool | None = None
    #: The engine's own chains are in the packet filter.
    docker_chains: bool | None = None
    #: The address's name is known to DNS or /etc/hosts.
    resolves: bool | None = None
    #: Bridges of the engine whose hardware address changes with the containers on them, and
    #: nobody on them is told.
    silent_bridges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Data:
    """The data root, and the files that room.yaml names."""

    #: Its directories are there, with their owners.
    ready: bool = False
    data: Place | None = None
    images: Place | None = None
    #: The images that are not built yet, and the bytes that building them takes.
    missing_images: tuple[str, ...] = ()
    missing_bytes: int = 0
    #: A base image can be made from a mirror where no registry answers.
    bootstrap: bool = True
    certificate: Certificate | None = None
    #: Settings that name a file which cannot be read → why.
    unreadable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the rules look at."""

    engine: Engine = Engine()
    gpus: GPUs = GPUs()
    machine: Machine = Machine()
    network: Network = Network()
    data: Data = Data()
