"""The hub's process: JupyterHub, which also reconciles from its start and tidies before its end."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from jupyterhub import orm
from jupyterhub.app import JupyterHub
from sqlalchemy import event
from sqlalchemy.orm import selectinload
from traitlets import Unicode, default

from room.people import People
from spawner import closing, keeper
from spawner.gpuwatch import GPUWatch
from spawner.idlewatch import IdleWatch
from spawner.reconcile import served
from spawner.seatwatch import SeatWatch
from spawner.services import Services
from spawner.spawner import RoomSpawner

#: Seconds that the end of the hub waits for starts it has cut short; less than compose's patience.
TIDY_BEFORE_END = 8.0
#: What the hub's own service may do, which is the room itself.
KEEPER_ROLE = {
    "name": keeper.NAME,
    "services": [keeper.NAME],
    # To delete users is for a rehearsal's guests, whom the command forgets.
    "scopes": ["admin:servers", "list:users", "read:users", "delete:users"],
}


class RoomHub(JupyterHub):
    """JupyterHub as it is, with a few things to do around it."""

    name = "jupyterhub"

    keeper_token = Unicode(
        config=True,
        help="""API token with which the hub starts waiting servers again, and ``room gpu`` asks it.

        Made anew at each start unless set.

        .. versionadded:: 0.1
        """,
    )

    @default("keeper_token")
    def _make_token(self) -> str:
        return secrets.token_hex(32)

    def init_db(self) -> None:
        super().init_db()
        engine = self.db.get_bind()
        if engine.dialect.name == "sqlite" and engine.url.database not in (None, "", ":memory:"):
            event.listen(engine, "connect", _pragmas)
            # What is open was opened without them.
            self.db.close()
            engine.dispose()

    async def init_role_creation(self) -> None:
        self.load_roles = [*self.load_roles, KEEPER_ROLE]
        await super().init_role_creation()

    def init_services(self) -> None:
        self.services = [*self.services, {"name": keeper.NAME, "api_token": self.keeper_token}]
        super().init_services()

    async def init_spawners(self) -> int:
        """Know of every server that ran when the hub went down; look at them once it serves.

        JupyterHub looks at all of them for a second at least before it serves anybody. Up to its
        first pause it has made each server's spawner and marked it as being looked at, so that who
        asks for one of them waits for that look, and nobody else waits for any.

        Returns how many are being looked at.
        """
        self._looked = asyncio.Event()
        # Its query loads each owner again, one by one, five statements a server, since the session
        # forgets whom nobody holds. Held here, all of them come with two.
        runs = orm.User._orm_spawners.any(orm.Spawner.server_id.is_not(None))
        held = self.db.query(orm.User).filter(runs).options(selectinload(orm.User._orm_spawners))
        owners = held.all()
        # Hundreds of questions to the engine would stand before the first request.
        self._services().serving.clear()
        looking = asyncio.ensure_future(super().init_spawners())
        await asyncio.sleep(0)
        self._looking = asyncio.ensure_future(self._look(looking))
        if looking.done():
            await self._looking
        return len(owners)

    async def _look(self, looking: asyncio.Future[int]) -> None:
        """Await the look at all servers, and then see that each has its route."""
        began = time.monotonic()
        try:
            found = await looking
        finally:
            self._looked.set()
        if found:
            self.log.info("Looked at %i servers in %.3f s", found, time.monotonic() - began)
            await self._start_future
            await self.proxy.check_routes(self.users, self._service_map)

    def _spawner(self) -> RoomSpawner:
        """Return a spawner of nobody's, which has what all of them share."""
        return RoomSpawner(config=self.config, log=self.log)

    def _services(self) -> Services:
        return self._spawner().shared_services()

    async def start(self) -> None:
        await super().start()
        services = self._services()
        services.serving.set()
        services.keep_reconciling(partial(served, self.db))
        start = keeper.starter(self.hub.api_url, self.keeper_token, self.log)
        self._keeping = [
            asyncio.ensure_future(self._resume(partial(keeper.resume, services, start))),
            asyncio.ensure_future(keeper.watch_budgets(services)),
            asyncio.ensure_future(keeper.end_servers(services)),
            asyncio.ensure_future(closing.close_servers(services, People(services.store))),
        ]
        if services.accounting is not None:
            self._keeping.append(asyncio.ensure_future(self._resume(services.accounting.run)))
        if services.use is not None:
            watch = SeatWatch(services, services.use, self._spawner().seat_times())
            idle = IdleWatch(services, services.use, self.hub.api_url, self.keeper_token)
            unused = GPUWatch(services, services.use)
            self._keeping += [asyncio.ensure_future(each.run()) for each in (watch, idle, unused)]

    async def update_last_activity(self) -> None:
        """Look at the proxy's routes as JupyterHub does, and not at when they were used last.

        An open page asks for lists every ten seconds, whoever sits before it. What people do
        their servers report themselves.
        """
        routes = await self.proxy.get_all_routes()
        await self.proxy.check_routes(self.users, self._service_map, routes)

    async def _resume(self, resume: Callable[[], Awaitable[None]]) -> None:
        """Do what needs to know which servers run already, once the hub knows."""
        await self._looked.wait()
        await resume()

    async def cleanup(self) -> None:
        """Cut pending starts short and give their tidying a moment, then end as JupyterHub does.

        What is not tidied by then is found by its labels at the next start.
        """
        self._services().ending = True
        for user in self.users.values():
            for spawner in user.spawners.values():
                if spawner.pending == "spawn" and spawner._spawn_future:
                    spawner._spawn_future.cancel()
        await asyncio.sleep(0)
        settled = asyncio.ensure_future(self._services().settled())
        await asyncio.wait([settled], timeout=TIDY_BEFORE_END)
        await super().cleanup()


def _pragmas(connection: Any, _record: Any) -> None:
    """Let JupyterHub's database be written without waiting for the disk at every commit.

    A start commits about ten times, on the hub's one loop. With a write-ahead log and NORMAL a
    crash of the hub loses nothing; a power cut may lose the last moments, and is mended as every
    difference between rows and containers is. Leases are in the room's own database.
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.close()


main = RoomHub.launch_instance

if __name__ == "__main__":
    main()
