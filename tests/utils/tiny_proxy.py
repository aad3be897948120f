"""A proxy inside the hub's process: a browser reaches hub and servers by one address."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from jupyterhub.proxy import Proxy

#: Headers that are between two neighbours only (RFC 9110, 7.6.1), and what aiohttp sets itself.
HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "content-length",
}


class TinyProxy(Proxy):
    """Sends each request to the longest prefix that has a route; no WebSockets."""

    should_start = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.routes: dict[str, dict[str, Any]] = {}

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        port = urlsplit(self.public_url).port
        await web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True).start()

    async def stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def add_route(self, routespec: str, target: str, data: Any) -> None:
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}

    async def delete_route(self, routespec: str) -> None:
        self.routes.pop(routespec, None)

    async def get_all_routes(self) -> dict[str, Any]:
        return dict(self.routes)

    def _target(self, path: str) -> str:
        fitting = [spec for spec in self.routes if f"{path}/".startswith(spec)]
        return str(self.routes[max(fitting, key=len)]["target"]) if fitting else self.hub.host

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP}
        headers["X-Forwarded-For"] = request.remote or ""
        if "Content-Length" in request.headers:
            # As it comes, and not in chunks: what is long is never held whole.
            headers["Content-Length"] = request.headers["Content-Length"]
        sent = self._session.request(
            request.method,
            self._target(request.path) + request.raw_path,
            headers=headers,
            data=request.content if request.can_read_body else None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        async with sent as found:
            answer = web.StreamResponse(status=found.status)
            for name, value in found.headers.items():
                if name.lower() not in HOP:
                    answer.headers.add(name, value)
            await answer.prepare(request)
            async for chunk in found.content.iter_any():
                await answer.write(chunk)
        return answer
