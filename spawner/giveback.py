"""A server is started again at once: without an unused GPU, or otherwise; and the page of it."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.utils import url_escape_path, url_path_join
from tornado import web
from tornado.httputil import url_concat

from room.models import Owner, Reject
from spawner.handlers import OwnLease


class GiveBackHandler(OwnLease):
    """``POST room/lease/cpu`` with a server's own token: restart it without its GPU.

    Answers with the address of the page that shows the restart.
    """

    async def post(self) -> None:
        spawner = self.own_spawner()
        options = await spawner.give_gpu_back()
        if isinstance(options, Reject):
            self.refuse(options)
            return
        begin_restart(self, spawner, options)
        # On its way before the server that passes it on is asked to stop.
        self.say({"page": restart_page(self.hub.base_url, spawner)})


def begin_restart(handler: Any, spawner: Any, options: dict[str, Any]) -> None:
    """Stop a server and start it again with other options, behind the page that shows it.

    Whoever calls has put it among those that restart.
    """
    restart = asyncio.ensure_future(_restart(handler, spawner, options))
    restart.add_done_callback(_restarted(spawner))


async def _restart(handler: Any, spawner: Any, options: dict[str, Any]) -> None:
    user, name = spawner.user, spawner.name
    await (await handler.stop_single_user(user, name))
    await handler.spawn_single_user(user, name, options=options)


def _restarted(spawner: Any) -> Any:
    services, owner = spawner.services, spawner.owner

    def done(task: asyncio.Task[None]) -> None:
        services.restarting.discard(owner)
        if spawner.ready:
            # It could not be stopped, and may be stopped for another reason some day.
            spawner.keep_running()
        if not task.cancelled() and task.exception() is not None:
            # The start page says it to the owner.
            services.log.warning("%s did not start again: %s", owner, task.exception())

    return done


class KeepHandler(OwnLease):
    """``POST room/lease/keep`` with a server's own token: its user keeps an unused GPU."""

    async def post(self) -> None:
        spawner = self.own_spawner()
        spawner.keep_gpu()
        await self.say_lease(spawner)


class RestartHandler(BaseHandler):
    """``GET room/restart/<user>/<server>``: a page until the server starts again, then its start.

    ``next``: where its owner goes on afterwards; what is no address here is passed over. ``for``:
    what is said of why, which is a GPU that is given back unless it is a lesson.
    """

    @web.authenticated
    @needs_scope("servers")
    async def get(self, user_name: str, server_name: str = "") -> None:
        user = self.find_user(user_name)
        if user is None or server_name not in user.orm_user.orm_spawners:
            raise web.HTTPError(404)
        spawner: Any = user.spawners[server_name]
        self.set_header("Cache-Control", "no-store")
        restarting = Owner(user.name, server_name) in spawner.services.restarting
        if restarting and spawner.pending != "spawn":
            self.finish(await self.render_template("restarting.html", user=user))
            return
        parts = (self.hub.base_url, "spawn-pending", user.escaped_name, server_name)
        onward = self.get_query_argument("next", "")
        self.redirect(url_concat(url_path_join(*parts), {"next": onward} if onward else {}))


def restart_page(hub: str, spawner: Any) -> str:
    """Return the address of the page that shows a restart."""
    user, server = spawner.user.escaped_name, url_escape_path(spawner.name)
    return url_path_join(hub, "room/restart", user, server)


def routes() -> list[tuple[str, type[BaseHandler]]]:
    """Return the handlers, under the hub's prefix."""
    return [
        (r"/room/lease/cpu", GiveBackHandler),
        (r"/room/lease/keep", KeepHandler),
        (r"/room/restart/([^/]+)/?", RestartHandler),
        (r"/room/restart/([^/]+)/([^/]+)", RestartHandler),
    ]
