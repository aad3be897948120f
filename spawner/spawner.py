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

from engine.client import EngineRefusedError, EngineUnavailableError
from room import names
from room.gpus.failures import is_device_error
from room.models import (
    LABEL_ROOM,
    LABEL_SERVER,
    LABEL_USER,
    GPUUnit,
    Lease,
    Limits,
    SpawnPlan,
)
from spawner import container, exits, sessions, stages
from spawner.homes import home_volume
from spawner.leasing import Leasing
from spawner.progress import Progress
from spawner.ready import NotReadyError, wait_ready
from spawner.reconcile import served
from spawner.refusal import Refusal

T = TypeVar("T")

#: Lines of a dead server's log that go to the hub's log, for the admin.
LAST_LINES = 20
#: The exit code of a killed process, and the seconds until the engine knows whether memory was why.
SIGKILLED, OOM_PATIENCE = 137, 1.0
#: Seconds that a stop waits for the engine before it goes on in the background.
TIDY_PATIENCE = 60.0


class RoomSpawner(Leasing, DockerSpawner):
    """Starts each server in a container with hard limits, its own GPUs and its owner's home."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._progress = Progress()
        self._in_flight: asyncio.Future[Any] | None = None
        self._stop_asked = False
        #: Whether a start was asked for since the hub itself began.
        self._began = False
        self._recorded = ""
        self._gpu_plan: tuple[GPUUnit, ...] = ()
        self._mount_plan: dict[str, tuple[str, str]] = {}
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

    @property
    def executor(self) -> Any:
        return self.services.engine.pool

    # -- a start -----------------------------------------------------------------------------

    async def start(self) -> str:
        """Start the server; each stage is a method of its own, in this order."""
        owner, services = self.owner, self.services
        self._progress.begin()
        self._began, self._stop_asked, self._recorded, self._end_words = True, False, "", ""
        self._lease = self._ticket = self._session = None
        services.starting.add(owner)
        try:
            await self._stage("checking", self._check())
            gpus = await self._stage("gpu", self._acquire())
            try:
                url = await self._bring_up(gpus)
            except (Refusal, EngineRefusedError, NotReadyError) as error:
                # The card may be at fault, or the moment: once more, with the place kept.
                if self._lease is None:
                    raise
                await self._step_back(self._lease, error)
                url = await self._bring_up(await self._stage("gpu", self._acquire()))
            if self._lease is not None:
                await services.store.run(services.broker.ready, self._lease.id)
        except BaseException as error:
            # CancelledError too: a DELETE, the start timeout and the hub's end all cancel. Nothing
            # is awaited here, so that whoever cancelled has its answer at once.
            self._tidy()
            if isinstance(error, (Refusal, asyncio.CancelledError)):
                raise
            raise self._in_words(error) from error
        finally:
            services.starting.discard(owner)
        self._progress.enter("ready")
        return url

    async def _bring_up(self, gpus: tuple[GPUUnit, ...]) -> str:
        """Make the container on these units, and return its URL once it answers."""
        mounts = await self._stage("home", self._mounts())
        await self._stage("creating", self._create(gpus, mounts))
        return await self._stage("booting", self._boot())

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
        self._lease = None

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
        if isinstance(error, NotReadyError):
            return Refusal(stages.boot_too_slow(self.boot_timeout), 500)
        return Refusal(stages.failed(stage), 500)

    async def _check(self) -> None:
        """Wait for what is left of the last start, and see that the image is there."""
        tidying = self.services.tidying(self.owner)
        if tidying is not None:
            done, _ = await asyncio.wait([tidying], timeout=TIDY_PATIENCE)
            if not done:
                raise Refusal(stages.still_tidying(), 503)
        await self._remove_leftover()
        await self.pull_image(self.image)

    async def _remove_leftover(self) -> None:
        """Remove a container that an earlier life of the hub left under our name."""
        found = await self.services.engine.inspect(self.container_name)
        if found is not None:
            self._refuse_foreign(found)
            self.log.warning("Removing what is left of %s: %s", self.owner, found["Id"][:12])
            await self._effect(self.services.engine.remove_until_gone(found["Id"]))
        # Of a start that the hub's end cut short, the place in the queue is kept.
        await self._effect(self._give_back(keep_place=True))

    def _refuse_foreign(self, found: dict[str, Any]) -> None:
        """Leave a container alone that has our name but not our labels."""
        if not self._is_mine(found):
            raise EngineRefusedError(
                f"a container named {self.container_name} exists and is not {self.owner}'s", 409
            )

    def _is_mine(self, found: dict[str, Any]) -> bool:
        labels = found["Config"].get("Labels") or {}
        expected = {
            LABEL_ROOM: self.room,
            LABEL_USER: self.owner.user,
            LABEL_SERVER: self.owner.server,
        }
        return all(labels.get(key) == value for key, value in expected.items())

    async def _mounts(self) -> dict[str, tuple[str, str]]:
        """Return what to mount where: the owner's home, and the datasets read-only."""
        mounts: dict[str, tuple[str, str]] = {}
        agent = self.services.agent
        if agent is not None:
            path = await self._effect(agent.home(self.owner.user))
            volume = await self._effect(
                home_volume(self.services.engine, self.room, self.owner.user, path)
            )
            # nocopy: a new home is filled by the server itself, which may fail without harm.
            mounts[volume] = (self.home_directory, "rw,nocopy")
        if self.datasets_directory:
            mounts[self.datasets_directory] = ("/datasets", "ro")
        return mounts

    async def _create(self, gpus: tuple[GPUUnit, ...], mounts: dict[str, tuple[str, str]]) -> None:
        self._mount_plan, self._gpu_plan = mounts, gpus
        created = await self._effect(self.create_object())
        self.object_id = created[self.object_id_key]

    async def create_object(self) -> dict[str, Any]:
        """Create the container from the plan; an admin's ``extra_*`` traits lie on top."""
        plan = await self._plan()
        arguments = container.arguments(self.room, self.container_name, plan)
        host = container.host_config(plan, self.log_size, self.log_files)
        host["binds"] = {**self.volume_binds, **host["binds"]}
        host["mounts"] = self.mount_binds
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
            image=self.image,
            command=tuple(await self.get_command()),
            environment=self.get_env(),
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
            mounts=self._mount_plan,
        )

    async def _boot(self) -> str:
        """Start the container and return its URL once JupyterLab answers there."""
        await self._effect(self.start_object())
        if self.post_start_cmd:
            await self.post_start_exec()
        ip, port = await self.get_ip_and_port()
        url = f"http://{ip}:{port}"
        await wait_ready(f"{url}{self.server.base_url}api", self.boot_timeout, self._refuse_if_dead)
        return url

    async def start_object(self) -> None:
        await self.services.engine.start(self.container_id)

    async def _refuse_if_dead(self) -> None:
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

    # -- while it runs, and its end ----------------------------------------------------------

    async def poll(self) -> int | str | None:
        """``None`` while it runs, and while nobody can tell: only a 404 proves the end."""
        if self.services.tidying(self.owner) is not None:
            return None
        try:
            found = await self.services.engine.inspect(self.container_name)
        except (EngineUnavailableError, EngineRefusedError) as error:
            self.log.warning("Cannot tell whether %s runs: %s", self.owner, error)
            return None
        if found is None or not self._is_mine(found):
            return 0
        self.object_id = found["Id"]
        if found["State"]["Running"]:
            self._session = sessions.from_inspect(found)
            return None
        end = exits.from_inspect(self.owner, found)
        if end is None:
            return "never started"
        await self._record(found, end)
        return f"exit code {end.code}{', out of memory' if end.oom_killed else ''}"

    async def stop(self, now: bool = False) -> None:
        """Stop the server, record how it ended, remove it; once it is gone, free its GPUs."""
        self._stop_asked = True
        tidying = self.services.tidying(self.owner) or self._tidy(0 if now else self.stop_grace)
        await asyncio.wait([tidying], timeout=TIDY_PATIENCE)
        self.clear_state()

    async def run_post_stop_hook(self) -> Any:
        """Also reached when the container ended by itself, and ``stop`` was never called."""
        tidying = self.services.tidying(self.owner) or self._tidy()
        await asyncio.wait([tidying], timeout=TIDY_PATIENCE)
        return await maybe_future(super().run_post_stop_hook())

    def _tidy(self, grace: int = 0) -> asyncio.Task[None]:
        in_flight, self._in_flight = self._in_flight, None
        return self.services.tidy(self.owner, partial(self._clear_away, grace), in_flight)

    async def _clear_away(self, grace: int) -> None:
        """Remove the container, see that it is gone, and only then release the lease."""
        services = self.services
        found = await services.engine.inspect(self.container_name)
        if found is not None and self._is_mine(found):
            if found["State"]["Running"]:
                await services.engine.stop(found["Id"], grace)
                found = await services.engine.inspect(found["Id"]) or found
            end = exits.from_inspect(self.owner, found)
            if end is not None:
                await self._record(found, end)
            await services.engine.remove_until_gone(found["Id"])
        # A start of before the hub's own restart goes on: JupyterHub only thinks that it is over.
        await self._give_back(keep_place=services.ending or not self._began)
        self.object_id = ""

    async def _record(self, found: dict[str, Any], end: Any) -> None:
        """Keep how it ended, once a container; its last lines are for the admin's log."""
        if self._recorded == found["Id"]:
            return
        self._recorded = found["Id"]
        if end.code == SIGKILLED and not end.oom_killed and not self._stop_asked:
            # The engine hears of an exit and of its cause in two ways; the cause may come later.
            await asyncio.sleep(OOM_PATIENCE)
            found = await self.services.engine.inspect(found["Id"]) or found
            end = exits.from_inspect(self.owner, found) or end
        limit = (found.get("HostConfig") or {}).get("Memory") or None
        ended = exits.Ended(end, limit, self._stop_asked, self._end_words)
        await self.services.record(ended)
        if self._stop_asked or self._end_words:
            return
        try:
            lines = await self.services.engine.last_lines(found["Id"], LAST_LINES)
        except (NotFound, EngineRefusedError, EngineUnavailableError):
            lines = ()
        self.log.warning(
            "Server of %s ended: %s\n%s",
            self.owner,
            stages.why_ended(end, limit),
            "\n".join(f"    {line}" for line in lines),
        )

    # -- what people see ---------------------------------------------------------------------

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        async for event in self._progress.events():
            yield event

    def last_ended(self) -> str | None:
        """Say why this server ended last time, unless somebody stopped it."""
        ended = self.services.ends.get(self.owner)
        if ended is None or ended.asked:
            return None
        if ended.why:
            return ended.why
        return stages.why_ended(ended.exit, ended.memory_limit)
