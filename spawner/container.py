"""``SpawnPlan`` → the arguments of docker create. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from room.datasets import pinned
from room.datasets.names import label
from room.models import (
    LABEL_DATASETS,
    LABEL_ENVIRONMENT,
    LABEL_GPU_IDLE,
    LABEL_GPUS,
    LABEL_IDLE,
    LABEL_KIND,
    LABEL_LEASE,
    LABEL_PROFILE,
    LABEL_ROOM,
    LABEL_SERVER,
    LABEL_SESSION,
    LABEL_USER,
    Bind,
    GPUUnit,
    SpawnPlan,
)

#: What a server reads of the environment that it has.
ENVIRONMENT = "ROOM_ENVIRONMENT"
#: Docker's unit of CPU time, in microseconds.
CPU_PERIOD = 100_000
#: Seconds between two reports of a server that is ended when it is idle, or asked for its GPU: what
#: somebody does in it is known long before its warning is over.
REPORT_EVERY = 60
#: Above the hub's and the proxy's 0: when memory runs out the kernel ends a student's process.
OOM_SCORE_ADJ = 500


def labels(room: str, plan: SpawnPlan) -> dict[str, str]:
    """Return the labels that the hub reads back."""
    return {
        LABEL_ROOM: room,
        LABEL_KIND: "server",
        LABEL_USER: plan.owner.user,
        LABEL_SERVER: plan.owner.server,
        LABEL_LEASE: plan.lease_id,
        LABEL_GPUS: ",".join(unit.uuid for unit in plan.gpus),
        LABEL_PROFILE: plan.profile,
        LABEL_SESSION: str(plan.session),
        LABEL_IDLE: str(plan.idle),
        LABEL_GPU_IDLE: str(plan.gpu_idle),
        LABEL_DATASETS: label((each.name, each.digest) for each in plan.datasets),
        LABEL_ENVIRONMENT: plan.class_environment.class_name if plan.class_environment else "",
    }


def environment(plan: SpawnPlan) -> dict[str, str]:
    """Return the server's environment, with the GPU variables set for it alone.

    A CUDA image may say ``NVIDIA_VISIBLE_DEVICES=all``, and where the nvidia
    runtime is the default that gives a CPU server every card: ``void`` takes it
    back. With the ``nvidia`` driver the engine itself sets the variable.
    """
    result = dict(plan.environment)
    if plan.idle or (plan.gpus and plan.gpu_idle):
        result["JUPYTERHUB_ACTIVITY_INTERVAL"] = str(REPORT_EVERY)
    result[pinned.VARIABLE] = pinned.variable(plan.datasets)
    result[ENVIRONMENT] = _class_environment(plan)
    result["ROOM_GPU_UUIDS"] = ",".join(unit.uuid for unit in plan.gpus)
    if plan.gpus and plan.gpu_driver == "nvidia":
        result.pop("NVIDIA_VISIBLE_DEVICES", None)
    else:
        result["NVIDIA_VISIBLE_DEVICES"] = "void"
    if plan.gpu_memory_cap is not None:
        # NVIDIA's hook wants both, and reads them before anything of the server runs.
        result["NVIDIA_GPU_MEMORY_REQUEST"] = str(plan.gpu_memory_cap)
        result["NVIDIA_GPU_MEMORY_LIMIT"] = str(plan.gpu_memory_cap)
    return result


def _class_environment(plan: SpawnPlan) -> str:
    """Return what a server is told of its environment: JSON; ``{}`` where it has none."""
    found = plan.class_environment
    return json.dumps({"class": found.class_name, "image": found.tag} if found else {})


def device_requests(gpus: tuple[GPUUnit, ...], driver: str) -> list[dict[str, Any]]:
    """Return docker's device requests for these units, by UUID.

    The driver is always named: with an empty one the engine picks any it has. Two seats of one
    card are one device.
    """
    if not gpus:
        return []
    if driver == "cdi":
        names = list(dict.fromkeys(unit.cdi_name for unit in gpus))
        return [{"Driver": "cdi", "DeviceIDs": names}]
    return [
        {
            "Driver": "nvidia",
            "DeviceIDs": list(dict.fromkeys(unit.device for unit in gpus)),
            "Capabilities": [["gpu", "compute", "utility"]],
        }
    ]


def host_config(plan: SpawnPlan, log_size: int, log_files: int) -> dict[str, Any]:
    """Return docker-py's host config: limits and hardening. Sizes in bytes."""
    limits = plan.limits
    return {
        # Never: exit code, OOM flag and last lines would vanish with the container.
        "auto_remove": False,
        "restart_policy": {"Name": "no"},
        "init": False,  # the image has tini
        **_cpu(limits.cpu),
        **_memory(limits.memory),
        "pids_limit": limits.pids,
        "shm_size": limits.shm,
        "oom_score_adj": OOM_SCORE_ADJ,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "privileged": False,
        "network_mode": plan.network,
        "log_config": {
            "Type": "json-file",
            "Config": {"max-size": str(log_size), "max-file": str(log_files)},
        },
        "device_requests": device_requests(plan.gpus, plan.gpu_driver),
        "tmpfs": dict(plan.tmpfs),
        "binds": {
            source: {"bind": target, "mode": mode} for source, (target, mode) in plan.mounts.items()
        },
        "mounts": [_bind(each) for each in plan.binds],
    }


def _bind(bind: Bind) -> dict[str, Any]:
    """Return docker's mount of what is on the host, which the engine refuses where it is not.

    What ``binds`` names it makes, as root. What is mounted below it on the host stays there: an
    engine before 25 would hand it out writable.
    """
    return {
        "Type": "bind",
        "Source": bind.source,
        "Target": bind.target,
        "ReadOnly": bind.read_only,
        "BindOptions": {"Propagation": "rprivate", "NonRecursive": True},
    }


def _cpu(cores: float | None) -> dict[str, int]:
    if cores is None:
        return {}
    return {"cpu_period": CPU_PERIOD, "cpu_quota": int(cores * CPU_PERIOD)}


def _memory(limit: int | None) -> dict[str, int]:
    """Return the memory limit with none on top: unset, swap would double it."""
    return {} if limit is None else {"mem_limit": limit, "memswap_limit": limit}


def arguments(room: str, name: str, plan: SpawnPlan) -> dict[str, Any]:
    """Return ``create_container``'s arguments but for the host config."""
    return {
        "image": plan.image,
        "name": name,
        # Without one the engine takes the image's.
        "command": list(plan.command) or None,
        "environment": environment(plan),
        "labels": labels(room, plan),
        "ports": {f"{plan.port}/tcp": None},
        "volumes": {target: {} for target, _mode in plan.mounts.values()},
    }


def merge(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with an admin's ``extra`` on top: dicts merge, the rest is replaced."""
    result = dict(base)
    for key, value in extra.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = merge(old, value)
        else:
            result[key] = value
    return result
