"""Looking at NVIDIA's cards, driver, toolkit and CDI specs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cli.doctor_probe.ask import SYSTEM_PATH, output, text
from room.doctor.facts import GPUs
from room.models import GPUUnit

_NVIDIA, _DISPLAY = "0x10de", "0x03"
_SPECS = (Path("/etc/cdi"), Path("/var/run/cdi"))


def look(simulate: int) -> GPUs:
    """Return what there is of NVIDIA on this machine."""
    names = frozenset(cdi_names(_SPECS))
    cards, problem = _nvml(names)
    return GPUs(
        pci=tuple(_pci(Path("/sys/bus/pci/devices"))),
        cards=cards,
        driver=driver_version(
            text("/sys/module/nvidia/version"), text("/proc/driver/nvidia/version")
        ),
        problem=problem,
        toolkit=toolkit_version(output("nvidia-ctk", "--version")),
        hook=shutil.which("nvidia-container-runtime-hook", path=SYSTEM_PATH) is not None,
        cdi_names=names,
        simulated=simulate,
    )


def _nvml(names: frozenset[str]) -> tuple[tuple[GPUUnit, ...], str]:
    """Return the cards that NVML knows, or why it knows none."""
    import pynvml

    from cli import gpus

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return (), nvml_problem(error.value, str(error))
    pynvml.nvmlShutdown()
    return gpus.from_nvml(names).units, ""


#: NVML's numbers: https://docs.nvidia.com/deploy/nvml-api, nvmlReturn_t.
_PROBLEMS = {4: "permission", 9: "not-loaded", 12: "not-loaded", 18: "mismatch"}


def nvml_problem(number: int, words: str) -> str:
    """Return what NVML's refusal means; its own words where it is a rare one."""
    return _PROBLEMS.get(number, words)


def driver_version(module: str, proc: str) -> str:
    """Return the loaded module's version, from /sys/module or /proc/driver."""
    if module.strip():
        return module.strip()
    match = re.search(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)", proc)
    return match[1] if match else ""


def toolkit_version(said: str) -> str:
    match = re.search(r"version\s+(\d+\.\d+\S*)", said)
    return match[1] if match else ""


def _pci(devices: Path) -> Iterator[str]:
    """Yield the addresses of NVIDIA's display and compute controllers."""
    for device in sorted(devices.glob("*")):
        if text(device / "vendor").strip() != _NVIDIA:
            continue
        if text(device / "class").startswith(_DISPLAY):
            yield device.name


def cdi_names(directories: Iterable[Path]) -> Iterator[str]:
    """Yield the qualified device names in CDI specs; one that cannot be read has none."""
    for directory in directories:
        for file in sorted([*directory.glob("*.yaml"), *directory.glob("*.json")]):
            spec = _spec(file)
            for device in spec.get("devices") or ():
                if isinstance(device, dict):
                    yield f"{spec.get('kind')}={device.get('name')}"


def _spec(file: Path) -> dict[str, Any]:
    content = text(file)
    try:
        if file.suffix == ".json":
            found = json.loads(content)
        else:
            import yaml

            found = yaml.safe_load(content)
    except Exception:  # noqa: BLE001 - whoever wrote it, the engine passes it over too
        return {}
    return found if isinstance(found, dict) else {}
