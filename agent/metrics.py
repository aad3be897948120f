"""The newest snapshot as Prometheus metrics. docs/reference/metrics.md lists them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.snapshot import Snapshot
from room.gpus.use import UnitUse

MIB = 1024**2
HEALTH = ("ok", "unknown", "sick")


class GPUCollector(Collector):
    """Turns one snapshot into metrics."""

    def __init__(self, snapshot: Snapshot, age: float | None) -> None:
        self._snapshot = snapshot
        self._age = age

    def collect(self) -> Iterator[Metric]:
        yield from self._agent()
        yield from self._units()
        yield from self._cards()
        yield from self._servers()

    def _agent(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "torchroom_agent_nvml_up",
            "0 when the driver of GPUs that are known refuses or hangs, else 1.",
            value=0 if self._snapshot.problem and self._snapshot.inventory.units else 1,
        )
        age = GaugeMetricFamily(
            "torchroom_agent_snapshot_age_seconds", "Seconds since the agent looked last."
        )
        if self._age is not None:
            age.add_metric([], self._age)
        yield age

    def _units(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "torchroom_gpu_unit_info",
            "Always 1; the labels say what the unit is. A seat is cooperative.",
            labels=["unit", "kind", "model", "mig_profile", "parent", "simulated"],
        )
        health = GaugeMetricFamily(
            "torchroom_gpu_unit_health",
            "1 for the health that the unit has, 0 for those that it has not.",
            labels=["unit", "health"],
        )
        memory = GaugeMetricFamily(
            "torchroom_gpu_unit_memory_bytes",
            "Memory of the unit; of a seat its share.",
            labels=["unit"],
        )
        for unit in self._snapshot.inventory.units:
            info.add_metric(
                [
                    unit.uuid,
                    unit.kind,
                    unit.model,
                    unit.mig_profile,
                    unit.parent,
                    str(unit.simulated).lower(),
                ],
                1,
            )
            for each in HEALTH:
                health.add_metric([unit.uuid, each], int(unit.health == each))
            memory.add_metric([unit.uuid], unit.memory_mib * MIB)
        yield from (info, health, memory)

    def _cards(self) -> Iterator[Metric]:
        uses = self._snapshot.use.units
        yield _gauge(
            "torchroom_gpu_utilisation_ratio",
            "Part of the time in which the GPU computed, from 0 to 1; none for MIG instances.",
            ((use, None if use.utilisation is None else use.utilisation / 100) for use in uses),
        )
        yield _gauge(
            "torchroom_gpu_memory_used_bytes",
            "Memory in use on the GPU or MIG instance.",
            ((use, _bytes(use.memory_used_mib)) for use in uses),
        )
        yield _gauge(
            "torchroom_gpu_memory_total_bytes",
            "Memory that the GPU or MIG instance has.",
            ((use, _bytes(use.memory_total_mib)) for use in uses),
        )
        yield _gauge(
            "torchroom_gpu_temperature_celsius",
            "Temperature of the GPU.",
            ((use, use.temperature) for use in uses),
        )
        yield _gauge(
            "torchroom_gpu_power_watts",
            "Power that the GPU draws.",
            ((use, use.power) for use in uses),
        )
        yield _gauge(
            "torchroom_gpu_strangers",
            "Processes on the GPU that belong to no server of the room.",
            ((use, use.strangers) for use in uses),
        )

    def _servers(self) -> Iterator[Metric]:
        processes = GaugeMetricFamily(
            "torchroom_server_gpu_processes",
            "Processes of the server that use GPUs.",
            labels=["user", "server"],
        )
        memory = GaugeMetricFamily(
            "torchroom_server_gpu_memory_bytes",
            "GPU memory that the server uses, by GPU or MIG instance; none where the driver does "
            "not tell.",
            labels=["user", "server", "gpu"],
        )
        for server in self._snapshot.use.servers:
            who = [server.owner.user, server.owner.server]
            processes.add_metric(who, server.processes)
            for uuid, used in server.memory_mib.items():
                if used is not None:
                    memory.add_metric([*who, uuid], used * MIB)
        yield from (processes, memory)
        cpu = CounterMetricFamily(
            "torchroom_server_cpu_seconds",
            "CPU-seconds that the server has used since its container began.",
            labels=["user", "server"],
        )
        for owner, seconds in self._snapshot.use.cpu.items():
            cpu.add_metric([owner.user, owner.server], seconds)
        resident = GaugeMetricFamily(
            "torchroom_server_memory_bytes",
            "Memory of the host that the server holds, without files that nobody has used lately.",
            labels=["user", "server"],
        )
        for owner, size in self._snapshot.memory.items():
            resident.add_metric([owner.user, owner.server], size)
        yield from (cpu, resident)


def render(snapshot: Snapshot, age: float | None) -> bytes:
    """Return the text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(GPUCollector(snapshot, age))
    return generate_latest(registry)


def _gauge(name: str, help_: str, values: Iterable[tuple[UnitUse, float | None]]) -> Metric:
    metric = GaugeMetricFamily(name, help_, labels=["gpu"])
    for use, value in values:
        if value is not None:
            metric.add_metric([use.uuid], value)
    return metric


def _bytes(mib: int | None) -> int | None:
    return None if mib is None else mib * MIB
