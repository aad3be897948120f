"""The GPUs of this host: read from NVML where there is one, made up where that was asked for."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from room.gpus import inventory
from room.models import GPUUnit, Inventory
from room.settings import Settings

#: The CDI kind that NVIDIA's toolkit writes.
CDI_KIND = "nvidia.com/gpu"
SIMULATED_SPEC = Path("/etc/cdi/room-sim.json")


def needed(simulate: int) -> set[str]:
    """Return what has to be prepared for this many simulated GPUs."""
    if not simulate:
        return set()
    known = SIMULATED_SPEC.read_text() if SIMULATED_SPEC.exists() else ""
    have = all(inventory.simulated_uuid(index) in known for index in range(simulate))
    return set() if have else {"sim-gpu"}


def read(settings: Settings, simulate: int) -> Inventory:
    """Return the units of this host; simulated ones only when that many are asked for."""
    if simulate:
        return inventory.simulated(simulate)
    return from_nvml(_cdi_names())


def _cdi_names() -> frozenset[str]:
    """Return the device names in the CDI specs that the engine reads."""
    import yaml

    names: set[str] = set()
    for directory in (Path("/etc/cdi"), Path("/var/run/cdi")):
        for file in sorted(directory.glob("*.yaml")) + sorted(directory.glob("*.json")):
            spec = yaml.safe_load(file.read_text())
            names |= {f"{spec['kind']}={device['name']}" for device in spec.get("devices", [])}
    return frozenset(names)


def from_nvml(cdi_names: frozenset[str]) -> Inventory:
    """Return what NVML says; without a driver, nothing."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return Inventory()
    try:
        return Inventory(
            units=tuple(
                _unit(pynvml, index, cdi_names) for index in range(pynvml.nvmlDeviceGetCount())
            ),
            driver_version=_text(pynvml.nvmlSystemGetDriverVersion()),
            cuda_version=_cuda(pynvml.nvmlSystemGetCudaDriverVersion_v2()),
            read_at=datetime.now(timezone.utc),
        )
    finally:
        pynvml.nvmlShutdown()


def _unit(nvml: Any, index: int, cdi_names: frozenset[str]) -> GPUUnit:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    uuid = _text(nvml.nvmlDeviceGetUUID(handle))
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    name = f"{CDI_KIND}={uuid}"
    return GPUUnit(
        uuid=uuid,
        index=index,
        model=_text(nvml.nvmlDeviceGetName(handle)),
        memory_mib=int(nvml.nvmlDeviceGetMemoryInfo(handle).total) // 1024**2,
        compute_capability=f"{major}.{minor}",
        cdi_name=name if name in cdi_names else "",
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _cuda(number: int) -> str:
    """NVML writes 12.4 as 12040."""
    return f"{number // 1000}.{number % 1000 // 10}"
