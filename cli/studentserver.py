"""A student's server, as the student's browser uses it: start, files, kernels, stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cli import wire
from cli.errors import Problem
from cli.kernel import Kernel, connect
from cli.student import FETCH, NAVIGATE

if TYPE_CHECKING:
    from cli.student import Student

#: How often a question that has no event stream is asked again, in seconds.
POLL = 0.1

#: What an interrupted event stream waits before it opens again; a browser takes about as long.
RECONNECT = 0.3


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a start, as the progress page shows it."""

    #: Since the start was asked for.
    seconds: float
    percent: float
    message: str
    ready: bool = False
    #: The whole event: a room adds keys of its own.
    event: Mapping[str, Any] = field(default_factory=dict)


class Server:
    """One server of one student. Files and kernels open it first, as a page in a browser would."""

    def __init__(self, student: Student, name: str) -> None:
        self.student = student
        self.name = name
        #: Whether the OAuth dance was done since the server was started.
        self._opened = False
        owner = quote(student.name, safe="@")
        self.base = f"user/{owner}/" + (f"{quote(name)}/" if name else "")
        self._hub = f"users/{owner}/server" + (f"s/{quote(name)}" if name else "")

    async def start(self, options: Mapping[str, Any] | None = None) -> AsyncIterator[Stage]:
        """Ask for the server and yield each stage of its start; ends when it is ready.

        ``options`` are what the start page would send; None means the last
        ones again. Raises ``Problem`` when the start is refused, fails, or
        takes longer than the student's ``timeouts.start``.
        """
        began = time.monotonic()
        self._opened = False
        post = asyncio.ensure_future(self._post(options))
        last = "nothing yet"
        try:
            async for event in self._events(post, began):
                stage = _stage(event, began)
                last = stage.message or last
                if event.get("failed"):
                    raise Problem(f"The start failed: {failure(stage.message)}.")
                yield stage
                if stage.ready:
                    await post
                    return
        except asyncio.TimeoutError as error:
            raise Problem(
                f"The server was not ready within {self.student.timeouts.start:g} s "
                f"(last step seen: {last}).",
                "See room logs hub for what it is waiting for.",
            ) from error
        finally:
            post.cancel()
            await asyncio.wait([post])
            if not post.cancelled():
                post.exception()  # retrieved: its words were told above, or do not matter

    async def ready(self, options: Mapping[str, Any] | None = None) -> list[Stage]:
        """Start the server, wait until it is ready, and return the stages it went through."""
        return [stage async for stage in self.start(options)]

    async def model(self) -> dict[str, Any] | None:
        """Return what the hub knows about this server, or None when it does not run."""
        me = await self.student.api("The list of servers", "GET", "user")
        found = me.json().get("servers", {}).get(self.name)
        return dict(found) if found else None

    async def stop(self) -> float:
        """Stop the server, wait until it is gone, and return the seconds that took."""
        began = time.monotonic()
        allowed = self.student.timeouts.stop
        await self.student.api("Stopping the server", "DELETE", self._hub)
        while (model := await self.model()) is not None:
            if time.monotonic() - began > allowed:
                raise Problem(
                    f"The server was still there {allowed:g} s after it was told to stop "
                    f"(the hub says: {model.get('pending') or 'running'}).",
                    "See room logs hub.",
                )
            await asyncio.sleep(POLL)
        return time.monotonic() - began

    async def open(self, page: str = "lab") -> str:
        """Open a page of the server through proxy and OAuth; return the page's HTML."""
        answer = await self.student.ask(
            "Opening the server", "GET", self.base + page, headers=NAVIGATE
        )
        if not answer.url.path.startswith("/" + self.base):
            raise Problem(
                f"Opening the server led to {answer.url.path} instead.",
                "The server is not running, or it belongs to someone else.",
            )
        self._opened = True
        return answer.text

    async def read(self, path: str) -> dict[str, Any]:
        """Return a file or notebook of the home, in the form of Jupyter's contents API."""
        answer = await self._api(f"Reading {path}", "GET", f"contents/{quote(path)}?content=1")
        return dict(answer.json())

    async def write(self, path: str, text: str) -> None:
        """Write a text file into the home."""
        body = {"type": "file", "format": "text", "content": text}
        await self._api(f"Writing {path}", "PUT", f"contents/{quote(path)}", json=body)

    async def write_notebook(self, path: str, content: Mapping[str, Any]) -> None:
        """Write a notebook into the home; ``content`` is what its file holds."""
        body = {"type": "notebook", "format": "json", "content": dict(content)}
        await self._api(f"Writing {path}", "PUT", f"contents/{quote(path)}", json=body)

    async def remove(self, path: str) -> None:
        """Remove a file of the home."""
        await self._api(f"Removing {path}", "DELETE", f"contents/{quote(path)}")

    @asynccontextmanager
    async def kernel(self, path: str = "", name: str = "python3") -> AsyncIterator[Kernel]:
        """Yield a kernel for the notebook at ``path``, and end it after."""
        wanted = {"path": path or "scratch", "name": path, "type": "notebook"}
        answer = await self._api(
            "Starting a kernel", "POST", "sessions", json={**wanted, "kernel": {"name": name}}
        )
        session = answer.json()
        try:
            kernel = await self._connect(session["kernel"]["id"])
            try:
                await kernel.ready()
                yield kernel
            finally:
                await kernel.close()
        finally:
            # The server may be gone by now, which has ended its kernels too.
            with suppress(Problem):
                await self._api("Ending the kernel", "DELETE", f"sessions/{session['id']}")

    async def _connect(self, kernel_id: str) -> Kernel:
        student = self.student
        path = f"{self.base}api/kernels/{kernel_id}/channels"

        async def interrupt() -> None:
            await self._api("Interrupting the kernel", "POST", f"kernels/{kernel_id}/interrupt")

        return await connect(
            "ws" + student.url(path).removeprefix("http"),
            headers={
                **student.cookies_for(path),
                **student.xsrf_header(self.base),
                "Sec-Fetch-Mode": "websocket",
                "Sec-Fetch-Site": "same-origin",
            },
            origin=student.origin,
            ssl_context=student.ssl_context,
            timeout=student.timeouts.request,
            interrupt=interrupt,
        )

    async def _api(self, what: str, method: str, path: str, **how: Any) -> Any:
        if not self._opened:
            await self.open()
        return await self.student.ask(what, method, f"{self.base}api/{path}", xsrf=self.base, **how)

    async def _post(self, options: Mapping[str, Any] | None) -> None:
        import httpx

        # The hub may hold this request until the start is done.
        waiting = httpx.Timeout(self.student.timeouts.start, connect=10)
        body = {} if options is None else {"json": {"user_options": dict(options)}}
        await self.student.api("The start", "POST", self._hub, timeout=waiting, **body)

    async def _events(self, post: asyncio.Future[None], began: float) -> AsyncIterator[dict]:
        """Yield the events of the start, over as many streams as it takes.

        The hub knows of the start a moment after it was asked, and may be
        restarted while it goes on: until one of its events says that the
        start ended, the stream is opened again, as a browser does.
        """
        deadline = began + self.student.timeouts.start
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise asyncio.TimeoutError
            asked_before = post.done()
            if asked_before:
                await post  # a refusal is in it
            async for event in self._stream(deadline):
                if event.get("failed") and not asked_before:
                    break  # the hub may not have taken this start up yet: that was the last one
                yield event
            # A stream that was opened after the answer and had no end to tell
            # finds no start at all: the hub forgot it, or it never began.
            if asked_before and not await self._pending():
                raise Problem(
                    "The start ended without a server and without a reason.",
                    "See room logs hub; if the hub was restarted, start again.",
                )
            await asyncio.wait([post], timeout=min(RECONNECT, left))

    async def _stream(self, deadline: float) -> AsyncIterator[dict]:
        import httpx

        student = self.student
        url = student.url(f"hub/api/{self._hub}/progress")
        headers = {**FETCH, **student.xsrf_header("hub/"), "Accept": "text/event-stream"}
        quiet = httpx.Timeout(student.timeouts.request, connect=student.timeouts.connect)
        try:
            async with student.http.stream("GET", url, headers=headers, timeout=quiet) as answer:
                if answer.status_code >= 400:
                    return
                lines = answer.aiter_lines()
                while True:
                    left = deadline - time.monotonic()
                    line = await asyncio.wait_for(anext(lines), max(left, 0))
                    event = wire.event(line)
                    if event is not None:
                        yield event
        except (StopAsyncIteration, httpx.HTTPError):
            return

    async def _pending(self) -> bool:
        model = await self.model()
        return model is not None and bool(model.get("pending") or model.get("ready"))


def failure(message: str) -> str:
    """Return the reason in a failed event, without the hub's own heading and full stop."""
    return message.removeprefix("Spawn failed").strip(" :.") or "no reason was given"


def _stage(event: Mapping[str, Any], began: float) -> Stage:
    return Stage(
        seconds=time.monotonic() - began,
        percent=float(event.get("progress", 0)),
        message=str(event.get("message", "")),
        ready=bool(event.get("ready")),
        event=dict(event),
    )
