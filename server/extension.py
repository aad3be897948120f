"""What this server has beside JupyterLab: its lease's address, an eye on visitors and on work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPError, HTTPRequest
from tornado.ioloop import PeriodicCallback

from server import lease, lessons, library, presence, visitors

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

#: How long the hub may take, seconds; the page goes on counting meanwhile.
_PATIENCE = 8


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "server.extension"}]


def _load_jupyter_server_extension(app: ServerApp) -> None:
    environment = os.environ
    visitors.watch(app.identity_provider.hub_auth, environment.get("JUPYTERHUB_USER", ""))
    APIHandler._track_activity = property(presence.tracked)
    times = app.web_app.settings["last_activity_times"]
    look = partial(presence.note, times, app.kernel_manager)
    PeriodicCallback(look, 1000 * presence.EVERY).start()
    known = lease.Lease(
        lease.address(environment.get("JUPYTERHUB_API_URL", "")),
        environment.get("JUPYTERHUB_API_TOKEN", ""),
        fetch,
        app.log.warning,
    )
    base = url_path_join(app.base_url, "room/lease")
    at_hub = lease.address(environment.get("JUPYTERHUB_API_URL", "")).removesuffix("/lease")
    brought = lessons.Lessons(at_hub, environment.get("JUPYTERHUB_API_TOKEN", ""), fetch)
    app.web_app.add_handlers(
        ".*$",
        [
            (
                url_path_join(app.base_url, "room/lesson/([a-z0-9]{1,16})"),
                lessons.LessonHandler,
                {"lessons": brought},
            ),
            (url_path_join(app.base_url, "room/examples"), library.LibraryHandler),
            (url_path_join(app.base_url, "room/examples/([^/]+)"), library.CopyHandler),
            (base, LeaseHandler, {"lease": known}),
            (url_path_join(base, "extend"), ExtendHandler, {"lease": known}),
            (url_path_join(base, "stay"), StayHandler, {"lease": known}),
            (url_path_join(base, "keep"), KeepHandler, {"lease": known}),
            (url_path_join(base, "cpu"), GiveBackHandler, {"lease": known}),
        ],
    )


async def fetch(method: str, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Ask the hub. Raises ``OSError`` when it does not answer in time."""
    request = HTTPRequest(
        url,
        method=method,
        headers=dict(headers),
        body="" if method == "POST" else None,
        request_timeout=_PATIENCE,
        connect_timeout=_PATIENCE,
        follow_redirects=False,
    )
    try:
        answer = await AsyncHTTPClient().fetch(request, raise_error=False)
    except HTTPError as error:
        raise OSError(error.message) from error
    return answer.code, answer.body


class _Handler(APIHandler):
    # An open tab is no work: who only looks at the countdown does not keep a server from being
    # culled.
    _track_activity = False

    def initialize(self, lease: lease.Lease) -> None:
        self.lease = lease

    @property
    def language(self) -> str:
        return self.request.headers.get("Accept-Language", "")[:100]

    def say(self, status: int, what: dict[str, Any]) -> None:
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(what)


class LeaseHandler(_Handler):
    @web.authenticated
    async def get(self) -> None:
        fresh = self.get_query_argument("fresh", "") == "1"
        here = self.get_query_argument("here", "") == "1"
        self.say(200, await self.lease.answer(self.language, fresh, here))


class ExtendHandler(_Handler):
    @web.authenticated
    async def post(self) -> None:
        self.say(*await self.lease.extend(self.language))


class StayHandler(_Handler):
    @web.authenticated
    async def post(self) -> None:
        self.say(*await self.lease.stay(self.language))


class KeepHandler(_Handler):
    @web.authenticated
    async def post(self) -> None:
        self.say(*await self.lease.keep(self.language))


class GiveBackHandler(_Handler):
    @web.authenticated
    async def post(self) -> None:
        self.say(*await self.lease.give_back(self.language))
