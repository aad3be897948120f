"""A GPU that does nothing is offered back to who is there; who takes it goes on with the CPU.

The cards are simulated, and what is used of them is as a file says; hub, agent and containers
are real. JupyterLab is a stub.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from agent.known import Known
from agent.servers import lister
from agent.simulated import FILE, SimulatedSource
from agent.snapshot import Sampler
from room.models import Owner
from room.store.usage_tables import lease_history
from spawner.pages import TEMPLATES
from tests.engine.conftest import Room, running_agent
from tests.utils.hub import Hub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

SOCKET = "/var/run/docker.sock"
#: Seconds.
LIMIT = 8
GPU = {"display_name": "One GPU", "slug": "gpu", "spawner_override": {"gpus": 1}}
CPU = {"display_name": "Plain", "slug": "cpu", "default": True}
PAGES = {
    "template_paths": [str(TEMPLATES)],
    "jinja_environment_options": {
        "extensions": ["spawner.i18n.Translations", "spawner.pages.Tools"]
    },
}
OFFER = (
    "The GPU of this server has done nothing for 8 s. Others may need it: you can give it back "
    "and go on with the profile Plain, without a GPU. The server restarts then: what runs ends and "
    "notebooks' variables are lost, while your files stay and your open notebooks come back."
)


class Cards:
    """A room with one card, which a file says the use of."""

    hub: Hub

    def __init__(self, room: Room, marks: Path, agent: dict[str, str]) -> None:
        self.room = room
        self._marks = marks
        self._agent = agent
        self.use(utilisation=0)

    def open(self, *profiles: dict[str, Any]) -> Cards:
        traits: dict[str, Any] = {**self._agent, "inventory_file": "", "gpu_idle": LIMIT}
        traits |= {"profile_list": list(profiles)}
        self.hub = self.room.open(traits=traits, more={"JupyterHub": PAGES})
        self.hub.add("alice", "bob")
        return self

    def use(self, **mark: Any) -> None:
        beside = self._marks.with_name("new.json")
        beside.write_text(json.dumps({"0": mark}))
        beside.replace(self._marks)

    def ask(self, user: str, what: str = "", method: str = "GET") -> httpx.Response:
        """Ask the hub as a server itself does while a page of it is seen, with its own token."""
        environment = dict(
            each.partition("=")[::2] for each in self.room.container(user).attrs["Config"]["Env"]
        )
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.hub.port}/hub/room/lease{what}",
            headers={"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"},
            timeout=30,
        )

    def notices(self, user: str = "alice") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(user).json()["notices"]
        return found

    def offered(self, user: str = "alice") -> dict[str, Any]:
        (notice,) = wait_until(
            lambda: self.notices(user), timeout=60, explain=self.hub.tail, every=0.5
        )
        return notice

    def wait_withdrawn(self) -> None:
        wait_until(lambda: not self.notices(), timeout=30, explain=self.hub.tail, every=0.5)

    def ends(self) -> list[tuple[str, str]]:
        """Return whose leases ended, and why."""
        with self.room.store.read() as connection:
            found = connection.execute(select(lease_history.c.user, lease_history.c.why))
            return [(user, why) for user, why in found]


@contextmanager
def signed_in(cards: Cards) -> Iterator[httpx.Client]:
    """Yield alice's browser, which goes nowhere by itself."""
    with httpx.Client(base_url=f"http://127.0.0.1:{cards.hub.port}", timeout=30) as http:
        http.get("/hub/login")
        form = {"username": "alice", "password": "", "_xsrf": http.cookies["_xsrf"]}
        http.post("/hub/login", data=form)
        yield http


def onward(cards: Cards, browser: httpx.Client, page: str, lab: str) -> str:
    """Return where the page of a restart leads in the end."""

    def location() -> str:
        return str(browser.get(page, params={"next": lab}).headers.get("location", ""))

    return wait_until(location, timeout=60, explain=cards.hub.tail, every=0.1)


@pytest.fixture
def cards(room: Room, tmp_path: Path) -> Iterator[Cards]:
    marks = tmp_path / FILE
    sampler = Sampler(SimulatedSource(1, marks), Known(), servers=lister(SOCKET, room.name))
    sampler.start()
    wait_until(sampler.age, timeout=10)
    with running_agent(tmp_path, sampler) as agent:
        yield Cards(room, marks, agent)
    sampler.stop()


