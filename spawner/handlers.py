"""What the room's pages and its servers ask the hub for: free GPUs, the queue, the lease."""

from __future__ import annotations

from typing import Any

from jupyterhub.apihandlers import APIHandler
from jupyterhub.scopes import needs_scope
from tornado import web

from room.models import Reject
from spawner.i18n import language_of
from spawner.words import translate

_SIGN_IN = "You are not signed in any more. Sign in again to go on."
_OLD_PAGE = "This page is too old. Reload it and try again."
_NOT_YOURS = "This is for who may start this server. Sign in as somebody who may."
_NOT_HERE = (
    "There is no such server, or it is not yours to start. Go to the start page and choose one."
)
_NOT_NOW = (
    "That did not work. "
    "Try again in a minute; if it happens again, tell the admin, whose log says why."
)


class RoomAPIHandler(APIHandler):
    """JupyterHub's login, scopes and XSRF; answers in JSON, and says no in the reader's words."""

    def words(self, text: str) -> str:
        default = self.settings.get("template_vars", {}).get("room_language", "en")
        return translate(text, language_of(self, default))

    def say(self, answer: Any) -> None:
        self.set_header("Cache-Control", "no-store")
        self.finish(answer)

    def refuse(self, reject: Reject) -> None:
        self.set_status(409)
        self.say({"message": self.words(reject.message)})

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if status_code == 404:
            message = _NOT_HERE
        elif status_code != 403:
            message = _NOT_NOW
        elif "xsrf" in str(getattr(error, "log_message", "")).lower():
            message = _OLD_PAGE
        else:
            message = _NOT_YOURS if getattr(self, "_jupyterhub_user", None) else _SIGN_IN
        self.set_header("Content-Type", "application/json")
        self.say({"message": self.words(message)})

    def spawner_of(self, user_name: str, server_name: str) -> Any:
        """Return somebody's spawner; one that they never had is not made for the asking."""
        user = self.find_user(user_name)
        if user is None or (server_name and server_name not in user.orm_user.orm_spawners):
            raise web.HTTPError(404)
        return user.spawners[server_name]


class AvailabilityHandler(RoomAPIHandler):
    """``GET room/gpus?user=<name>``: what the start page's cards say of their GPUs."""

    async def get(self) -> None:
        await self._get(user_name=self.get_query_argument("user"))

    @needs_scope("start:servers")
    async def _get(self, user_name: str) -> None:
        found = await self.spawner_of(user_name, "").availability()
        answer = {slug: each.as_json() for slug, each in found.items()}
        for each in answer.values():
            each["forbidden"] = self.words(each["forbidden"])
        self.say({"profiles": answer})


class QueueHandler(RoomAPIHandler):
    """``GET room/queue?user=<name>&server=<name>``: whether that server keeps a place in line.

    It does while no start stands behind it, too: for the moment after the hub was restarted.
    """

    async def get(self) -> None:
        await self._get(
            user_name=self.get_query_argument("user"),
            server_name=self.get_query_argument("server", ""),
        )

    @needs_scope("start:servers")
    async def _get(self, user_name: str, server_name: str) -> None:
        self.say({"waiting": await self.spawner_of(user_name, server_name).has_ticket()})


class CPUHandler(RoomAPIHandler):
    """``POST room/queue/cpu/<user>/<server>``: let the start that waits go on without a GPU."""

    @needs_scope("start:servers")
    async def post(self, user_name: str, server_name: str = "") -> None:
        refused = await self.spawner_of(user_name, server_name).start_on_cpu()
        if refused is not None:
            self.refuse(refused)
        else:
            self.say({})


class OwnLease(RoomAPIHandler):
    """What a server asks about itself, with its own token."""

    def own_spawner(self) -> Any:
        """Return the spawner of the server whose token this is.

        A server's token is the one that may enter that server and no other: so it is known
        again after the hub was restarted, too.
        """
        entered = self.parsed_scopes.get("access:servers") if self.current_user else None
        servers = entered.get("server", ()) if isinstance(entered, dict) else ()
        if self.get_token() is None or len(servers) != 1:
            raise web.HTTPError(403)
        user_name, _, server_name = next(iter(servers)).partition("/")
        return self.spawner_of(user_name, server_name)

    async def say_lease(self, spawner: Any) -> None:
        status = await spawner.lease_status()
        notices = [{**each, "text": self.words(each["text"])} for each in status["notices"]]
        self.say({**status, "why": self.words(status["why"]), "notices": notices})


class LeaseHandler(OwnLease):
    """``GET room/lease`` with a server's own token: how long that server has its GPUs.

    With ``here=1``: somebody has used its page since the last time.
    """

    async def get(self) -> None:
        spawner = self.own_spawner()
        # A server asks while a page of it is open and seen.
        spawner.look_at_page()
        if self.get_query_argument("here", "") == "1":
            spawner.touch()
        await self.say_lease(spawner)


class ExtendHandler(OwnLease):
    """``POST room/lease/extend`` with a server's own token: keep the GPUs longer."""

    async def post(self) -> None:
        spawner = self.own_spawner()
        refused = await spawner.extend_lease()
        if refused is not None:
            self.refuse(refused)
        else:
            await self.say_lease(spawner)


class StayHandler(OwnLease):
    """``POST room/lease/stay`` with a server's own token: its user says that somebody is there."""

    async def post(self) -> None:
        spawner = self.own_spawner()
        spawner.touch()
        await self.say_lease(spawner)


def routes() -> list[tuple[str, type[RoomAPIHandler]]]:
    """Return the handlers, under the hub's prefix."""
    return [
        (r"/room/gpus", AvailabilityHandler),
        (r"/room/queue", QueueHandler),
        (r"/room/queue/cpu/([^/]+)/?", CPUHandler),
        (r"/room/queue/cpu/([^/]+)/([^/]+)", CPUHandler),
        (r"/room/lease", LeaseHandler),
        (r"/room/lease/extend", ExtendHandler),
        (r"/room/lease/stay", StayHandler),
    ]
