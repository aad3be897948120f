"""A Docker Engine's socket with faults: forwards to the real one, and breaks what it is told to.

A rule names a request by method and path; what happens then is ``refuse`` (the engine says 500),
``drop`` (the connection ends without an answer), ``lose`` (the engine does it, its answer never
arrives), ``agree`` (the engine does nothing, and says that it did) or ``hold`` (nothing happens
until ``released``; then the request goes on as if it had only been slow, or as ``action`` says by
then). What a stream of events says comes ``late`` or ``twice``; ``cut`` ends open streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

REFUSAL = b'{"message":"the test engine refuses this"}'
AGREEMENT = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#: Seconds by which what is said comes late.
LATE = 4.0


@dataclass
class Rule:
    pattern: re.Pattern[str]
    action: str
    #: Requests that went by before the rule applies.
    skip: int = 0
    hits: int = 0
    seen: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class FaultyEngine:
    """Listens on ``path`` in a thread of its own until ``close``."""

    def __init__(self, path: Path, real: str = "/var/run/docker.sock") -> None:
        self.path = path
        self._real = real
        self._rules: list[Rule] = []
        self.requests: list[str] = []
        self._open: dict[asyncio.StreamWriter, str] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._up = threading.Event()
        self._thread.start()
        self._up.wait(10)

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def fault(self, pattern: str, action: str, skip: int = 0) -> Rule:
        """Apply ``action`` to every request whose ``METHOD /path`` matches from now on."""
        rule = Rule(re.compile(pattern), action, skip)
        self._rules.append(rule)
        return rule

    def lose_held(self) -> None:
        """End the connections that are held: what they asked for never happens."""
        for rule in self._rules:
            rule.action = "drop"
        self.heal()

    def heal(self) -> None:
        """Forget all faults; what was held goes on."""
        rules, self._rules = self._rules, []
        for rule in rules:
            rule.released.set()

    def cut(self, pattern: str) -> int:
        """End the connections on which such requests are still being answered; say how many."""
        found = [writer for writer, line in list(self._open.items()) if re.search(pattern, line)]
        for writer in found:
            self._loop.call_soon_threadsafe(writer.transport.abort)
        return len(found)

    def close(self) -> None:
        self.heal()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_unix_server(self._serve, str(self.path), limit=2**20)
        )
        self._up.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._cut())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _cut(self) -> None:
        """End what is still open, such as a stream of events; a task that is left behind would
        fail in whichever test runs when it is collected."""
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._one(reader, writer)
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request a connection, so that each one is looked at."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        line = f"{method} {re.sub(r'^/v[0-9.]+', '', path)}"
        self.requests.append(line)
        rule = self._matching(line)
        if rule is not None:
            rule.hits += 1
            rule.seen.set()
            if rule.action == "drop":
                return
            if rule.action == "refuse":
                writer.write(
                    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
                    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(REFUSAL), REFUSAL)
                )
                await writer.drain()
                return
            if rule.action == "hold":
                await self._loop.run_in_executor(None, rule.released.wait, 60)
                if rule.action == "drop":
                    return
            if rule.action == "agree":
                writer.write(AGREEMENT)
                await writer.drain()
                return
        real_reader, real_writer = await asyncio.open_unix_connection(self._real)
        real_writer.write(re.sub(rb"(?i)\r\nConnection: [^\r]*", b"", head[:-4]))
        real_writer.write(b"\r\nConnection: close\r\n\r\n")
        if rule is not None and rule.action == "lose":
            length = re.search(rb"(?i)content-length: (\d+)", head)
            real_writer.write(await reader.readexactly(int(length[1]) if length else 0))
            await real_reader.read()
            return
        self._open[writer] = line
        try:
            action = rule.action if rule is not None else ""
            await asyncio.gather(_pump(reader, real_writer), _answer(real_reader, writer, action))
        finally:
            del self._open[writer]

    def _matching(self, line: str) -> Rule | None:
        for rule in self._rules:
            if rule.pattern.search(line):
                if rule.skip:
                    rule.skip -= 1
                    continue
                return rule
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, action: str) -> None:
    """Pass an answer on, and then close; each of the engine's events is an HTTP chunk."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        if action in ("late", "twice"):
            writer.write(await reader.readuntil(b"\r\n\r\n"))
            while True:
                size = await reader.readuntil(b"\r\n")
                chunk = size + await reader.readexactly(int(size, 16) + 2)
                await asyncio.sleep(LATE if action == "late" else 0)
                writer.write(chunk * (2 if action == "twice" else 1))
        await _pump(reader, writer)
    writer.close()
