"""A real hub process with RoomSpawner, driven over REST as a person's browser drives it.

The proxy is a dictionary: what these tests are about is hub, spawner and engine.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.utils.wait import wait_until

TOKEN = "t" * 32

CONFIG = '''
import json, os
from jupyterhub.auth import DummyAuthenticator
from pathlib import Path
from spawner import admin, admission, pages
from jupyterhub.proxy import Proxy

class DictProxy(Proxy):
    """Routes that nobody asks for."""
    should_start = False
    routes = {}
    async def add_route(self, routespec, target, data):
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}
    async def delete_route(self, routespec):
        self.routes.pop(routespec, None)
    async def get_all_routes(self):
        return dict(self.routes)

c = get_config()
options = json.loads(os.environ["TEST_HUB"])
if "TEST_MEMINFO" in os.environ:
    admission.MEMINFO = Path(os.environ["TEST_MEMINFO"])
c.JupyterHub.authenticator_class = DummyAuthenticator
c.DummyAuthenticator.allow_all = True
c.JupyterHub.proxy_class = DictProxy
c.JupyterHub.extra_handlers = [*pages.routes(), *admin.routes()]
c.JupyterHub.hub_bind_url = "http://0.0.0.0:%d" % options["port"]
c.JupyterHub.hub_connect_url = "http://%s:%d" % (options["host"], options["port"])
c.JupyterHub.bind_url = "http://127.0.0.1:%d" % (options["port"] + 1)
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.cleanup_servers = False
c.JupyterHub.allow_named_servers = True
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0, "slow_stop_timeout": 1}
c.JupyterHub.services = [{"name": "tests", "api_token": options["token"]}]
c.JupyterHub.load_roles = [
    {"name": "tests", "services": ["tests"],
     "scopes": ["admin:users", "admin:servers", "list:users", "read:servers",
                "admin:groups", "tokens"]}
]
c.JupyterHub.spawner_class = options.get("spawner", "torchroom")
c.Spawner.http_timeout = 60
c.Spawner.poll_interval = 1
for owner, traits in options["traits"].items():
    for name, value in traits.items():
        setattr(c[owner], name, value)
'''


def free_port() -> int:
    """Return a port whose successor is free too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return int(port)


