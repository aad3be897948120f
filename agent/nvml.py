"""NVIDIA's cards, as NVML tells of them. The only place that asks it what there is.

``nvml`` is nvidia-ml-py's module ``pynvml``, or one that answers like it: NVML has no other way
to be tested without cards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.nvlink import links
from agent.reading import Fault, Process, Reading
from room.gpus.use import UnitUse
from room.models import GPUUnit, Xid

#: The CDI kind that NVIDIA's toolkit writes.
CDI_KIND = "nvidia.com/gpu"
MIB = 1024**2

#: NVML's numbers: https://docs.nvidia.com/deploy/nvml-api, nvmlReturn_t.
NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, FUNCTION_NOT_FOUND, NO_DATA = 3, 4, 6, 13, 21
GPU_IS_LOST, RESET_REQUIRED = 15, 16
#: Answers that mean that a card does not tell this, and nothing about its health.
NOT_TOLD = frozenset((NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, FUNCTION_NOT_FOUND, NO_DATA))
#: What refuses all cards at once.
PROBLEMS = {4: "permission", 9: "not-loaded", 12: "not-loaded", 18: "mismatch"}


def problem(number: int, words: str) -> str:
    """Return what NVML's refusal means; its own words where it is a rare one."""
    return PROBLEMS.get(number, words)


def fault(number: int, words: str) -> tuple[str, str]:
    """Return the health of a card that answered with an error, and why, for the admin."""
    if number == GPU_IS_LOST:
        return "sick", "the GPU has fallen off the bus (NVML: GPU is lost); reboot the host"
    if number == RESET_REQUIRED:
        return "sick", "the GPU needs a reset: nvidia-smi --gpu-reset, or reboot the host"
    return "unknown", f"NVML: {words}"


@dataclass(slots=True)
class _Found:
    """What is gathered card by card."""

    units: list[GPUUnit] = field(default_factory=list)
    uses: list[UnitUse] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    handles: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


