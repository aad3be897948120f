"""``/hub/home-usage``: what fills a home, for its owner and for the room's admins."""

from __future__ import annotations

from typing import Any

from jupyterhub.handlers.base import BaseHandler
from jupyterhub.scopes import Scope
from tornado import web

from spawner.agent import AgentSilentError
from spawner.homefeed import warning


class HomeUsageHandler(BaseHandler):
    """``GET home-usage``, of others with ``?user=<name>``."""

    @web.authenticated
    async def get(self) -> None:
        user = self._whose()
        spawner: Any = user.spawners[""]
        use, silent = None, False
        try:
            use = await spawner.look_at_home()
        except AgentSilentError as error:
            self.log.warning("How full the home of %s is, is not known: %s", user.name, error)
            silent = True
        found = warning(use) if use else None
        self.set_header("Cache-Control", "no-store")
        self.finish(
            await self.render_template(
                "home_usage.html",
                user=self.current_user,
                whose=user,
                own=user.name == self.current_user.name,
                use=use,
                silent=silent,
                warning=found.message if found else "",
                running=spawner.active,
            )
        )

    def _whose(self) -> Any:
        """Return whose home it is. A stranger's is not there, whether or not it is."""
        viewer = self.current_user
        name = self.get_query_argument("user", viewer.name)
        own = viewer.kind == "user" and name == viewer.name
        if not own and self.parsed_scopes.get("admin:users") is not Scope.ALL:
            raise web.HTTPError(404)
        user = self.find_user(name)
        if user is None:
            raise web.HTTPError(404)
        return user
