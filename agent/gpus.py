"""Puts the parts together: where units come from, what is remembered, who takes snapshots."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from agent import cdi, servers, simulated
from agent.accounting import Accountant
from agent.known import Known
from agent.nvml import NvmlSource
from agent.reading import Source
from agent.snapshot import Sampler
from agent.versions import Versions
from agent.xid import XidWatch
from engine import cgroups
from room.models import Owner
from room.settings import Settings, load

log = logging.getLogger("agent")


@dataclass(frozen=True, slots=True)
class Options:
    """What the agent is told about its host.

    ``state`` is the agent's own directory, or None to remember nothing. ``socket`` is the
    engine's, or None to leave servers out. ``cgroups`` is where the host's control groups are.
    """

    config: Path | None = None
    state: Path | None = None
    simulate: int = 0
    socket: str | None = None
    cgroups: Path = cgroups.ROOT

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Options:
        """Read them as docker-compose.yml and the room command set them."""
        state, config = environment.get("ROOM_AGENT_STATE"), environment.get("ROOM_CONFIG")
        return cls(
            config=Path(config) if config else None,
            state=Path(state) if state else None,
            simulate=int(environment.get("ROOM_SIMULATE_GPUS") or 0),
            socket=environment.get("ROOM_ENGINE_SOCKET"),
            cgroups=Path(environment.get("ROOM_CGROUPS") or cgroups.ROOT),
        )


def accountant(options: Options) -> Accountant:
    """Return what counts the use of this host's containers, by the room's days."""
    zone = ZoneInfo(settings_of(options).timezone)
    file = options.state / "accounting.json" if options.state else None
    return Accountant(lambda: cgroups.groups(options.cgroups), zone, file)


def sampler(options: Options, *, listen: bool, counts: Accountant | None = None) -> Sampler:
    """Return what takes snapshots of this host. ``listen``: hear Xids from now on too.

    ``counts`` knows what servers use; without it they are looked at with each snapshot.
    """
    settings = settings_of(options)
    file = options.state / "inventory.json" if options.state and not options.simulate else None
    return Sampler(
        _source(options, listen),
        Known(file),
        sharing=settings.gpus.sharing,
        servers=_servers(options, settings),
        cpu=cgroups.reader(options.cgroups) if counts is None else counts.cpu,
        memory=(lambda _containers: {}) if counts is None else counts.memory,
    )


def versions(options: Options, datasets: Path) -> Versions | None:
    """Return who removes retired versions; None without the engine, which says what is in use."""
    if options.socket is None:
        return None
    return Versions(datasets, servers.mounter(options.socket, settings_of(options).name))


def room_name(options: Options) -> str:
    return settings_of(options).name


def settings_of(options: Options) -> Settings:
    if options.config is None or not options.config.exists():
        return Settings()
    return load(options.config)


def _servers(options: Options, settings: Settings) -> Callable[[], Mapping[str, Owner]]:
    if options.socket is None:
        return dict
    return servers.lister(options.socket, settings.name)


def _source(options: Options, listen: bool) -> Source:
    if options.simulate:
        marks = options.state / simulated.FILE if options.state else None
        return simulated.SimulatedSource(options.simulate, marks)
    import pynvml

    if not listen:
        return NvmlSource(pynvml, cdi.reader())
    watch = XidWatch(pynvml, log)
    watch.start()
    return NvmlSource(pynvml, cdi.reader(), watch.reported)