class NvmlSource:
    """Looks at the cards. ``xids`` tells which have reported a fatal Xid, by UUID."""

    def __init__(
        self,
        nvml: Any,
        cdi_names: Callable[[], frozenset[str]],
        xids: Callable[[], Mapping[str, Xid]] = dict,
    ) -> None:
        self._nvml = nvml
        self._cdi_names = cdi_names
        self._xids = xids
        self._open = False
        self._links: tuple[frozenset[str], dict[str, tuple[str, ...]]] = (frozenset(), {})

    def read(self) -> Reading:
        """Look once. NVML is opened when it has to be, and opened anew after it failed."""
        nvml, names, xids = self._nvml, self._cdi_names(), self._xids()
        try:
            if not self._open:
                nvml.nvmlInit()
                self._open = True
            found = _Found()
            for index in range(nvml.nvmlDeviceGetCount()):
                self._card(index, names, found)
            driver = _text(nvml.nvmlSystemGetDriverVersion())
            cuda = _cuda(nvml.nvmlSystemGetCudaDriverVersion_v2())
        except nvml.NVMLError as error:
            self.close()
            why = problem(error.value, str(error))
            return Reading(problem=why, cdi_names=names, xids=xids)
        reach = self._reach(found.handles)
        return Reading(
            units=tuple(replace(unit, links=reach.get(unit.uuid, ())) for unit in found.units),
            uses=tuple(found.uses),
            processes=tuple(found.processes),
            cards=frozenset(found.handles),
            faults=tuple(found.faults),
            xids=xids,
            driver_version=driver,
            cuda_version=cuda,
            cdi_names=names,
        )

    def close(self) -> None:
        """Let go of NVML; the next look opens it anew."""
        if self._open:
            self._open = False
            try:
                self._nvml.nvmlShutdown()
            except self._nvml.NVMLError:
                return  # it was gone already

    def _reach(self, handles: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        """Return who reaches whom. Asked again only when the cards are others: cables stay."""
        cards = frozenset(handles)
        if cards != self._links[0]:
            self._links = cards, links(self._nvml, handles, NOT_TOLD)
        return self._links[1]

    # -- one card ----------------------------------------------------------------------------

    def _card(self, index: int, names: frozenset[str], found: _Found) -> None:
        """Gather one card. Its own failure is its own fault, and stops nobody else's look."""
        nvml, uuid = self._nvml, ""
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = _text(nvml.nvmlDeviceGetUUID(handle))
            found.handles[uuid] = handle
            card = self._unit(handle, uuid, index, names)
            parts = list(self._instances(handle, card, names))
            in_parts = self._is_parted(handle)
        except nvml.NVMLError as error:
            found.faults.append(Fault(index, *fault(error.value, str(error)), uuid=uuid))
            return
        health, why = "ok", ""
        try:
            found.uses.append(self._use(handle, uuid))
            for part, its_handle in parts:
                found.uses.append(self._use(its_handle, part.uuid))
                found.processes += self._processes(its_handle, part.uuid)
            if not in_parts:
                found.processes += self._processes(handle, uuid)
            health, why = self._health(handle)
        except nvml.NVMLError as error:
            health, why = fault(error.value, str(error))
        units = [part for part, _ in parts] if in_parts else [card]
        found.units += [replace(unit, health=health, why=why) for unit in units]

    def _unit(self, handle: Any, uuid: str, index: int, names: frozenset[str]) -> GPUUnit:
        nvml = self._nvml
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
        return GPUUnit(
            uuid=uuid,
            index=index,
            model=_text(nvml.nvmlDeviceGetName(handle)),
            memory_mib=int(nvml.nvmlDeviceGetMemoryInfo(handle).total) // MIB,
            compute_capability=f"{major}.{minor}",
            cdi_name=_known(uuid, names),
        )

    def _is_parted(self, handle: Any) -> bool:
        """Say whether the card is in MIG mode: then it is leased in its instances only."""
        mode = self._ask(self._nvml.nvmlDeviceGetMigMode, handle)
        return mode is not None and mode[0] == self._nvml.NVML_DEVICE_MIG_ENABLE

    def _instances(
        self, handle: Any, card: GPUUnit, names: frozenset[str]
    ) -> Iterator[tuple[GPUUnit, Any]]:
        """Yield the MIG instances of a card with their handles, as they are partitioned."""
        nvml = self._nvml
        if not self._is_parted(handle):
            return
        for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            part = self._ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
            if part is None:
                continue
            uuid = _text(nvml.nvmlDeviceGetUUID(part))
            # A MIG device's name ends with its profile: NVIDIA A100-SXM4-40GB MIG 1g.5gb
            name = _text(nvml.nvmlDeviceGetName(part))
            unit = replace(
                card,
                uuid=uuid,
                kind="mig",
                parent=card.uuid,
                mig_profile=name.rpartition(" MIG ")[2] if " MIG " in name else "",
                memory_mib=int(nvml.nvmlDeviceGetMemoryInfo(part).total) // MIB,
                cdi_name=_known(uuid, names),
            )
            yield unit, part

    def _health(self, handle: Any) -> tuple[str, str]:
        """Return the health of a card that answers: what it has counted itself."""
        nvml = self._nvml
        errors = self._ask(
            nvml.nvmlDeviceGetTotalEccErrors,
            handle,
            nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            nvml.NVML_VOLATILE_ECC,
        )
        if errors:
            return (
                "sick",
                f"{errors} uncorrectable memory errors since the driver was loaded: reset the GPU "
                "(nvidia-smi --gpu-reset) or reboot; if they come back, have it replaced",
            )
        return "ok", ""

    def _use(self, handle: Any, uuid: str) -> UnitUse:
        nvml = self._nvml
        rates = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        power = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)
        temperature = self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
        return UnitUse(
            uuid,
            utilisation=None if rates is None else float(rates.gpu),
            memory_used_mib=None if memory is None else int(memory.used) // MIB,
            memory_total_mib=None if memory is None else int(memory.total) // MIB,
            temperature=None if temperature is None else float(temperature),
            power=None if power is None else power / 1000,
        )

    def _processes(self, handle: Any, uuid: str) -> list[Process]:
        found = self._ask(self._nvml.nvmlDeviceGetComputeRunningProcesses, handle) or []
        return [
            Process(
                int(process.pid),
                uuid,
                None if process.usedGpuMemory is None else int(process.usedGpuMemory) // MIB,
            )
            for process in found
        ]

    def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """Return an answer that not every card has; None where this one has not."""
        try:
            return question(*arguments)
        except self._nvml.NVMLError as error:
            # MIG instances refuse some questions as wrong, and cards do not.
            if error.value in NOT_TOLD or error.value == 2:
                return None
            raise


def _known(uuid: str, names: frozenset[str]) -> str:
    name = f"{CDI_KIND}={uuid}"
    return name if name in names else ""


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _cuda(number: int) -> str:
    """NVML writes 12.4 as 12040."""
    return f"{number // 1000}.{number % 1000 // 10}"
