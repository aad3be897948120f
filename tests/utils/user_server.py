"""One server of the PyTorch image without a hub: a stand-in answers what the server asks it."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any

from cli import kernel as kernels
from cli.kernel import Outcome
from tests.utils.wait import wait_until

PREFIX = "/user/alice"
TOKEN = "a-token-of-the-tests"

#: Of a person of the same room who may not use this server.
OTHER_TOKEN = "a-token-of-somebody-else"

#: Of somebody who may help in this server, as long as the stand-in has no ``/tmp/no-help``.
HELPER_TOKEN = "a-token-of-an-assistant"

#: Answers the version check, the token lookup and a login as JupyterHub 6 does, inside the
#: container; of a lease what ``/tmp/lease.json`` holds, and of any lesson what ``/tmp/lesson.json``
#: does, as our room's hub does.
HUB = f"""
import datetime, http.server, json, pathlib, time
USER = {{"kind": "user", "name": "alice", "admin": False, "groups": [], "roles": [],
        "scopes": ["access:servers!server=alice/"], "server": None, "servers": {{}}}}
OTHER = USER | {{"name": "bob", "scopes": ["access:servers!server=bob/"]}}
HELPER = USER | {{"name": "tara"}}
NO_HELP = pathlib.Path("/tmp/no-help")
LEASE = pathlib.Path("/tmp/lease.json")
ASKED = pathlib.Path("/tmp/asked")
class Hub(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/hub/room/"):
            return self.room()
        token = self.headers.get("Authorization", "").rpartition(" ")[2]
        helper = HELPER | {{"scopes": []}} if NO_HELP.exists() else HELPER
        user = {{{TOKEN!r}: USER, {OTHER_TOKEN!r}: OTHER, {HELPER_TOKEN!r}: helper}}.get(token)
        if self.path.startswith("/hub/api/oauth2/token"):
            return self.say(200, {{"access_token": {TOKEN!r}, "token_type": "Bearer"}})
        if self.path.startswith("/hub/api/user"):
            return self.say(200 if user else 403, user or {{}})
        self.say(200, {{"version": "6.1.1"}})
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()
    def room(self):
        with ASKED.open("a") as asked:
            here = " here" if self.path.endswith("here=1") else ""
            what = self.path.partition("/room/lease")[2].partition("?")[0] + here
            asked.write(f"{{self.command}} {{self.headers.get('Accept-Language')}}{{what}}\\n")
        if self.headers.get("Authorization") != "token " + {TOKEN!r}:
            return self.say(403, {{"message": "not yours"}})
        if self.path.startswith("/hub/room/lesson/"):
            lesson = pathlib.Path("/tmp/lesson.json")
            return self.say(*((200, json.loads(lesson.read_text())) if lesson.exists()
                              else (404, {{"message": "no such lesson"}})))
        if not LEASE.exists():
            return self.say(404, {{"message": "no such page"}})
        lease = json.loads(LEASE.read_text())
        if lease.get("silent"):
            return self.connection.close()
        if self.path.endswith("/cpu") and lease["extend"]:
            return self.say(200, {{"page": "/hub/room/restart/alice"}})
        if self.path.endswith(("/stay", "/keep")):
            lease["notices"] = []
            LEASE.write_text(json.dumps(lease))
        elif self.command == "POST":
            if not lease["extend"]:
                return self.say(409, {{"message": lease["why"]}})
            lease["end"] += lease["extend_seconds"]
            LEASE.write_text(json.dumps(lease))
        end = lease.pop("end")
        stamp = lambda when: datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
        self.say(200, lease | {{"ends": end and stamp(end).isoformat()}})
    def say(self, status, what):
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8081), Hub).serve_forever()
"""


def docker(*arguments: str, check: bool = True, timeout: float = 120) -> str:
    """Run ``docker`` and return what it printed; fail with its own words."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class UserServer:
    """A running container. ``options`` are of ``docker run``: a home, an environment, limits."""

    def __init__(self, image: str, *options: str) -> None:
        self.name = f"images-test-{secrets.token_hex(4)}"
        environment = {
            "JUPYTERHUB_API_TOKEN": TOKEN,
            "JUPYTERHUB_API_URL": "http://127.0.0.1:8081/hub/api",
            "JUPYTERHUB_ACTIVITY_URL": "http://127.0.0.1:8081/hub/api/users/alice/activity",
            "JUPYTERHUB_BASE_URL": "/",
            "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-alice",
            "JUPYTERHUB_SERVICE_PREFIX": f"{PREFIX}/",
            "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:8888{PREFIX}/",
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps(["access:servers!server=alice/"]),
            "JUPYTERHUB_USER": "alice",
            "HUB": HUB,
        }
        flags = [f"--env={name}={value}" for name, value in environment.items()]
        # The stand-in runs as the server's sibling; `exec` leaves tini and the server as they are.
        command = (
            'eval "${BEFORE:-true}"; (cd / && /opt/jupyter/bin/python -I -c "$HUB") & '
            "exec jupyterhub-singleuser"
        )
        docker(
            "run", "--detach", f"--name={self.name}", "--publish=127.0.0.1::8888", "--cap-drop=ALL",
            "--security-opt=no-new-privileges", *flags, *options, image, "sh", "-c", command,
        )  # fmt: skip
        self.began = time.monotonic()
        self.port = docker("port", self.name, "8888").split(":")[-1].strip()

    def __enter__(self) -> UserServer:
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "--force", "--volumes", self.name)

    def logs(self) -> str:
        return docker("logs", "--tail=60", self.name, check=False)

    def sh(self, command: str, *options: str) -> str:
        return docker("exec", *options, self.name, "sh", "-c", command)

    def api(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Ask the server's REST API; an HTTP error fails with what the server said."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{PREFIX}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error
        return json.loads(text) if text else None

    def page(self, path: str) -> str:
        """Return a page of the server's own, as the logged-in user gets it."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{PREFIX}/{path}",
            headers={"Authorization": f"token {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode()

    def lend(self, seconds: float | None, **more: Any) -> None:
        """Let the stand-in say that the lease ends in ``seconds``; None for a server without."""
        lease = {
            "granted": None,
            "units": [{"uuid": "GPU-1", "model": "NVIDIA L4", "seat": False}],
            "extend": True,
            "why": "",
            "extend_seconds": 3600,
            "notices": [],
        }
        lease |= {"end": seconds and time.time() + seconds} | more
        subprocess.run(
            ["docker", "exec", "--interactive", self.name, "sh", "-c",
             "cat > /tmp/lease.new && mv /tmp/lease.new /tmp/lease.json"],
            input=json.dumps(lease), text=True, check=True, timeout=30,
        )  # fmt: skip

    def asked(self) -> list[str]:
        """Return what the hub was asked about leases: a method and a language each."""
        return self.sh("cat /tmp/asked 2>/dev/null || true").splitlines()

    def ask(
        self, path: str, method: str = "GET", token: str = TOKEN, language: str = ""
    ) -> tuple[int, Any]:
        """Ask the server about its lease: the status, and the answer's JSON."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{PREFIX}/room/lease{path}",
            method=method,
            headers={"Authorization": f"token {token}", "Accept-Language": language},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def listens(self) -> bool:
        """Say whether the server answers anybody at all: this page asks for no user."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{PREFIX}/api", timeout=5):
                return True
        except OSError:
            return False

    def wait(self, timeout: float = 60) -> UserServer:
        """Wait until the server answers its user."""

        def answers() -> bool:
            state = docker("inspect", "--format={{.State.Running}}", self.name)
            assert "true" in state, f"the server ended:\n{self.logs()}"
            try:
                return bool(self.api("status"))
            except (OSError, AssertionError):
                return False

        wait_until(answers, timeout=timeout, explain=self.logs)
        return self

    async def run(self, code: str, kernel: str = "python3", timeout: float = 120) -> Outcome:
        """Run ``code`` in a new kernel over the WebSocket that a browser uses."""
        model = self.api("kernels", "POST", {"name": kernel})

        async def interrupt() -> None:
            self.api(f"kernels/{model['id']}/interrupt", "POST")

        connection = await kernels.connect(
            f"ws://127.0.0.1:{self.port}{PREFIX}/api/kernels/{model['id']}/channels",
            headers={"Authorization": f"token {TOKEN}"},
            origin=f"http://127.0.0.1:{self.port}",
            ssl_context=None,
            timeout=30,
            interrupt=interrupt,
        )
        try:
            await connection.ready(timeout)
            return await connection.execute(code, timeout)
        finally:
            await connection.close()
            self.api(f"kernels/{model['id']}", "DELETE")
