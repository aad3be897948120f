"""RoomSpawner: the traits, and the stages of a start in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from typing import Any, TypeVar

from docker.errors import NotFound
from dockerspawner import DockerSpawner
from jupyterhub.utils import maybe_future
from traitlets import default

from engine.client import EngineRefusedError, EngineUnavailableError, ImageMissingError
from room import names
from room.admission import Place
from room.gpus.failures import is_device_error
from room.models import (
    Bind,
    GPUUnit,
    Lease,
    Limits,
    SpawnPlan,
)
from spawner import container, exits, stages
from spawner.classstart import ClassStart
from spawner.ends import TIDY_PATIENCE
from spawner.homes import home_volume
from spawner.progress import Progress
from spawner.ready import NotReadyError, wait_ready, while_alive
from spawner.reconcile import served
from spawner.refusal import Refusal

T = TypeVar("T")

#: Traits that can be set, by class of spawner.
_configurable: dict[type, dict[str, Any]] = {}


class RoomSpawner(ClassStart, DockerSpawner):
    """Starts each server in a container with hard limits, its own GPUs and its owner's home."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._progress = Progress()
        self._gpu_plan: tuple[GPUUnit, ...] = ()
        self._mount_plan: dict[str, tuple[str, str]] = {}
        self._class_binds: tuple[Bind, ...] = ()
        if self.user is not None:
            self.services.keep_reconciling(partial(served, self.user.db))
            self.services.spawners[self.owner] = self

    # -- what it is called -------------------------------------------------------------------

    @default("object_name")
    def _object_name_default(self) -> str:
        """The container's name follows from user and server alone: a restarted hub finds it."""
        if self.user is None:
            return ""  # the hub asks a spawner without a server for what all of them share
        if self.name_template_is_set():
            return str(super()._object_name_default())
        return names.container(self.room, self.user.name, self.name or "")

    def traits(self, **metadata: Any) -> dict[str, Any]:
        """Return the traits with this metadata; those that can be set are looked for once a class.

        traitlets asks for them twice at each making, and a hub that comes back makes hundreds.
        """
        if metadata != {"config": True}:
            return dict(super().traits(**metadata))
        found = _configurable.get(type(self))
        if found is None:
            found = _configurable[type(self)] = super().traits(config=True)
        return dict(found)

    async def docker(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """What DockerSpawner's own code asks of the engine takes its lane like all else."""
        return await self.services.engine.call(method, *args, **kwargs)

    # -- a start -----------------------------------------------------------------------------

    async def start(self) -> str:
        """Start the server; each stage is a method of its own, in this order."""
        owner, services = self.owner, self.services
        self._progress.begin()
        self._began, self._stop_asked, self._recorded, self._end_words = True, False, "", ""
        self.culled, self._lease_end = False, "ended"
        self._lease = self._ticket = self._session = self.admitted = None
        services.starting.add(owner)
        try:
            await self._stage("checking", self._check())
            gpus = await self._take()
            try:
                url = await self._bring_up(gpus)
            except (Refusal, EngineRefusedError, NotReadyError) as error:
                # The card may be at fault, or the moment: once more, with the place kept.
                if self._lease is None or isinstance(error, ImageMissingError):
                    raise
                await self._step_back(self._lease, error)
                url = await self._bring_up(await self._take())
            if self._lease is not None:
                await services.store.run(services.broker.ready, self._lease.id)
        except BaseException as error:
            # CancelledError too: a DELETE, the start timeout and the hub's end all cancel. Nothing
            # is awaited here, so that whoever cancelled has its answer at once.
            self._tidy()
            self.admitted = None
            if isinstance(error, (Refusal, asyncio.CancelledError)):
                raise
            raise self._in_words(error) from error
        finally:
            services.starting.discard(owner)
        self._progress.enter("ready")
        # JupyterHub asks the server once more, for as long as ``http_timeout``.
        self.server.wait_up = partial(self._answer_again, self.server.wait_up)
        return url

    async def _take(self) -> tuple[GPUUnit, ...]:
        """Lease the GPUs; settle the rest afterwards, as the waiting may have taken hours."""
        gpus = await self._stage("gpu", self._acquire())
        await self._stage("home", self.pin_datasets())
        await self.settle_environment()
        return gpus

    async def _answer_again(self, wait_up: Any, **how: Any) -> Any:
        """Await JupyterHub's own look; one that dies between ours and this is told at once."""
        try:
            return await while_alive(wait_up(**how), self._refuse_if_dead)
        except (EngineUnavailableError, EngineRefusedError) as error:
            raise self._in_words(error) from error

    async def _bring_up(self, gpus: tuple[GPUUnit, ...]) -> str:
        """Make the container on these units, and return its URL once it answers."""
        self._gpu_plan, self._mount_plan = gpus, await self._stage("home", self._mounts())
        try:
            return await self._in_turn()
        except ImageMissingError:
            # A pull takes minutes: nobody waits for their turn meanwhile.
            self._progress.enter("creating")
            self._progress.tell(stages.FETCHING_IMAGE)
            await self._fetch_image()
            return await self._in_turn()

    async def _in_turn(self) -> str:
        self._progress.enter("turn")
        groups = [group.name for group in self.user.groups]
        async with self.services.gate.turn(self.owner, groups, self._tell_turn):
            await self._stage("creating", self._create())
            return await self._stage("booting", self._boot())

    def _tell_turn(self, place: Place) -> None:
        self._progress.tell(
            stages.starting_now(place.position, place.of, place.lacking),
            turn={"position": place.position, "of": place.of, "lacking": place.lacking},
        )

    async def _step_back(self, lease: Lease, error: Exception) -> None:
        """After a first try that failed: remove it, and give its units to whose turn it is now."""
        services = self.services
        self.log.warning("%s failed on %s, and tries once more: %s", self.owner, lease.units, error)
        found = await services.engine.inspect(self.container_name)
        if found is not None and self._is_mine(found):
            await self._effect(services.engine.remove_until_gone(found["Id"]))
        blamed = is_device_error(str(error))
        if blamed:
            gone = await services.store.run(services.broker.failed_on, lease.units, str(error))
            for unit in gone:
                self.log.error("GPU %s is quarantined: two starts failed on it. %s", unit, error)
        await self._effect(
            services.store.run(services.broker.requeue, lease.id, blame_units=blamed)
        )
        self._lease, self._end_words = None, ""

    async def _stage(self, stage: str, work: Awaitable[T]) -> T:
        self._progress.enter(stage)
        return await work

    async def _effect(self, work: Awaitable[T]) -> T:
        """Await something that changes the world and goes on in its thread when we are cancelled.

        The tidying waits for it, so that what appears late is removed too.
        """
        future = asyncio.ensure_future(maybe_future(work))
        self._in_flight = future
        result: T = await asyncio.shield(future)
        self._in_flight = None
        return result

    def _in_words(self, error: BaseException) -> Refusal:
        """Return what the person reads; the admin's log has the error itself."""
        stage = self._progress.stage
        self.log.error("Start of %s failed at stage %s", self.owner, stage, exc_info=error)
        if isinstance(error, EngineUnavailableError):
            return Refusal(stages.engine_silent(), 503)
        if isinstance(error, ImageMissingError):
            return Refusal(stages.no_image(), 503)
        if isinstance(error, NotReadyError):
            return Refusal(stages.boot_too_slow(self.boot_timeout), 500)
        return Refusal(stages.failed(stage), 500)

    async def _check(self) -> None:
        """See what host and plan give, and wait until what is left of the last start is gone."""
        never = self.services.gate.never()
        if never is not None:
            self.log.error("%s See memory_reserve and memory_headroom", never.message)
            raise Refusal(never, 503)
        await self._admit()
        tidying = self.services.tidying(self.owner)
        if tidying is not None:
            done, _ = await asyncio.wait([tidying], timeout=TIDY_PATIENCE)
            if not done:
                raise Refusal(stages.still_tidying(), 503)
        if await self.services.store.run(self.services.broker.held_by, self.owner) is not None:
            # A start that the hub's end cut short: its container goes before its GPUs are freed.
            await self._effect(self._remove_leftover())
            await self._effect(self._give_back(keep_place=True))
        if self.pull_policy.lower() == "always":
            await self._fetch_image()

    async def _remove_leftover(self) -> None:
        """Remove a container that an earlier life of the hub left under our name."""
        found = await self.services.engine.inspect(self.container_name)
        if found is not None:
            self._refuse_foreign(found)
            self.log.warning("Removing what is left of %s: %s", self.owner, found["Id"][:12])
            await self.services.engine.remove_until_gone(found["Id"])

    def _refuse_foreign(self, found: dict[str, Any]) -> None:
        """Leave a container alone that has our name but not our labels."""
        if not self._is_mine(found):
            raise EngineRefusedError(
                f"a container named {self.container_name} exists and is not {self.owner}'s", 409
            )

    async def _mounts(self) -> dict[str, tuple[str, str]]:
        """Return what to mount where: the owner's home."""
        mounts: dict[str, tuple[str, str]] = {}
        agent = self.services.agent
        if agent is not None:
            user, classes = self.owner.user, await self.class_dirs()
            home = await self._effect(agent.home(user, self.home_soft, self.home_hard, classes))
            self._class_binds = self.class_binds(classes, home.classes)
            if home.unlimited:
                self.log.warning("The home of %s has no hard limit: %s", user, home.unlimited)
            volume = await self._effect(
                home_volume(self.services.engine, self.room, user, home.path)
            )
            # nocopy: a new home is filled by the server itself, which may fail without harm.
            mounts[volume] = (self.home_directory, "rw,nocopy")
        return mounts

    async def _create(self) -> None:
        try:
            created = await self._effect(self.create_with_what_is_there())
        except EngineRefusedError as error:
            await self._make_way(error)
            created = await self._effect(self.create_with_what_is_there())
        self.object_id = created[self.object_id_key]

    async def _make_way(self, error: EngineRefusedError) -> None:
        """Do what a create lacked, or raise: to ask for it beforehand costs every start a call."""
        if error.status == 409:
            await self._effect(self._remove_leftover())
        else:
            raise error

    async def _fetch_image(self) -> None:
        """Pull the image, if that is allowed: once for all who wait for it."""
        if self.pull_policy.lower() in ("never", "skip"):
            raise ImageMissingError(f"pull_policy is {self.pull_policy}: {self.image}", 404)
        try:
            async with self.services.engine.words(f"pulling image {self.image}"):
                await self.services.pulls.pull(self.image, partial(self.pull_image, self.image))
        except (NotFound, EngineRefusedError) as error:
            raise ImageMissingError(str(error), 404) from error

    async def get_command(self) -> list[str]:
        """Return the command; without one of our own the engine takes the image's."""
        if not self.cmd and not self.get_args():
            return []
        command: list[str] = await super().get_command()
        return command

    async def create_object(self) -> dict[str, Any]:
        """Create the container from the plan; an admin's ``extra_*`` traits lie on top."""
        plan = await self._plan()
        arguments = container.arguments(self.room, self.container_name, plan)
        host = container.host_config(plan, self.log_size, self.log_files)
        host["binds"] = {**self.volume_binds, **host["binds"]}
        host["mounts"] = [*self.mount_binds, *host["mounts"]]
        host["links"] = self.links
        if not self.use_internal_ip:
            host["port_bindings"] = {self.port: (self.host_ip,)}
        host = container.merge(host, await self._rendered(self.extra_host_config))
        host["auto_remove"] = False
        arguments["volumes"] = {
            **{path: {} for path in self.volume_mount_points},
            **arguments["volumes"],
        }
        arguments = container.merge(arguments, await self._rendered(self.extra_create_kwargs))
        arguments["host_config"] = {
            **self.client.create_host_config(**host),
            **arguments.get("host_config", {}),
        }
        return {"Id": await self.services.engine.create(arguments)}

    async def _rendered(self, extra: Any) -> dict[str, Any]:
        value = await maybe_future(self._eval_if_callable(extra))
        rendered: dict[str, Any] = self._render_templates(value)
        return rendered

    async def _plan(self) -> SpawnPlan:
        self.gpu_memory_cap = await self.memory_cap(
            self._gpu_plan, self.services.broker.inventory.driver_version, self.services.engine
        )
        return SpawnPlan(
            owner=self.owner,
            image=self.image_to_start(),
            command=tuple(await self.get_command()),
            environment={**self.get_env(), **self.rescue_environment()},
            limits=Limits(
                cpu=self.cpu_limit, memory=self.mem_limit, shm=self.shm_size, pids=self.pids_limit
            ),
            network=self.network_name,
            port=self.port,
            gpus=self._gpu_plan,
            gpu_driver=self.driver_for(self._gpu_plan),
            gpu_memory_cap=self.gpu_memory_cap,
            lease_id=self._lease.id if self._lease else "",
            profile=self._options.profile or "",
            session=self.session,
            idle=self.idle,
            gpu_idle=self.gpu_idle,
            mounts=self._mount_plan,
            binds=(*self._class_binds, *self.dataset_binds()),
            datasets=self._pinned,
            class_environment=self.class_environment(),
            tmpfs=self.rescue_tmpfs(),
        )

    async def _boot(self) -> str:
        """Start the container and return its URL once JupyterLab answers there."""
        await self._effect(self.start_object())
        if self.post_start_cmd:
            await self.post_start_exec()
        ip, port = await self.get_ip_and_port()
        url = f"http://{ip}:{port}"
        try:
            await wait_ready(
                f"{url}{self.server.base_url}api", self.boot_timeout, self._refuse_if_dead
            )
        except NotReadyError:
            # The room ends it; without these words its page would say that somebody killed it.
            self._end_words = stages.boot_too_slow(self.boot_timeout).message
            await self._tell_admin(self.container_id, f"does not answer. {self._end_words}")
            raise
        return url

    async def start_object(self) -> None:
        await self.services.engine.start(self.container_id)

    async def _refuse_if_dead(self) -> None:
        if await self.services.watch.runs(self.object_id, self.owner):
            return
        found = await self.services.engine.inspect(self.container_id)
        if found is None:
            raise EngineRefusedError(f"container of {self.owner} vanished while booting", 404)
        end = exits.from_inspect(self.owner, found)
        if end is not None:
            await self._record(found, end)
            raise Refusal(stages.died_booting(end, self.mem_limit), 500)

    async def get_url(self) -> str:
        """Return where the server is: by its name, also when the hub died before it knew."""
        try:
            async with self.services.engine.words(f"finding {self.container_name}"):
                ip, port = await self.get_ip_and_port()
        except (EngineUnavailableError, EngineRefusedError, NotFound):
            # Asked while the hub starts: an error here would end the hub, and the address that
            # its database has is as good as it was.
            return str(self.server.url)
        return f"http://{ip}:{port}{self.server.base_url}"

    # -- what people see ---------------------------------------------------------------------

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        async for event in self._progress.events():
            yield event
