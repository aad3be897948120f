"""Requests to the hub, with tornado's client in the place of JupyterHub's own.

JupyterHub asks with aiohttp: a second HTTP client beside the one that JupyterLab's server
brings, for a version, a token and a note every five minutes. It is used all the same
where a hub is reached in a way that tornado's cannot go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from server.later import real

#: How long a request, and its connection, may take: seconds, aiohttp's own.
_REQUEST, _CONNECT = 300.0, 30.0
#: The options of aiohttp's that tornado has as well.
_KNOWN = {"headers", "data", "ssl"}


class Answer:
    """As much of an answer of aiohttp's as JupyterHub reads."""

    def __init__(self, answer: HTTPResponse) -> None:
        self._answer = answer
        self.status = answer.code
        self.headers: Mapping[str, str] = answer.headers

    async def text(self) -> str:
        return self._answer.body.decode("utf-8", "replace")


async def fetch(
    url: str, *, method: str = "GET", raise_for_status: bool = True, **options: Any
) -> Any:
    """Ask the hub. Raises what tornado raises when no answer comes.

    With ``raise_for_status`` an answer that says no raises ``HTTPClientError``.
    """
    if urlsplit(url).scheme not in {"http", "https"} or options.keys() - _KNOWN:
        own = real("jupyterhub.httpclient")
        return await own.fetch(url, method=method, raise_for_status=raise_for_status, **options)
    request = HTTPRequest(
        url,
        method=method,
        headers=options.get("headers"),
        body=options.get("data"),
        ssl_options=options.get("ssl"),
        request_timeout=_REQUEST,
        connect_timeout=_CONNECT,
        allow_nonstandard_methods=True,
    )
    return Answer(await AsyncHTTPClient().fetch(request, raise_error=raise_for_status))
