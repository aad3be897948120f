"""The floor: the same image's server without hub, proxy or spawner. No stack can be faster.

The server asks its hub twice while it boots; a stand-in in this process answers at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import docker
import httpx

from bench.harness import LIMIT
from bench.seats import PATIENCE, Seat, Times, add_one_and_one
from bench.stacks import CPU, MEMORY, remove_volumes
from cli.errors import Problem
from cli.kernel import connect

USER, PREFIX = "bench", "/user/bench/"
TOKEN = "a-token-of-the-benchmark"
_HEADERS = {"Authorization": f"token {TOKEN}"}

#: How often a booting server is asked whether it answers, in seconds; half of it is overshoot.
PROBE = 0.02

#: Calls to the engine at once: as many as there are seats, so that none waits for another.
CALLS = 40


class StandIn(BaseHTTPRequestHandler):
    """Answers what a server asks its hub: the version, and whose token this is."""

    def do_GET(self) -> None:
        scopes = [f"access:servers!server={USER}/"]
        user = {"kind": "user", "name": USER, "admin": False, "groups": [], "roles": []}
        known = self.path.startswith("/hub/api/user")
        body = json.dumps({**user, "scopes": scopes} if known else {"version": "6.1.1"}).encode()
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing: every request would be a line."""


class Floor:
    """Containers of the image, on the engine's own bridge."""

    key = LIMIT

    def __init__(self, image: str) -> None:
        self.name = "benchfloor" + secrets.token_hex(3)
        self._image = image
        self.engine = docker.from_env(max_pool_size=CALLS)
        self._pool = ThreadPoolExecutor(CALLS)
        self._hub: ThreadingHTTPServer | None = None

    async def open(self) -> None:
        bridge = self.engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
        self._hub = ThreadingHTTPServer((bridge["Gateway"], 0), StandIn)
        threading.Thread(target=self._hub.serve_forever, daemon=True).start()

    async def seats(self, count: int) -> list[Seat]:
        return [FloorSeat(self, f"{self.name}-home-{number}") for number in range(count)]

    def close(self) -> None:
        if self._hub is not None:
            self._hub.shutdown()
        for container in self.engine.containers.list(all=True, filters={"name": self.name}):
            container.remove(force=True)
        remove_volumes(f"{self.name}-home-")
        self.engine.close()
        self._pool.shutdown()

    async def call(self, function: Any, *arguments: Any, **named: Any) -> Any:
        """Run a blocking call to the engine in a thread of ours."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(function, *arguments, **named))

    def start(self, home: str) -> Any:
        """Create and start one server."""
        assert self._hub is not None, "open first"
        hub = f"http://{self._hub.server_address[0]}:{self._hub.server_port}/hub/api"
        return self.engine.containers.run(
            self._image,
            detach=True,
            name=f"{self.name}-{uuid.uuid4().hex[:8]}",
            mem_limit=MEMORY,
            memswap_limit=MEMORY,
            cpu_period=100_000,
            cpu_quota=int(CPU * 100_000),
            volumes={home: {"bind": "/home/jovyan", "mode": "rw"}},
            environment={
                "CPU_LIMIT": str(CPU),
                "JUPYTERHUB_API_TOKEN": TOKEN,
                "JUPYTERHUB_API_URL": hub,
                "JUPYTERHUB_ACTIVITY_URL": f"{hub}/users/{USER}/activity",
                "JUPYTERHUB_BASE_URL": "/",
                "JUPYTERHUB_CLIENT_ID": f"jupyterhub-user-{USER}",
                "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
                "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:8888{PREFIX}",
                "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([f"access:servers!server={USER}/"]),
                "JUPYTERHUB_USER": USER,
            },
        )


class FloorSeat:
    """One server after the other in the same home."""

    def __init__(self, floor: Floor, home: str) -> None:
        self._floor = floor
        self._home = home
        self._container: Any = None
        self._origin = ""

    async def go(self) -> Times:
        began = time.monotonic()
        await self.boot()
        ready = time.monotonic() - began
        await self.count()
        return Times(ready, time.monotonic() - began)

    async def boot(self) -> None:
        """Create the server's container and wait until it answers."""
        self._container = await self._floor.call(self._floor.start, self._home)
        await self._floor.call(self._container.reload)
        address = self._container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        self._origin = f"http://{address}:8888"
        began = time.monotonic()
        async with self._client() as http:
            while time.monotonic() - began < PATIENCE:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get("api")).is_success:
                        return
                await asyncio.sleep(PROBE)
        raise Problem(f"The server did not answer within {PATIENCE:g} s.")

    async def count(self) -> None:
        """Open JupyterLab's page and let a new notebook's kernel add one and one."""
        async with self._client() as http:
            (await http.get("lab")).raise_for_status()
            body = {"path": "x", "name": "", "type": "notebook", "kernel": {"name": "python3"}}
            session = (await http.post("api/sessions", json=body)).raise_for_status().json()
            kernel = await connect(
                f"ws{self._origin.removeprefix('http')}{PREFIX}api/kernels"
                f"/{session['kernel']['id']}/channels",
                headers=_HEADERS,
                origin=self._origin,
                ssl_context=None,
                timeout=60,
                interrupt=_no_interrupt,
            )
            await kernel.ready()
            await add_one_and_one(kernel)
            await kernel.close()

    async def cpu(self) -> float:
        """Return the CPU-seconds that the container has taken until now."""
        engine = self._floor.engine.api
        stats = await self._floor.call(
            engine.stats, self._container.id, stream=False, one_shot=True
        )
        return float(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9

    async def leave(self) -> None:
        if self._container is not None:
            await self._floor.call(self._container.remove, force=True)
            self._container = None

    def _client(self) -> httpx.AsyncClient:
        base = f"{self._origin}{PREFIX}"
        return httpx.AsyncClient(base_url=base, headers=_HEADERS, trust_env=False, timeout=60)


async def _no_interrupt() -> None:
    """No cell of the benchmark is ever interrupted."""
