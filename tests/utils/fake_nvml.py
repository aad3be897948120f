"""A module that answers like nvidia-ml-py's pynvml, for cards that are not there."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

MIB = 1024**2


class NVMLError(Exception):
    """NVML's own exception: its number, and words."""

    def __init__(self, value: int, words: str = "Unknown Error") -> None:
        super().__init__(words)
        self.value = value


def not_supported() -> NVMLError:
    return NVMLError(3, "Not Supported")


def lost() -> NVMLError:
    return NVMLError(15, "GPU is lost")


@dataclass
class Device:
    """A card, or a MIG instance in ``parts``. ``fails``: question → the error that it gets."""

    uuid: str
    name: str = "NVIDIA A100-SXM4-40GB"
    memory_mib: int = 40960
    used_mib: int = 512
    utilisation: int | None = 7
    temperature: int = 41
    power: int = 61500
    ecc: int | None = 0
    mig: bool = False
    parts: list[Device | None] = field(default_factory=list)
    #: (host PID, MiB or None)
    processes: list[tuple[int, int | None]] = field(default_factory=list)
    #: For each link: another card's index, "switch", or None for one that is down.
    links: list[int | str | None] = field(default_factory=list)
    fails: dict[str, NVMLError] = field(default_factory=dict)
    index: int = 0


