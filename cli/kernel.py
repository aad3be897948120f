"""A kernel of a student's server, over the WebSocket that JupyterLab uses."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cli import wire
from cli.errors import Problem

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

#: A plot or a table in one message may be large; above this something is wrong.
MAX_FRAME = 64 * 1024**2


@dataclass(slots=True)
class Outcome:
    """What one execution printed, showed and returned."""

    #: ``ok``, ``error`` or ``aborted``, as the kernel says it; empty until it did.
    status: str = ""
    stdout: str = ""
    stderr: str = ""
    #: Every plot, table and result: MIME type → data, in order.
    shown: list[Mapping[str, Any]] = field(default_factory=list)
    #: The exception's name and words, and its traceback's lines.
    error: str = ""
    traceback: tuple[str, ...] = ()
    seconds: float = 0.0
    idle: bool = False

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def done(self) -> bool:
        """Both the reply and the idle status are in: nothing more will come."""
        return bool(self.status) and self.idle

    @property
    def result(self) -> str:
        """The last value shown, as text; empty when there was none."""
        for bundle in reversed(self.shown):
            if "text/plain" in bundle:
                return str(bundle["text/plain"])
        return ""

    def add(self, message: wire.Message) -> None:
        """Take in one message that the execution caused."""
        content = message.content
        if message.kind == "stream":
            if content.get("name") == "stderr":
                self.stderr += content["text"]
            else:
                self.stdout += content["text"]
        elif message.kind in {"display_data", "execute_result"}:
            self.shown.append(content["data"])
        elif message.kind == "error":
            self.error = f"{content['ename']}: {content['evalue']}"
            self.traceback = tuple(content.get("traceback", ()))
        elif message.kind == "execute_reply":
            self.status = content["status"]
        elif message.kind == "status" and content.get("execution_state") == "idle":
            self.idle = True


class Kernel:
    """One open connection to a running kernel. One execution at a time."""

    def __init__(
        self,
        connection: ClientConnection,
        session: str,
        interrupt: Callable[[], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._session = session
        self.interrupt = interrupt

    async def ready(self, timeout: float = 60.0) -> None:
        """Wait until the kernel has answered once. ``timeout`` in seconds."""
        asked = wire.request("kernel_info_request", {}, self._session)
        await self._connection.send(wire.pack(asked))
        deadline = time.monotonic() + timeout
        while True:
            message = await self._receive(deadline, "The kernel did not answer", timeout)
            if message.kind == "kernel_info_reply" and message.answers(asked):
                return

    async def execute(self, code: str, timeout: float = 300.0) -> Outcome:
        """Run ``code`` and return what came of it, an error of the code's own included.

        Raises ``Problem`` when the kernel dies, the connection breaks or
        ``timeout`` seconds pass; the code may then still be running.
        """
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        asked = wire.request("execute_request", content, self._session)
        began = time.monotonic()
        await self._connection.send(wire.pack(asked))
        outcome = Outcome()
        while not outcome.done:
            message = await self._receive(
                began + timeout, f"{_first_line(code)!r} did not finish", timeout
            )
            _check_alive(message)
            if message.answers(asked):
                outcome.add(message)
        outcome.seconds = time.monotonic() - began
        return outcome

    async def close(self) -> None:
        """Close the connection; the kernel itself goes on."""
        await self._connection.close()

    async def _receive(self, deadline: float, words: str, allowed: float) -> wire.Message:
        from websockets.exceptions import ConnectionClosed

        try:
            frame = await asyncio.wait_for(
                self._connection.recv(decode=False), deadline - time.monotonic()
            )
        except asyncio.TimeoutError as error:
            raise Problem(
                f"{words} within {allowed:g} s.",
                "See whether the machine is overloaded, then try again: room status",
            ) from error
        except ConnectionClosed as error:
            raise Problem(
                f"The connection to the kernel broke off ({error}).",
                "The student's server or the proxy went away: see room logs.",
            ) from error
        return wire.unpack(frame)


async def connect(
    url: str,
    *,
    headers: Mapping[str, str],
    origin: str,
    ssl_context: Any,
    timeout: float,
    interrupt: Callable[[], Awaitable[None]],
) -> Kernel:
    """Open the WebSocket at ``url`` and return the kernel behind it.

    ``headers`` carry the cookies of a browser; ``timeout`` is in seconds.
    Raises ``Problem`` when the connection is refused or not made in time.
    """
    from websockets.asyncio.client import connect as open_websocket
    from websockets.exceptions import InvalidHandshake
    from websockets.typing import Origin, Subprotocol

    session = uuid.uuid4().hex
    separator = "&" if "?" in url else "?"
    try:
        connection = await open_websocket(
            f"{url}{separator}session_id={session}",
            additional_headers=dict(headers),
            origin=Origin(origin),
            ssl=ssl_context if url.startswith("wss:") else None,
            subprotocols=[Subprotocol(wire.SUBPROTOCOL)],
            open_timeout=timeout,
            max_size=MAX_FRAME,
            proxy=None,
        )
    except (InvalidHandshake, OSError, TimeoutError, asyncio.TimeoutError) as error:
        raise Problem(
            f"The kernel's WebSocket was not opened ({error or 'no answer'}).",
            "A proxy between here and the room must pass WebSockets on: see room doctor.",
        ) from error
    if connection.subprotocol != wire.SUBPROTOCOL:
        await connection.close()
        raise Problem(
            f"The server does not speak {wire.SUBPROTOCOL}.",
            "The image's jupyter-server must be 2.0 or newer.",
        )
    return Kernel(connection, session, interrupt)


def _check_alive(message: wire.Message) -> None:
    state = message.content.get("execution_state") if message.kind == "status" else None
    if state in {"dead", "restarting", "autorestarting"}:
        raise Problem(
            "The kernel died while it was working.",
            "The usual reason is memory: choose a profile with more, or use smaller data.",
        )


def _first_line(code: str) -> str:
    lines = code.strip().splitlines() or [""]
    return lines[0][:60]
