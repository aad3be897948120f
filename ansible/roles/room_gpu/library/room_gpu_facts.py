#!/usr/bin/python
"""What NVIDIA GPUs a machine has, and whether its driver runs them. It runs nothing."""

from __future__ import annotations

import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: room_gpu_facts
short_description: NVIDIA GPUs of a machine
description:
  - Reads sysfs and the driver's files under /proc; works without the driver's programs.
options:
  root:
    description: Where the machine's file system is; another place is for tests.
    type: path
    default: /
"""

RETURN = """
pci:
  description: Addresses on the PCI bus of the NVIDIA GPUs.
  type: list
driver:
  description: Version of the driver that is loaded, empty where none is.
  type: str
other_driver:
  description: Name of another kernel module that has one of the GPUs, empty where none has.
  type: str
gpus:
  description: UUIDs of the GPUs that the driver runs and that are not divided by MIG.
  type: list
mig:
  description: UUIDs of the GPUs that have MIG instances.
  type: list
"""

NVIDIA, DISPLAY = "0x10de", "0x03"


def pci_gpus(root: Path) -> dict[str, str]:
    """Return the PCI address of each NVIDIA GPU and the kernel module that has it, or ''."""
    found = {}
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        if _read(device / "vendor") == NVIDIA and _read(device / "class").startswith(DISPLAY):
            driver = device / "driver"
            found[device.name] = driver.resolve().name if driver.exists() else ""
    return found


def driver_version(root: Path) -> str:
    """Return the version of NVIDIA's kernel module that is loaded, or ''."""
    line = _read(root / "proc/driver/nvidia/version")
    found = re.search(r"Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)", line)
    return found.group(1) if found else _read(root / "sys/module/nvidia/version")


def uuids(root: Path) -> tuple[list[str], list[str]]:
    """Return the UUIDs of the whole GPUs, and of those divided into MIG instances."""
    whole, divided = [], []
    for file in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
        fields = dict(re.findall(r"(?m)^([^:\n]+?)\s*:\s*(.*?)\s*$", _read(file)))
        uuid, minor = fields.get("GPU UUID", ""), fields.get("Device Minor", "")
        if not re.fullmatch(r"GPU-[0-9a-f-]{36}", uuid):
            continue  # a GPU that fell off the bus has question marks here
        instances = root / f"proc/driver/nvidia/capabilities/gpu{minor}/mig"
        (divided if any(instances.glob("gi*")) else whole).append(uuid)
    return whole, divided


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def facts(root: Path) -> dict[str, object]:
    """Return everything this module returns, for the machine at ``root``."""
    pci = pci_gpus(root)
    whole, divided = uuids(root)
    others = sorted({driver for driver in pci.values() if driver not in ("", "nvidia")})
    return {
        "pci": list(pci),
        "driver": driver_version(root),
        "other_driver": ", ".join(others),
        "gpus": whole,
        "mig": divided,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={"root": {"type": "path", "default": "/"}}, supports_check_mode=True
    )
    module.exit_json(changed=False, **facts(Path(module.params["root"])))


if __name__ == "__main__":
    main()
