"""A real hub with our login and our pages, and people who use it over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from room.gpus.inventory import dumps, simulated
from room.people import People
from room.store import Store, migrate
from tests.utils.hub import free_port
from tests.utils.wait import wait_until

ROOT = Path(__file__).parents[2]
SERVICE_TOKEN = "s" * 32
MIB = 1024**2
#: What a spawner knows of a home that is at its limit: the script's ``home``.
FULL_HOME = {
    "used": 97 * MIB,
    "files": 3,
    "soft": 80 * MIB,
    "hard": 100 * MIB,
    "exact": True,
    "enforced": True,
    "measured_at": "2026-09-01T08:00:00+00:00",
    "largest": [["work/<b>data.bin", 90 * MIB]],
    "disk_free": 10**12,
}
BROWSER = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin", "User-Agent": "tests"}


class Hub:
    """A hub process in ``directory`` with the settings of a ``room.yaml``."""

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, Any] | None = None,
        *,
        trusted: tuple[str, ...] = (),
        console: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.port, self.public_port = free_port(), free_port()
        #: The proxy's address, for a browser; the hub's own is for tests that are the proxy.
        self.public_url = f"http://127.0.0.1:{self.public_port}"
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / "hub.log"
        (directory / "state").mkdir()
        self.store = Store(f"sqlite:///{directory / 'state' / 'torchroom.sqlite'}")
        migrate.upgrade(self.store)
        self.people = People(self.store)
        (directory / "inventory.json").write_text(dumps(simulated(1)))
        self.process: subprocess.Popen[bytes] | None = None
        self._options = {
            "port": self.port,
            "public_port": self.public_port,
            "token": SERVICE_TOKEN,
            "trusted": list(trusted),
            "console": dict(console or {}),
            "settings": {
                "data_root": str(directory),
                "address": self.public_url,
                **(settings or {}),
            },
        }
        self.script({})

    def script(self, script: Mapping[str, Any]) -> None:
        """Say how the next start goes: see ``ScriptedSpawner``."""
        new = self.directory / "script.new"
        new.write_text(json.dumps(script))
        new.replace(self.directory / "script.json")

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jupyterhub",
                    "--config",
                    str(ROOT / "tests/hub/hub_config.py"),
                ],
                cwd=self.directory,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "TEST_HUB": json.dumps(self._options),
                    "TEST_SCRIPT": str(self.directory / "script.json"),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._answers, timeout=60, explain=self.tail)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.tail()
        try:
            return httpx.get(f"{self.url}/hub/api/health").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=40)

    def close(self) -> None:
        self.stop()
        self.store.close()

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text().splitlines()[-lines:]) if self.log.exists() else ""

    def api(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Ask the hub as an admin's service does."""
        headers = {"Authorization": f"token {SERVICE_TOKEN}"}
        return httpx.request(
            method, f"{self.url}/hub/api{path}", headers=headers, timeout=30, **kwargs
        )

    def person(self, login: str, *classes: str, admin: bool = False, **link: Any) -> str:
        """Let somebody in and return their token."""
        self.people.add(login, classes, admin=admin)
        return str(self.people.link(login, **link))


class Browser(httpx.Client):
    """What a browser does of itself: keeps cookies, follows redirects, sends Sec-Fetch headers."""

    def __init__(self, hub: Hub, **headers: str) -> None:
        super().__init__(
            base_url=hub.url,
            headers={**BROWSER, **headers},
            follow_redirects=True,
            timeout=30,
        )

    def xsrf(self, url: str = "/hub/login") -> str:
        return re.search(r'name="_xsrf" value="([^"]+)"', self.get(url).text).group(1)

    def log_in(self, token: str, *, next_url: str = "", **fields: str) -> httpx.Response:
        """Open the login page and send its form, as its script or a person does."""
        url = f"/hub/login?next={next_url}" if next_url else "/hub/login"
        form = {"_xsrf": self.xsrf(url), "token": token, **fields}
        return self.post(url, data=form)

    def who(self) -> str | None:
        """Return whose session this is."""
        answer = self.get("/hub/home", follow_redirects=False)
        if answer.status_code != 200:
            return None
        return re.search(r'class="who"[^>]*>([^<]+)<', answer.text).group(1)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self._silent += tag in ("script", "style", "title")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style", "title")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def text_of(answer: httpx.Response | str) -> str:
    """Return what a person reads on a page, with single blanks."""
    parser = _Text()
    parser.feed(answer if isinstance(answer, str) else answer.text)
    return " ".join(" ".join(parser.words).split())


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub for one module's tests; each uses people of its own."""
    made = Hub(tmp_path_factory.mktemp("hub"), trusted=("127.0.0.1",))
    made.start()
    yield made
    made.close()


@pytest.fixture
def browser(hub: Hub) -> Iterator[Browser]:
    with Browser(hub) as made:
        yield made