def test_who_gives_an_unused_gpu_back_goes_on_without_and_the_next_in_line_has_it(
    cards: Cards,
) -> None:
    hub, room = cards.open(GPU, CPU).hub, cards.room
    hub.start_server("alice", {"profile": "gpu"})
    assert hub.request_start("bob", {"profile": "gpu"}).status_code in (201, 202)
    wait_until(room.tickets, timeout=30, explain=hub.tail)
    before = room.container("alice").id
    (lease,) = room.leases()

    notice = cards.offered()
    assert (notice["text"], notice["action"]) == (OFFER, "cpu")
    assert room.container("alice").id == before, "nothing happens unless somebody says so"

    answer = cards.ask("alice", "/cpu", "POST")
    assert (answer.status_code, answer.json()) == (200, {"page": "/hub/room/restart/alice"})
    hub.wait_ready("bob")
    (now,) = room.leases()
    assert (now.owner, now.units) == (Owner("bob"), lease.units)

    def restarted() -> bool:
        model = hub.model("alice")
        return bool(model and model["ready"]) and room.container("alice").id != before

    wait_until(restarted, timeout=60, explain=hub.tail)
    labels = room.container("alice").labels
    assert (labels["torchroom.profile"], labels["torchroom.gpus"]) == ("cpu", "")
    assert hub.saved_options("alice") == {"profile": "cpu"}
    assert cards.ends() == [("alice", "returned")]
    assert cards.notices() == []
    end = room.last_end("alice")
    assert end is not None
    assert not end.asked
    assert end.why.startswith("You gave its GPU back")


def test_the_page_of_the_restart_leads_to_the_start_and_back_to_the_notebook(
    cards: Cards,
) -> None:
    hub = cards.open(GPU, CPU).hub
    hub.start_server("alice", {"profile": "gpu"})
    cards.offered()
    with signed_in(cards) as browser:
        page = cards.ask("alice", "/cpu", "POST").json()["page"]
        lab = "/user/alice/lab/tree/week1.ipynb"
        first = browser.get(page, params={"next": lab})
        assert first.status_code == 200
        assert "Your server restarts without a GPU" in first.text
        start = onward(cards, browser, page, lab)
        assert start.startswith("/hub/spawn-pending/alice")
        hub.wait_ready("alice")
        ready = browser.get(start)
        assert (ready.status_code, ready.headers["location"]) == (302, lab)
        assert browser.get("/hub/room/restart/bob").status_code == 404


def test_a_restart_that_fails_says_so_and_leaves_a_way_to_start_again(cards: Cards) -> None:
    hub = cards.open(GPU, {**CPU, "spawner_override": {"cmd": ["false"]}}).hub
    hub.start_server("alice", {"profile": "gpu"})
    cards.offered()
    with signed_in(cards) as browser:
        page = cards.ask("alice", "/cpu", "POST").json()["page"]
        start = onward(cards, browser, page, "/user/alice/lab")

        def failed() -> str:
            text = browser.get(start).text
            return text if "Your server did not start" in text else ""

        said = wait_until(failed, timeout=60, explain=hub.tail, every=0.5)
        assert "Your server ended while it was starting." in said
        # "/user/alice/lab" is where alice was.
        assert 'id="start" href="/hub/spawn/alice?next=/user/alice/lab"' in said
    cards.room.wait_nothing_left()
    assert cards.ends() == [("alice", "returned")]
    hub.start_server("alice", {"profile": "gpu"})


def test_what_works_again_is_not_offered_and_who_keeps_it_is_not_asked_again(
    cards: Cards,
) -> None:
    hub = cards.open(GPU, CPU).hub
    hub.start_server("alice", {"profile": "gpu"})
    first = cards.offered()
    cards.use(utilisation=97, servers={"alice": 8000})
    cards.wait_withdrawn()
    refused = cards.ask("alice", "/cpu", "POST")
    assert refused.status_code == 409
    assert refused.json()["message"].startswith("The GPU of this server is in use again")
    # A model that lies in its memory does nothing.
    cards.use(utilisation=0, servers={"alice": 8000})
    second = cards.offered()
    assert second["id"] != first["id"]
    assert cards.ask("alice", "/keep", "POST").json()["notices"] == []
    assert cards.ask("alice", "/cpu", "POST").status_code == 409
    assert len(cards.room.leases()) == 1
    log = hub.log.read_text()
    assert log.count("The GPU of alice is unused and is offered back") == 2
