"""The hub's process: JupyterHub, which also reconciles from its start and tidies before its end."""

from __future__ import annotations

import asyncio
from functools import partial

from jupyterhub.app import JupyterHub

from spawner.reconcile import served
from spawner.services import Services
from spawner.spawner import RoomSpawner

#: Seconds that the end of the hub waits for starts it has cut short; less than compose's patience.
TIDY_BEFORE_END = 8.0


class RoomHub(JupyterHub):
    """JupyterHub as it is, with two things to do around it."""

    name = "jupyterhub"

    def _services(self) -> Services:
        return RoomSpawner(config=self.config, log=self.log).shared_services()

    async def start(self) -> None:
        await super().start()
        # By then the hub has looked at every server it knew of before it went down.
        self._services().keep_reconciling(partial(served, self.db))

    async def cleanup(self) -> None:
        """Cut pending starts short and give their tidying a moment, then end as JupyterHub does.

        What is not tidied by then is found by its labels at the next start.
        """
        for user in self.users.values():
            for spawner in user.spawners.values():
                if spawner.pending == "spawn" and spawner._spawn_future:
                    spawner._spawn_future.cancel()
        await asyncio.sleep(0)
        settled = asyncio.ensure_future(self._services().settled())
        await asyncio.wait([settled], timeout=TIDY_BEFORE_END)
        await super().cleanup()


main = RoomHub.launch_instance

if __name__ == "__main__":
    main()
