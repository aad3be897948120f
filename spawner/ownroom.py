"""What the console asks the hub in somebody's own name: their servers, and their home."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from jupyterhub.scopes import needs_scope
from tornado import web

from room import homeuse
from spawner.agent import AgentSilentError
from spawner.handlers import RoomAPIHandler
from spawner.homefeed import warning


class OwnHandler(RoomAPIHandler):
    """Answers of who asks and of nobody else: the names of somebody's files are their own."""

    async def get(self) -> None:
        viewer = self.current_user
        if viewer is None or viewer.kind != "user":
            raise web.HTTPError(403)
        await self._get(user_name=viewer.name)

    @needs_scope("read:users")
    async def _get(self, user_name: str) -> None:
        self.say(await self.found(self.find_user(user_name)))

    @abstractmethod
    async def found(self, user: Any) -> dict[str, Any]:
        """Return the answer on one user."""


class OwnServersHandler(OwnHandler):
    """``GET api/room/own/servers``: what runs, since when, until when, and on which units."""

    async def found(self, user: Any) -> dict[str, Any]:
        # One after the other: each asks the store's one thread.
        return {"servers": [await _server(user.spawners[name]) for name in _active(user)]}


class OwnHomeHandler(OwnHandler):
    """``GET api/room/own/home``: how full the home is, and of what."""

    async def found(self, user: Any) -> dict[str, Any]:
        try:
            use = await user.spawners[""].look_at_home()
        except AgentSilentError as error:
            self.log.warning("How full the home of %s is, is not known: %s", user.name, error)
            return {"silent": True, "home": None, "warning": ""}
        warned = warning(use) if use else None
        return {
            "silent": False,
            "home": None if use is None else {**homeuse.as_dict(use), "left": use.left},
            "warning": self.words(warned.message) if warned else "",
        }


def _active(user: Any) -> list[str]:
    return sorted(name for name, spawner in user.spawners.items() if spawner.active)


async def _server(spawner: Any) -> dict[str, Any]:
    lease = await spawner.lease_status() if spawner.ready else {}
    slug = str((spawner.user_options or {}).get("profile") or "")
    titles = {card.slug: card.display_name for card in spawner.cards()}
    started = spawner.orm_spawner.started
    return {
        "name": spawner.name,
        "profile": titles.get(slug, slug),
        "image": str(getattr(spawner, "image", "") or ""),
        "ready": spawner.ready,
        "pending": spawner.pending or "",
        # The hub's database keeps UTC and does not say so.
        "started": None if started is None else f"{started.isoformat()}+00:00",
        "ends": lease.get("ends"),
        "units": lease.get("units", []),
        "url": spawner.user.server_url(spawner.name),
    }


def routes() -> list[tuple[str, type[OwnHandler]]]:
    """Return the handlers, under the hub's prefix."""
    return [(r"/api/room/own/servers", OwnServersHandler), (r"/api/room/own/home", OwnHomeHandler)]
