"""Looking at NVIDIA's cards, driver, toolkit and CDI specs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from cli import gpus
from cli.doctor_probe.ask import SYSTEM_PATH, output, text
from room.doctor.facts import GPUs

_NVIDIA, _DISPLAY = "0x10de", "0x03"


def look(simulate: int) -> GPUs:
    """Return what there is of NVIDIA on this machine."""
    # Whole cards: which of them are shared is not the machine's business.
    found = gpus.look()
    return GPUs(
        pci=tuple(_pci(Path("/sys/bus/pci/devices"))),
        cards=found.inventory.units,
        driver=driver_version(
            text("/sys/module/nvidia/version"), text("/proc/driver/nvidia/version")
        ),
        problem=found.problem,
        toolkit=toolkit(),
        hook=has_hook(),
        cdi_names=found.cdi_names,
        simulated=simulate,
    )


def toolkit() -> str:
    """Return the version of NVIDIA's Container Toolkit; empty where there is none."""
    return toolkit_version(output("nvidia-ctk", "--version"))


def has_hook() -> bool:
    """Say whether NVIDIA's older hook is where the engine looks for it."""
    return shutil.which("nvidia-container-runtime-hook", path=SYSTEM_PATH) is not None


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