class Hub:
    """A hub in ``directory``; ``traits`` are set on the classes they are listed under."""

    def __init__(
        self,
        directory: Path,
        traits: Mapping[str, Mapping[str, Any]],
        *,
        host: str,
        environment: Mapping[str, str] | None = None,
        spawner: str = "torchroom",
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self.log = directory / "hub.log"
        self._options = {
            "port": self.port,
            "host": host,
            "token": TOKEN,
            "traits": {k: dict(v) for k, v in traits.items()},
            "spawner": spawner,
        }
        self._environment = dict(environment or {})
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/hub/api",
            headers={"Authorization": f"token {TOKEN}"},
            timeout=30,
        )
        (directory / "config.py").write_text(CONFIG)

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "spawner.app", "--config", "config.py"],
                cwd=self.directory,
                env={
                    **os.environ,
                    **self._environment,
                    "TEST_HUB": json.dumps(self._options),
                    "PYTHONPATH": str(Path(__file__).parents[2]),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._answers, timeout=60, explain=self.tail)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.tail()
        try:
            return self.http.get("/").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """End the hub without a word, as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the hub as compose does."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=40)

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text().splitlines()[-lines:]) if self.log.exists() else ""

    # -- what a person does --------------------------------------------------------------------

    def add(self, *users: str) -> None:
        """Make these users; one that is there already is fine."""
        for user in users:
            answer = self.http.post(f"/users/{user}")
            assert answer.status_code in (201, 409), answer.text

    def path(self, user: str, server: str = "") -> str:
        return f"/users/{user}/servers/{server}" if server else f"/users/{user}/server"

    def request_start(self, user: str, options: Any = None, server: str = "") -> httpx.Response:
        """Ask for a start; the answer may come before it is over."""
        if options is None:
            return self.http.post(self.path(user, server))
        return self.http.post(self.path(user, server), json={"user_options": options})

    def request_stop(self, user: str, server: str = "") -> httpx.Response:
        return self.http.delete(self.path(user, server))

    def model(self, user: str, server: str = "") -> dict[str, Any] | None:
        """Return what the hub says of a server, ``None`` when it lists none."""
        answer = self.http.get(f"/users/{user}?include_stopped_servers").json()
        found: dict[str, Any] | None = answer["servers"].get(server)
        return found if found and (found["ready"] or found["pending"]) else None

    def saved_options(self, user: str) -> dict[str, Any]:
        answer = self.http.get(f"/users/{user}?include_stopped_servers").json()
        return dict(answer["servers"].get("", {}).get("user_options") or {})

    def start_server(self, user: str, options: Any = None, server: str = "") -> dict[str, Any]:
        """Start a server and return the hub's model of it once it is ready."""
        answer = self.request_start(user, options, server)
        assert answer.status_code in (201, 202), answer.text
        return self.wait_ready(user, server)

    def wait_ready(self, user: str, server: str = "") -> dict[str, Any]:
        """Return the hub's model of a server once it is ready."""

        def ready() -> dict[str, Any] | None:
            found = self.model(user, server)
            return found if found and found["ready"] else None

        return wait_until(ready, timeout=60, explain=self.tail)

    def stop_server(self, user: str, server: str = "") -> None:
        answer = self.request_stop(user, server)
        assert answer.status_code in (202, 204), answer.text
        self.wait_stopped(user, server)

    def wait_stopped(self, user: str, server: str = "") -> None:
        wait_until(lambda: self.model(user, server) is None, timeout=60, explain=self.tail)

    def events(self, user: str, server: str = "") -> list[dict[str, Any]]:
        """Return the progress events of a start, to its end."""
        return list(self.follow(user, server))

    def follow(self, user: str, server: str = "") -> Iterator[dict[str, Any]]:
        """Yield the progress events of a start as they come."""
        path = self.path(user, server) + "/progress"
        with self.http.stream("GET", path, timeout=90) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    def admin(self, what: str, body: Any = None) -> dict[str, Any]:
        """Ask what ``room gpu`` asks; with ``body``, tell it to do something."""
        answer = self.ask_admin(what, body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ask_admin(self, what: str, body: Any = None) -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}/hub/room/admin/{what}"
        return self.http.get(url) if body is None else self.http.post(url, json=body)

    def to_cpu(self, user: str, server: str = "") -> httpx.Response:
        """Ask that a start which waits for a GPU goes on without one."""
        return self.http.post(f"http://127.0.0.1:{self.port}/hub/room/queue/cpu/{user}/{server}")

    @contextmanager
    def browser(self, user: str) -> Iterator[Browser]:
        """Yield somebody's browser, logged in."""
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30) as http:
            made = Browser(user, http)
            made.log_in()
            yield made

    def wait_failed(self, user: str, server: str = "") -> str:
        """Wait until a start has failed; return the words on its progress stream."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            events = self.events(user, server)
            failed = [event for event in events if event.get("failed")]
            if failed:
                return str(failed[-1]["message"])
        raise AssertionError(f"the start of {user} did not fail\n{self.tail()}")


class Browser:
    """What a page does that no REST client does: cookies and forms."""

    def __init__(self, user: str, http: httpx.Client) -> None:
        self.user = user
        self._http = http

    def log_in(self) -> None:
        self._submit("/hub/login", {"username": self.user, "password": ""})

    def page(self, path: str) -> str:
        """Return a page as HTML."""
        answer = self._http.get(path, follow_redirects=True)
        answer.raise_for_status()
        return answer.text

    def start(self, form: Mapping[str, str]) -> None:
        """Fill in the start page."""
        self._submit("/hub/spawn", form)

    def place(self) -> tuple[int, int]:
        """Look at the progress page until it says the place in the queue; then close it."""
        path = f"/hub/api/users/{self.user}/server/progress"
        params = {"_xsrf": self._http.cookies["_xsrf"]}
        with self._http.stream("GET", path, params=params, timeout=60) as stream:
            for line in stream.iter_lines():
                waiting = line.startswith("data:") and json.loads(line[5:]).get("waiting")
                if waiting:
                    return waiting["position"], waiting["of"]
        raise AssertionError(f"the stream of {self.user} said no place")

    def _submit(self, path: str, form: Mapping[str, str]) -> None:
        self._http.get(path).raise_for_status()
        xsrf = {"_xsrf": self._http.cookies["_xsrf"]}
        answer = self._http.post(path, data={**form, **xsrf})
        assert answer.status_code in (200, 302), answer.text
