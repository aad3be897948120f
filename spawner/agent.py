"""What the hub asks the agent, over HTTP and with the room's token.

Each question is on a thread, with its time limit there: when a class starts at once the hub's loop
may be busy for longer than an answer may take, and an answer that lies there is no silence.
"""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Seconds that one answer may take. The agent answers from memory.
TIMEOUT = 5.0
#: Threads for homes, of which a class needs one each; for how full homes are, which may take
#: seconds; and for GPUs and their use, which wait for neither.
HOMES = ThreadPoolExecutor(4, thread_name_prefix="agent-homes")
MEASURES = ThreadPoolExecutor(4, thread_name_prefix="agent-measures")
LOOKS = ThreadPoolExecutor(2, thread_name_prefix="agent-looks")

#: Whatever the hub's environment says: the agent is its neighbour.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AgentSilentError(Exception):
    """The agent gave no answer that can be read; the message says why, for the admin's log."""


class AgentRefusedError(Exception):
    """The agent said no; the message is its own, ``status`` that of its answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


async def ask(
    threads: ThreadPoolExecutor,
    url: str,
    token_file: Path,
    *,
    body: bytes | None = None,
    timeout: float,
) -> str:
    """Return what the agent answers to a GET, or to a POST of a JSON ``body``.

    Raises ``AgentSilentError`` after ``timeout`` seconds without a word, and ``AgentRefusedError``.
    """

    def question() -> str:
        headers = {
            "Authorization": f"Bearer {token_file.read_text().strip()}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - the admin's address
        with _direct.open(request, timeout=timeout) as answer:
            said: str = answer.read().decode()
        return said

    try:
        return await asyncio.get_running_loop().run_in_executor(threads, question)
    except urllib.error.HTTPError as error:
        said = error.read().decode("utf-8", "replace") or str(error)
        raise AgentRefusedError(said, error.code) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise AgentSilentError(str(error)) from error


def asker(
    url: str, token_file: Path, path: str, loads: Callable[[str], T], timeout: float = TIMEOUT
) -> Callable[[], Awaitable[T]]:
    """Return what asks the agent at ``url`` for ``path``, with the token in ``token_file``.

    ``loads`` reads the answer, and raises ``ValueError`` for what is none.
    """

    async def look() -> T:
        try:
            address = f"{url.rstrip('/')}{path}"
            return loads(await ask(LOOKS, address, token_file, timeout=timeout))
        except (AgentRefusedError, ValueError) as error:
            raise AgentSilentError(str(error)) from error

    return look
