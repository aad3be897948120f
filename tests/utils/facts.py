"""A machine on which everything is as it should be, and ways to break it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from room.doctor.facts import Data, Engine, Facts, GPUs, Machine, Network, Place
from room.models import GPUUnit

GB = 1000**3
NOW = 1_800_000_000.0

CARD = GPUUnit("GPU-aaaa", 0, "NVIDIA A10", 23_028, "8.6", "nvidia.com/gpu=GPU-aaaa")


def card(capability: str, model: str = "NVIDIA card", uuid: str = "GPU-aaaa") -> GPUUnit:
    return replace(CARD, uuid=uuid, model=model, compute_capability=capability)


def healthy() -> Facts:
    """Return the facts of a machine without GPUs that has nothing to say about."""
    return Facts(
        engine=Engine(
            answer="yes",
            version="28.3.0",
            kind="Docker Engine - Community Engine",
            root="/var/lib/docker",
            storage="overlay2",
            cgroup_version="2",
            cgroup_driver="systemd",
            security=("apparmor", "seccomp"),
            cdi_directories=("/etc/cdi", "/var/run/cdi"),
            runtimes=("runc",),
            default_runtime="runc",
            client=True,
            compose="2.36.0",
            buildx="0.24.0",
        ),
        machine=Machine(
            os="Debian GNU/Linux 13 (trixie)",
            os_id="debian",
            os_version="13",
            cores=16,
            memory=64 * 1024**3,
            clock_ahead=0.2,
            clock_synchronized=True,
            now=NOW,
        ),
        network=Network(ip_forward=True, docker_chains=True),
        data=Data(
            ready=True,
            data=Place("/var/lib", 1, 500 * GB, 900 * GB, "ext4", 10**8, 10**8),
            images=Place("/var/lib/docker", 2, 200 * GB, 400 * GB, "ext4", 10**8, 10**8),
        ),
    )


def with_gpu(**changes: Any) -> Facts:
    """Return the facts of a machine with an A10 that works."""
    gpus = GPUs(
        pci=("0000:01:00.0",),
        cards=(CARD,),
        driver="570.86.10",
        toolkit="1.18.0",
        hook=True,
        cdi_names=frozenset({"nvidia.com/gpu=GPU-aaaa", "nvidia.com/gpu=0", "nvidia.com/gpu=all"}),
    )
    return replace(healthy(), gpus=replace(gpus, **changes))


def change(facts: Facts, section: str, **changes: Any) -> Facts:
    """Return the facts with some of one section changed."""
    return replace(facts, **{section: replace(getattr(facts, section), **changes)})
