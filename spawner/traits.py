"""RoomSpawner's settings. Each is a documented trait; the reference is generated from here."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import docker
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env
from jupyterhub.traitlets import ByteSpecification, Callable
from jupyterhub.utils import maybe_future
from traitlets import (
    CaselessStrEnum,
    Float,
    Integer,
    List,
    TraitError,
    Unicode,
    Union,
    default,
    validate,
)

from engine.client import DEFAULT_THREADS, Engine
from room import accounting
from room.gpus import inventory
from room.gpus import use as uses
from room.gpus.broker import Broker
from room.models import GPUUnit
from room.names import ROOM_NAME
from room.store import Store
from room.store.migrate import upgrade
from spawner.accounting import Accounting
from spawner.admission import AdmissionTraits, Gate
from spawner.agent import asker
from spawner.classdirs import ClassDirTraits
from spawner.datasetmounts import DatasetTraits
from spawner.environments import EnvironmentTraits
from spawner.exits import last_of_all
from spawner.gpu_traits import memory_file
from spawner.home_traits import HomeTraits
from spawner.homefeed import HomeFeed
from spawner.homes import AgentClient
from spawner.inventory_feed import InventoryFeed
from spawner.options import Profile
from spawner.pages import start_form
from spawner.plan_traits import PlanTraits
from spawner.services import Services
from spawner.use_feed import UseFeed
from spawner.waiting import WaitingRoom

#: One per hub process and database: every spawner of a hub shares engine, store and broker.
_shared: dict[tuple[str, str], Services] = {}


class RoomTraits(
    AdmissionTraits, HomeTraits, ClassDirTraits, EnvironmentTraits, DatasetTraits, PlanTraits
):
    """What an admin may set, beside all that DockerSpawner takes."""

    room = Unicode(
        "torchroom",
        config=True,
        help="""Name of the room: the prefix of containers and volumes, and a label on them.

        A small letter, then small letters and digits, at most 15. Two hubs on one
        engine need two names.

        .. versionadded:: 0.1
        """,
    )

    profile_list = Union(
        [List(), Callable()],
        config=True,
        help="""The profiles a person chooses from on the start page, in KubeSpawner's shape.

        A list of dicts, or a callable (it may be a coroutine) that takes the
        spawner and returns one. Each has ``display_name``, and may have ``slug``,
        ``description``, ``default``, ``datasets`` (preselected: names, or as
        ``cifar10@2``), ``spawner_override`` (traits to set) and
        ``profile_options`` (further choices, each with its own
        ``spawner_override``). Only these slugs and choices are taken, from the
        page and from REST alike.

        Empty: everything inherited works as in DockerSpawner, ``allowed_images`` too.

        Example::

            c.RoomSpawner.profile_list = [
                {"display_name": "CPU", "default": True},
                {"display_name": "One GPU", "spawner_override": {"gpus": 1, "mem_limit": "16G"}},
            ]

        .. versionadded:: 0.1
        """,
    )

    gpu_driver = CaselessStrEnum(
        ["auto", "cdi", "nvidia"],
        default_value="auto",
        config=True,
        help="""How GPUs are handed to a container.

        ``cdi``: by CDI device name (engine 25 or newer with CDI on). ``nvidia``:
        by the NVIDIA runtime hook. ``auto``: CDI when the inventory has CDI names.

        .. versionadded:: 0.1
        """,
    )

    inventory_file = Unicode(
        "",
        config=True,
        help="""File with the GPU units of the host. Empty: the agent is asked, if there is one.

        ``python -m agent --once`` prints one, under ``inventory``.

        .. versionadded:: 0.1
        """,
    )

    shm_size = ByteSpecification(
        1024**3,
        config=True,
        help="""Size of ``/dev/shm``. Docker's own 64 MB is too small for PyTorch's DataLoader.

        It counts towards the memory limit as it fills.

        .. versionadded:: 0.1
        """,
    )

    pids_limit = Integer(
        1024,
        min=1,
        config=True,
        help="""Processes and threads one server may have.

        .. versionadded:: 0.1
        """,
    )

    log_size = ByteSpecification(
        10 * 1024**2,
        config=True,
        help="""Size at which a container's log file is rotated.

        .. versionadded:: 0.1
        """,
    )

    log_files = Integer(
        3,
        min=1,
        config=True,
        help="""Log files kept for each container.

        .. versionadded:: 0.1
        """,
    )

    boot_timeout = Float(
        120.0,
        min=1,
        config=True,
        help="""Seconds JupyterLab may take from the container's start to its first answer.

        ``start_timeout`` has to be longer: it also covers everything before.

        .. versionadded:: 0.1
        """,
    )

    session = Float(
        0.0,
        min=0,
        config=True,
        help="""Seconds a server may run, with GPUs or without, unless its profile says otherwise.

        0: as long as it likes. When the time is over the server is stopped; its home stays. It
        counts from the start of the server's container, and holds as it was then.

        .. versionadded:: 0.1
        """,
    )

    idle = Float(
        0.0,
        min=0,
        config=True,
        help="""Seconds a server may run with nothing to do, unless its owner's plan says otherwise.

        0: as long as it likes. Five minutes before the end its JupyterLab is told, and whoever
        does something there keeps it. It holds as it was when the server started.

        .. versionadded:: 0.1
        """,
    )

    stop_grace = Integer(
        10,
        min=0,
        config=True,
        help="""Seconds a server has to end by itself before it is killed.

        .. versionadded:: 0.1
        """,
    )

    home_directory = Unicode(
        "/home/jovyan",
        config=True,
        help="""Where the home is mounted. Only used with an agent.

        .. versionadded:: 0.1
        """,
    )

    agent_url = Unicode(
        "",
        config=True,
        help="""Address of the agent that makes homes, such as ``http://agent:8010``.

        Empty: no agent; use DockerSpawner's ``volumes``.

        .. versionadded:: 0.1
        """,
    )

    agent_token_file = Unicode(
        "",
        config=True,
        help="""File with the token that the agent asks for.

        .. versionadded:: 0.1
        """,
    )

    store_url = Unicode(
        "sqlite:///torchroom.sqlite",
        config=True,
        help="""SQLAlchemy URL of the room's own database, where the leases are.

        .. versionadded:: 0.1
        """,
    )

    engine_threads = Integer(
        DEFAULT_THREADS,
        min=1,
        config=True,
        help="""Calls to the Docker Engine that may be under way at once, of each of three kinds.

        Those of a start; those that only look; and those that may take long, such as
        stops and pulls, which so keep nobody else waiting.

        .. versionadded:: 0.1
        """,
    )

    @default("cpu_limit")
    def _default_cpu_limit(self) -> float:
        return 2.0

    @default("mem_limit")
    def _default_mem_limit(self) -> int:
        return 4 * 1024**3

    @default("remove")
    def _default_remove(self) -> bool:
        return True

    @validate("remove")
    def _always_remove(self, proposal: Any) -> bool:
        """A kept container would keep its GPU and its old token: there is none to resume."""
        if not proposal.value:
            self.log.warning("RoomSpawner removes every stopped container; remove=False is ignored")
        return True

    @validate("room")
    def _valid_room(self, proposal: Any) -> str:
        name: str = proposal.value
        if not ROOM_NAME.fullmatch(name):
            raise TraitError(
                f"{name!r} is no room name: a small letter, then small letters and digits, "
                "at most 15 in all"
            )
        return name

    @default("options_form")
    def _default_options_form(self) -> Any:
        if self.profile_list:
            return RoomTraits._profiles_form
        return super()._default_options_form()  # type: ignore[misc]

    async def _profiles_form(self) -> str:
        await self.load_profiles()
        return await start_form(self)

    _profiles: tuple[Profile, ...] | None = None

    async def load_profiles(self) -> tuple[Profile, ...]:
        """Evaluate ``profile_list``; what it returns holds for this start."""
        value = self.profile_list
        if callable(value):
            value = await maybe_future(value(self))
        self._profiles = tuple(value)
        return self._profiles

    def resolved_profiles(self) -> tuple[Profile, ...]:
        """Return the profiles as last evaluated; a plain list needs no evaluation."""
        if self._profiles is not None:
            return self._profiles
        return () if callable(self.profile_list) else tuple(self.profile_list)

    def name_template_is_set(self) -> bool:
        """Say whether the admin chose container names: then DockerSpawner makes them."""
        return any("name_template" in self.config.get(c.__name__, {}) for c in type(self).mro())

    def driver_for(self, gpus: tuple[GPUUnit, ...]) -> str:
        """Return ``cdi`` or ``nvidia`` for these units."""
        if self.gpu_driver != "auto":
            return str(self.gpu_driver)
        return "cdi" if all(unit.cdi_name for unit in gpus) else "nvidia"

    def as_bytes(self, trait: str, override: dict[str, Any]) -> int | None:
        """Return a size that a profile may override, in bytes."""
        if trait not in override:
            own: int | None = getattr(self, trait)
            return own
        value: int | None = ByteSpecification().validate(self, override[trait])
        return value

    def shared_services(self) -> Services:
        """Return what all spawners of this hub share, made at the first call."""
        key = (self.room, self.store_url)
        if key not in _shared:
            _shared[key] = self._make_services()
        return _shared[key]

    def _make_services(self) -> Services:
        store = Store(self.store_url)
        upgrade(store)
        broker = Broker(store, self.policy(), rates=self.gpu_rates)
        if self.inventory_file:
            broker.survey(inventory.file_reader(Path(self.inventory_file))())
        plans = self.open_plans(store)
        agent = AgentClient(self.agent_url, Path(self.agent_token_file)) if self.agent_url else None
        services = Services(
            room=self.room,
            engine=Engine(self._connect, self.engine_threads),
            store=store,
            broker=broker,
            waiting=WaitingRoom(
                store, broker, self.log, shares=lambda: {**self.class_weights, **plans.weights()}
            ),
            gate=Gate(self.admission_rules(), log=self.log),
            plans=plans,
            agent=agent,
            log=self.log,
            ends=last_of_all(store),
        )
        if agent is not None:
            services.homes = HomeFeed(agent.use, self.log)
        ask = partial(asker, self.agent_url, Path(self.agent_token_file))
        if self.agent_url:
            services.use = UseFeed(ask("/v1/use", uses.loads))
            services.accounting = Accounting(services, ask("/v1/accounting", accounting.loads))
        if self.agent_url and not self.inventory_file:
            services.feed = InventoryFeed(
                ask("/v1/inventory", inventory.loads),
                services.survey,
                self.log,
                memory=memory_file(self.inventory_memory),
                revive=partial(services.engine.start, self.agent_container)
                if self.agent_container
                else None,
            )
            broker.survey(services.feed.latest)
        return services

    def _connect(self) -> docker.APIClient:
        """Return a client as DockerSpawner's traits and the environment describe it."""
        kwargs: dict[str, Any] = {"version": "auto", "max_pool_size": 3 * self.engine_threads}
        if self.tls_config:
            kwargs["tls"] = TLSConfig(**self.tls_config)
        kwargs.update(kwargs_from_env())
        kwargs.update(self.client_kwargs)
        return docker.APIClient(**kwargs)

    @property
    def client(self) -> docker.APIClient:
        return self.shared_services().engine.client
