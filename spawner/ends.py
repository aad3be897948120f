"""The part of RoomSpawner that has to do with ends: seen, asked for, recorded, and cleared away."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Any

from docker.errors import NotFound
from jupyterhub.utils import maybe_future
from sqlalchemy.exc import SQLAlchemyError

from engine.client import EngineRefusedError, EngineUnavailableError
from room import usage
from room.models import LABEL_PROFILE, LABEL_ROOM, LABEL_SERVER, LABEL_USER
from spawner import exits, sessions, stages
from spawner.notices import Notice
from spawner.returning import Returning

#: Lines of a dead server's log that go to the hub's log, for the admin.
LAST_LINES = 20
#: The exit code of a killed process, and the seconds until the engine knows whether memory was why.
SIGKILLED, OOM_PATIENCE = 137, 1.0
#: Seconds that a stop waits for the engine before it goes on in the background.
TIDY_PATIENCE = 60.0


class Ends(Returning):
    """Notices that a server ended, says why, and removes what is left of it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        #: What a start has asked of the engine or the store, and goes on when the start is cut.
        self._in_flight: asyncio.Future[Any] | None = None
        self._stop_asked = False
        #: Whether the idle culler is about to stop it.
        self.culled = False
        #: Whether a start was asked for since the hub itself began.
        self._began = False
        #: The container whose end was recorded.
        self._recorded = ""

    async def poll(self) -> int | str | None:
        """``None`` while it runs, and while nobody can tell: only a 404 proves the end."""
        await self.services.serving.wait()
        if self.services.tidying(self.owner) is not None:
            return None
        if self.object_id and await self.services.watch.runs(self.object_id, self.owner):
            return None
        return await self.look()

    async def look(self) -> int | str | None:
        """Ask the engine itself: ``poll`` for who needs to know more than that it runs."""
        try:
            found = await self.services.engine.inspect(self.container_name)
        except (EngineUnavailableError, EngineRefusedError) as error:
            self.log.warning("Cannot tell whether %s runs: %s", self.owner, error)
            return None
        if found is None or not self._is_mine(found):
            return 0
        self.object_id = found["Id"]
        if found["State"]["Running"]:
            if self._session is None:
                try:
                    await self._note_use(found)
                except SQLAlchemyError as error:
                    # Its end is written whole.
                    self.log.warning("Could not write %s in the ledger: %s", self.owner, error)
            self._session = sessions.from_inspect(found)
            return None
        end = exits.from_inspect(self.owner, found)
        if end is None:
            return "never started"
        await self._record(found, end)
        return f"exit code {end.code}{', out of memory' if end.oom_killed else ''}"

    async def note_memory(self, container: str, at: float) -> None:
        """Keep a word for the owner's JupyterLab: a program was ended, and the server goes on."""
        try:
            found = await self.services.engine.inspect(container)
        except (EngineUnavailableError, EngineRefusedError):
            return
        limit = ((found or {}).get("HostConfig") or {}).get("Memory")
        if found is not None and limit and found["State"]["Running"] and self._is_mine(found):
            self._memory_notice = (
                at,
                # Once a minute at most: who hid the last one is not told of each program.
                Notice(f"memory-{at // 60:.0f}", stages.memory_ran_out(limit)),
            )

    def touch(self) -> None:
        """Note that somebody works in the server: it is not idle."""
        self.services.touch(self.owner)

    def end_idle(self, limit: float) -> None:
        """Let the stop that the idle culler asks for next be told as the room's own."""
        self.log.info("Server of %s is idle: it is being stopped", self.owner)
        self.culled = True
        self._end_words = stages.idle_over(limit).message

    async def stop(self, now: bool = False) -> None:
        """Stop the server, record how it ended, remove it; once it is gone, free its GPUs."""
        self._stop_asked = not self.culled and self._lease_end != "returned"
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
                # The room ends it: a start that was cut short was not killed from outside.
                self._stop_asked = self._stop_asked or not self._end_words
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
        known = self._stop_asked or self._end_words
        explained = known or self.services.watch.explained(found["Id"])
        if end.code == SIGKILLED and not end.oom_killed and not explained:
            # The engine hears of an exit and of its cause in two ways; the cause may come later.
            await asyncio.sleep(OOM_PATIENCE)
            found = await self.services.engine.inspect(found["Id"]) or found
            end = exits.from_inspect(self.owner, found) or end
        limit = (found.get("HostConfig") or {}).get("Memory") or None
        ended = exits.Ended(end, limit, self._stop_asked, self._end_words)
        await self.services.record(ended)
        await self._note_use(found)
        self.services.count_soon()
        if not known:
            await self._tell_admin(found["Id"], f"ended: {stages.why_ended(end, limit)}")

    async def _tell_admin(self, container: str, what: str) -> None:
        """Write into the hub's log what became of the server, with its own last lines."""
        try:
            lines = await self.services.engine.last_lines(container, LAST_LINES)
        except (NotFound, EngineRefusedError, EngineUnavailableError):
            lines = ()
        self.log.warning(
            "Server of %s %s\n%s", self.owner, what, "\n".join(f"    {line}" for line in lines)
        )

    async def _note_use(self, found: dict[str, Any]) -> None:
        """Write in the ledger what the container has reserved, and until when."""
        store = self.services.store
        await store.run(exits.note_use, store, exits.ran(self.owner, self._group, found))

    async def note_start(self, began: datetime) -> None:
        """Write in the ledger that the server runs; its end brings the engine's own figures."""
        labels = self.services.watch.labels(self.object_id)
        ran = usage.Ran(
            container=self.object_id,
            owner=self.owner,
            group=self._group,
            profile=labels.get(LABEL_PROFILE, ""),
            cores=self.cpu_limit or 0.0,
            memory=self.mem_limit or 0,
            begin=began,
            end=None,
        )
        try:
            await self.services.store.run(exits.note_use, self.services.store, ran)
        except SQLAlchemyError as error:
            # Its end is written whole.
            self.log.warning("Could not write %s in the ledger: %s", self.owner, error)

    @property
    def _group(self) -> str:
        """The class that a server counts for."""
        return min((group.name for group in self.user.groups), default="")

    def _is_mine(self, found: dict[str, Any]) -> bool:
        labels = found["Config"].get("Labels") or {}
        expected = {
            LABEL_ROOM: self.room,
            LABEL_USER: self.owner.user,
            LABEL_SERVER: self.owner.server,
        }
        return all(labels.get(key) == value for key, value in expected.items())

    def last_ended(self) -> str | None:
        """Say why this server ended last time, unless somebody stopped it."""
        ended = self.services.ends.get(self.owner)
        if ended is None or ended.asked:
            return None
        if ended.why:
            return ended.why
        return stages.why_ended(ended.exit, ended.memory_limit)
