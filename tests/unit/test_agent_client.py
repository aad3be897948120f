"""The hub's questions to the agent: their time limit is the agent's, and not the hub's loop's."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from room.classdirs import ClassDir
from spawner import homes
from spawner.agent import AgentSilentError, asker
from spawner.homes import AgentClient, ClassAsk, HomeUnavailableError, Opened, OpenedClass

TOKEN = "the room's"


class Agent(BaseHTTPRequestHandler):
    """Knows alice and nobody else; says nothing about ``/silent``."""

    def do_GET(self) -> None:
        if self.path == "/silent":
            self.server.released.wait(30)
        self._say(404 if "/nobody/" in self.path else 200, {"path": self.path})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["user"].startswith("alice")
        mine = self.headers["Authorization"] == f"Bearer {TOKEN}"
        classes = [
            {
                "class_name": each["class_name"],
                "folder": f"/f up to {asked['folder']}",
                "hand_in": f"/{each['hand_in']} up to {asked['hand_in']}",
                "problem": "",
                "why": "",
            }
            for each in asked.get("classes", ())
        ]
        home = {"path": f"/homes/{asked['user']}", "classes": classes}
        self._say(200 if known and mine else 403, home)

    def _say(self, status: int, words: Any) -> None:
        body = json.dumps(words).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Agent) as server:
        server.released = threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.released.set()
        server.shutdown()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


def test_three_hundred_homes_are_opened_though_the_loop_is_busy_for_longer_than_the_limit(
    url: str, token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homes, "AGENT_TIMEOUT", 0.5)

    async def open_all() -> list[Opened]:
        client = AgentClient(url, token)
        asked = [asyncio.ensure_future(client.home(f"alice{n}")) for n in range(300)]
        await asyncio.sleep(0)
        # What is measured: the loop itself stands still.
        time.sleep(1.0)  # noqa: ASYNC251
        return list(await asyncio.gather(*asked))

    assert asyncio.run(open_all()) == [Opened(f"/homes/alice{n}") for n in range(300)]


def test_folders_of_classes_come_with_the_home_in_one_answer(url: str, token: Path) -> None:
    classes = (ClassDir("ml101", True, "all"), ClassDir("nlp", False, "own"))
    opened = asyncio.run(AgentClient(url, token).home("alice", 0, 0, ClassAsk(classes, 9, 5)))
    assert opened.classes == (
        OpenedClass("ml101", "/f up to 9", "/all up to 5", "", ""),
        OpenedClass("nlp", "/f up to 9", "/own up to 5", "", ""),
    )


def test_a_home_that_there_is_not_yet_is_told_from_an_agent_that_does_not_know(
    url: str, token: Path
) -> None:
    assert asyncio.run(AgentClient(url, token).use("nobody")) is None
    with pytest.raises(AgentSilentError):
        asyncio.run(AgentClient(url, token).use("alice"))


def test_a_home_that_the_agent_refuses_is_told_from_an_agent_that_is_away(
    url: str, token: Path
) -> None:
    with pytest.raises(HomeUnavailableError, match="refused a home for bob"):
        asyncio.run(AgentClient(url, token).home("bob"))
    with pytest.raises(HomeUnavailableError, match="does not answer"):
        asyncio.run(AgentClient("http://127.0.0.1:9", token).home("alice"))


@pytest.mark.parametrize(
    ("path", "loads"),
    [
        pytest.param("/silent", json.loads, id="no answer in time"),
        pytest.param("/v1/use", int, id="an answer that cannot be read"),
    ],
)
def test_what_cannot_be_read_in_time_is_silence(
    url: str, token: Path, path: str, loads: Any
) -> None:
    with pytest.raises(AgentSilentError):
        asyncio.run(asker(url, token, path, loads, timeout=0.2)())


def test_an_answer_is_read(url: str, token: Path) -> None:
    assert asyncio.run(asker(url, token, "/v1/use", json.loads)()) == {"path": "/v1/use"}