class FakeNvml:
    """The module. ``refuses``: what every question gets, from init on."""

    NVMLError = NVMLError
    NVML_DEVICE_MIG_ENABLE = 1
    NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 1
    NVML_VOLATILE_ECC = 0
    NVML_TEMPERATURE_GPU = 0
    NVML_FEATURE_ENABLED = 1
    NVML_NVLINK_MAX_LINKS = 18
    NVML_NVLINK_DEVICE_TYPE_GPU = 0
    NVML_NVLINK_DEVICE_TYPE_SWITCH = 2
    nvmlEventTypeXidCriticalError = 8  # noqa: N815 - NVML's name

    def __init__(self, devices: list[Device]) -> None:
        self.devices = devices
        for index, device in enumerate(devices):
            device.index = index
        self.refuses: NVMLError | None = None
        self.open = 0
        self.inits = 0
        self.link_questions = 0
        self.events: queue.Queue[Any] = queue.Queue()
        self.registered = 0

    def _answer(self, question: str, device: Device | None = None) -> None:
        if self.refuses is not None:
            raise self.refuses
        if not self.open:
            raise NVMLError(1, "Uninitialized")
        if device is not None and question in device.fails:
            raise device.fails[question]
        if device is not None and "all" in device.fails:
            raise device.fails["all"]

    def nvmlInit(self) -> None:  # noqa: N802
        if self.refuses is not None:
            raise self.refuses
        self.open += 1
        self.inits += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        if not self.open:
            raise NVMLError(1, "Uninitialized")
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        self._answer("count")
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Device:  # noqa: N802
        device = self.devices[index]
        self._answer("handle", device)
        return device

    def nvmlDeviceGetUUID(self, device: Device) -> str:  # noqa: N802
        self._answer("uuid", device)
        return device.uuid

    def nvmlDeviceGetName(self, device: Device) -> bytes:  # noqa: N802
        self._answer("name", device)
        return device.name.encode()  # older releases of the module answer with bytes

    def nvmlDeviceGetCudaComputeCapability(self, device: Device) -> tuple[int, int]:  # noqa: N802
        self._answer("capability", device)
        return (8, 0)

    def nvmlDeviceGetMemoryInfo(self, device: Device) -> Any:  # noqa: N802
        self._answer("memory", device)
        return SimpleNamespace(total=device.memory_mib * MIB, used=device.used_mib * MIB)

    def nvmlDeviceGetMigMode(self, device: Device) -> tuple[int, int]:  # noqa: N802
        self._answer("mig", device)
        return (int(device.mig), int(device.mig))

    def nvmlDeviceGetMaxMigDeviceCount(self, device: Device) -> int:  # noqa: N802
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Device, number: int) -> Device:  # noqa: N802
        part = device.parts[number] if number < len(device.parts) else None
        if part is None:
            raise NVMLError(6, "Not Found")
        return part

    def nvmlDeviceGetTotalEccErrors(self, device: Device, kind: int, counter: int) -> int:  # noqa: N802
        self._answer("ecc", device)
        if device.ecc is None:
            raise not_supported()
        return device.ecc

    def nvmlDeviceGetUtilizationRates(self, device: Device) -> Any:  # noqa: N802
        self._answer("utilisation", device)
        if device.utilisation is None:
            raise not_supported()
        return SimpleNamespace(gpu=device.utilisation)

    def nvmlDeviceGetPowerUsage(self, device: Device) -> int:  # noqa: N802
        self._answer("power", device)
        return device.power

    def nvmlDeviceGetTemperature(self, device: Device, sensor: int) -> int:  # noqa: N802
        self._answer("temperature", device)
        return device.temperature

    def nvmlDeviceGetComputeRunningProcesses(self, device: Device) -> list[Any]:  # noqa: N802
        self._answer("processes", device)
        return [
            SimpleNamespace(pid=pid, usedGpuMemory=None if mib is None else mib * MIB)
            for pid, mib in device.processes
        ]

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        self._answer("driver")
        return "570.86.10"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:  # noqa: N802
        self._answer("cuda")
        return 12080

    # -- NVLink ------------------------------------------------------------------------------

    def nvmlDeviceGetPciInfo(self, device: Device) -> Any:  # noqa: N802
        return SimpleNamespace(busId=f"00000000:{device.index + 1:02X}:00.0")

    def nvmlDeviceGetNvLinkState(self, device: Device, link: int) -> int:  # noqa: N802
        self.link_questions += 1
        if link >= len(device.links):
            raise NVMLError(2, "Invalid Argument")
        return int(device.links[link] is not None)

    def nvmlDeviceGetNvLinkRemoteDeviceType(self, device: Device, link: int) -> int:  # noqa: N802
        return 2 if device.links[link] == "switch" else 0

    def nvmlDeviceGetNvLinkRemotePciInfo(self, device: Device, link: int) -> Any:  # noqa: N802
        return SimpleNamespace(busId=f"0000:{int(device.links[link] or 0) + 1:02x}:00.0".encode())

    # -- events ------------------------------------------------------------------------------

    def nvmlEventSetCreate(self) -> object:  # noqa: N802
        self._answer("events")
        return object()

    def nvmlEventSetFree(self, events: object) -> None:  # noqa: N802
        return None

    def nvmlDeviceRegisterEvents(self, device: Device, kinds: int, events: object) -> None:  # noqa: N802
        self._answer("register", device)
        self.registered += 1

    def nvmlEventSetWait_v2(self, events: object, milliseconds: int) -> Any:  # noqa: N802
        try:
            found = self.events.get(timeout=0.05)
        except queue.Empty:
            raise NVMLError(10, "Timeout") from None
        if isinstance(found, NVMLError):
            raise found
        return found

    def report(self, device: Device, number: int) -> None:
        """Let a card report an Xid."""
        self.events.put(SimpleNamespace(device=device, eventData=number))


def eight(**changes: Any) -> FakeNvml:
    """Return eight A100s; ``changes`` are made to all of them."""
    return FakeNvml([Device(f"GPU-{n:04d}", **changes) for n in range(8)])


def parted(uuid: str, *profiles: str) -> Device:
    """Return a card in MIG mode with an instance of each profile, such as ``1g.10gb``."""
    parts: list[Device | None] = [
        Device(
            f"MIG-{uuid}-{number}",
            name=f"NVIDIA A100-SXM4-40GB MIG {profile}",
            memory_mib=int(profile.partition(".")[2].removesuffix("gb")) * 1000,
            utilisation=None,
        )
        for number, profile in enumerate(profiles)
    ]
    # Instances keep their number when one before them is destroyed.
    return Device(uuid, mig=True, utilisation=None, parts=[None, *parts])
