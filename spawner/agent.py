"""What the hub asks the agent, over HTTP and with the room's token: what there is, and its use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

T = TypeVar("T")

#: Seconds that one answer may take. The agent answers from memory.
TIMEOUT = 5.0


class AgentSilentError(Exception):
    """The agent gave no answer that can be read; the message says why, for the admin's log."""


def asker(
    url: str, token_file: Path, path: str, loads: Callable[[str], T]
) -> Callable[[], Awaitable[T]]:
    """Return what asks the agent at ``url`` for ``path``, with the token in ``token_file``.

    ``loads`` reads the answer, and raises ``ValueError`` for what is none.
    """

    def question() -> HTTPRequest:
        return HTTPRequest(
            f"{url.rstrip('/')}{path}",
            headers={"Authorization": f"Bearer {token_file.read_text().strip()}"},
            request_timeout=TIMEOUT,
            connect_timeout=TIMEOUT,
        )

    async def ask() -> T:
        try:
            response = await AsyncHTTPClient().fetch(question())
            return loads(response.body.decode())
        except (HTTPClientError, OSError, ValueError) as error:
            raise AgentSilentError(str(error)) from error

    return ask
