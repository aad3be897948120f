# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""What a real hub lets the console see and do of GPUs and of who waits for them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, select

from room.doctor import report
from room.doctor.report import Report
from room.gpus.broker import Broker
from room.gpus.events import Ticket
from room.gpus.inventory import simulated, simulated_uuid
from room.gpus.requests import GPURequest
from room.models import Owner
from room.plans.authority import Actor
from room.plans.keys import KEYS
from room.plans.model import Setting, subject
from room.store.tables import audit, usage
from tests.hub.conftest import SERVICE_TOKEN, text_of
from tests.hub.test_console import (  # noqa: F401  (fixtures)
    PREFIX,
    Console,
    chrome,
    console,
    page_of,
    signed_in,
    violations,
)
from tests.utils.facts import with_gpu
from tests.utils.wait import wait_until

#: The one who holds the only GPU, and those who wait for it in this order, by class.
HOLDER, WAITING = "root", {"carol": "dl202", "alice": "ml101"}


@pytest.fixture
def line(console: Console) -> Iterator[dict[str, Ticket]]:
    """Let a student of each class wait, and give their tickets."""
    with console.hub.store.decide() as connection:
        # What tests before have used would decide the order.
        connection.execute(delete(usage))
    broker = Broker(console.hub.store)
    broker.survey(simulated(1))
    for login in (HOLDER, *WAITING):
        # Whoever waits has been at the hub.
        console.hub.api("POST", f"/users/{login}")
    broker.submit(Owner(HOLDER), GPURequest())
    found = {
        login: broker.submit(Owner(login), GPURequest(), groups=[name])
        for login, name in WAITING.items()
    }
    # The hub asks for everyone's place twice a second at most, and did not write these itself.
    wait_until(lambda: told_places(console) == [1, 2], timeout=10, explain=console.hub.tail)
    yield {login: ticket for login, ticket in found.items() if isinstance(ticket, Ticket)}
    for each in broker.waiting():
        broker.leave(each.ticket.id)
    for lease in broker.leases():
        broker.release(lease.id)


def told_places(console: Console) -> list[int]:
    headers = {"Authorization": f"token {SERVICE_TOKEN}"}
    found = httpx.get(f"{console.hub.url}/hub/room/line", headers=headers).json()["queue"]
    return [each["position"] for each in found]


def waiting(console: Console) -> list[str]:
    return [each.ticket.owner.user for each in Broker(console.hub.store).waiting()]


def csrf_of(page: httpx.Response) -> str:
    found = re.search(r'name="_csrf" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def last_noted(console: Console) -> tuple[str, str, str]:
    with console.hub.store.read() as connection:
        row = connection.execute(select(audit).order_by(audit.c.id.desc()).limit(1)).one()
    return row.actor, row.action, row.origin


@pytest.mark.parametrize(
    ("login", "may"), [pytest.param("root", True, id="admin"), pytest.param("tina", False, id="no")]
)
def test_an_admin_s_sign_in_reaches_the_gpus_and_no_other_does(
    console: Console, login: str, may: bool
) -> None:
    with signed_in(console, login) as browser:
        assert browser.get(PREFIX).status_code == 200
        tokens = console.hub.api("GET", f"/users/{login}/tokens").json()["api_tokens"]
        (scopes,) = [each["scopes"] for each in tokens if each["oauth_client"]]
        assert ("admin:servers" in scopes) is may
        for path in ("admin/gpus", "admin/queue", "admin/doctor"):
            assert browser.get(PREFIX + path).status_code == (200 if may else 404)


def test_an_admin_takes_somebody_out_without_a_script(
    console: Console, line: dict[str, Ticket]
) -> None:
    with signed_in(console, "root") as browser:
        queue = browser.get(f"{PREFIX}admin/queue")
        assert "1 carol dl202 1 GPU" in text_of(queue)
        there = re.search(rf'href="({PREFIX}admin/queue/remove/{line["carol"].id})"', queue.text)
        assert there is not None
        asked = browser.get(there[1])
        assert "Take carol out of the queue?" in text_of(asked)
        assert waiting(console) == ["carol", "alice"], "nothing is done before the answer"
        done = browser.post(there[1], data={"_csrf": csrf_of(asked)})
        assert done.url.path == f"{PREFIX}admin/queue"
        assert "That start waits no more" in text_of(done)
        assert "1 alice ml101 1 GPU" in text_of(done)
        assert waiting(console) == ["alice"]
        assert last_noted(console) == ("root", "queue-remove", "console page 127.0.0.1")
        again = browser.post(there[1], data={"_csrf": csrf_of(asked)})
        assert "That start does not wait any more" in text_of(again)


def test_a_mark_made_on_the_page_says_so_in_the_audit(console: Console) -> None:
    unit = simulated_uuid(0)
    with signed_in(console, "root") as browser:
        form = {"_csrf": csrf_of(browser.get(f"{PREFIX}admin/gpus")), "unit": unit}
        assert "Nobody new gets it" in text_of(browser.post(f"{PREFIX}admin/gpus/drain", data=form))
        assert last_noted(console) == ("root", "gpu-drained", "console page 127.0.0.1")
        browser.post(f"{PREFIX}admin/gpus/undrain", data=form)
        assert "gpu-back" in text_of(browser.get(f"{PREFIX}admin/audit"))


def ask(console: Console, login: str, method: str, path: str, body: Any = None) -> httpx.Response:
    token = console.hub.api("POST", f"/users/{login}/tokens").json()["token"]
    headers = {"Authorization": f"token {token}"}
    url = f"{console.hub.public_url}{PREFIX}api/{path}"
    return httpx.request(method, url, headers=headers, json=body, timeout=30)


def test_a_program_of_an_admin_does_what_the_page_does(
    console: Console, line: dict[str, Ticket]
) -> None:
    unit = {"unit": simulated_uuid(0), "why": "fan"}
    assert ask(console, "root", "POST", "gpus/quarantine", unit).json() == {"done": True}
    assert last_noted(console) == ("root", "gpu-quarantined", "console api 127.0.0.1")
    (found,) = ask(console, "root", "GET", "gpus").json()["units"]
    assert (found["health"], found["why"], found["holder"]) == ("quarantined", "fan", "root")
    assert ask(console, "root", "POST", "gpus/undrain", unit).status_code == 200
    gone = ask(console, "root", "POST", "gpus/drain", {"unit": "GPU-none"})
    assert gone.status_code == 409
    assert gone.json()["error"]["message"] == "There is no unit GPU-none in this room."
    assert [each["who"] for each in ask(console, "root", "GET", "queue").json()] == list(WAITING)
    ticket = {"ticket": line["carol"].id}
    assert ask(console, "root", "POST", "queue/remove", ticket).status_code == 200
    assert waiting(console) == ["alice"]


@pytest.mark.parametrize("login", ["tina", "alice"])
def test_nobody_but_an_admin_changes_the_fleet(
    console: Console, line: dict[str, Ticket], login: str
) -> None:
    calls = {
        "gpus/drain": {"unit": simulated_uuid(0)},
        "gpus/release": {"lease": "l"},
        "queue/remove": {"ticket": line["alice"].id},
    }
    for path, body in calls.items():
        assert ask(console, login, "POST", path, body).status_code == 404
        # Nor by the way around the console.
        token = console.hub.api("POST", f"/users/{login}/tokens").json()["token"]
        room = f"{console.hub.url}/hub/room/admin/{path.replace('queue/remove', 'dequeue')}"
        direct = httpx.post(
            room.replace("/gpus/", "/"), json=body, headers={"Authorization": f"token {token}"}
        )
        assert direct.status_code == 403
    assert waiting(console) == list(WAITING)


def test_an_instructor_sees_who_of_the_own_class_waits_and_of_no_other(
    console: Console, line: dict[str, Ticket]
) -> None:
    with signed_in(console, "tina") as browser:
        page = text_of(browser.get(f"{PREFIX}class/ml101"))
        assert "2 of 2 alice 1 GPU" in page
        assert "carol" not in page
        assert "dl202" not in page
        assert "2 of 2 alice" in text_of(browser.get(f"{PREFIX}class/ml101/queue"))
        for path in ("class/dl202/queue", "admin/queue", "admin/queue/rows"):
            answer = browser.get(PREFIX + path)
            assert answer.status_code == 404
            assert "carol" not in answer.text
    (row,) = ask(console, "tina", "GET", "classes/ml101/queue").json()
    assert (row["login"], row["place"], row["of"]) == ("alice", 2, 2)
    assert ask(console, "tina", "GET", "classes/dl202/queue").status_code == 404
    assert ask(console, "alice", "GET", "classes/ml101/queue").status_code == 404


@pytest.mark.parametrize(
    ("login", "seen"),
    [
        pytest.param("tina", {"alice"}, id="instructor"),
        pytest.param("alice", {"alice"}, id="oneself"),
        pytest.param("root", {"alice", "carol"}, id="admin"),
    ],
)
def test_the_hub_itself_tells_of_those_whose_servers_the_asker_may_see(
    console: Console, line: dict[str, Ticket], login: str, seen: set[str]
) -> None:
    with signed_in(console, login) as browser:
        browser.get("/hub/home")
    token = console.hub.api("POST", f"/users/{login}/tokens").json()["token"]
    url, headers = f"{console.hub.url}/hub/room/line", {"Authorization": f"token {token}"}
    found = httpx.get(url, headers=headers)
    assert {each["user"] for each in found.json()["queue"]} == seen
    assert httpx.get(url).status_code == 403


def test_doctor_tells_what_the_hub_knows_and_what_root_left(console: Console, page_of: Any) -> None:
    left = Report(time.time() - 3 * 86400, "doctor", with_gpu(toolkit=""))
    (console.hub.directory / "state" / report.NAME).write_text(report.dumps(left))
    page = page_of("root", path="admin/doctor")
    # This hub is not the room's own, which compares them every minute.
    assert "Leases and containers were not compared since the hub started" in page.inner_text(
        "main"
    )
    assert "3 days ago, by room doctor" in page.inner_text("main")
    assert "NVIDIA's Container Toolkit is missing" in page.inner_text("main")
    assert violations(page) == []
    fresh = Report(time.time(), "doctor", with_gpu())
    (console.hub.directory / "state" / report.NAME).write_text(report.dumps(fresh))
    page.get_by_role("button", name="Look again").press("Enter")
    page.get_by_text("0 min ago, by room doctor").wait_for()
    assert "NVIDIA's Container Toolkit is missing" not in page.inner_text("main")
    token = console.hub.api("POST", "/users/tina/tokens").json()["token"]
    headers = {"Authorization": f"token {token}"}
    assert httpx.get(f"{console.hub.url}/hub/room/admin/live", headers=headers).status_code == 403


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_an_admin_changes_a_share_where_the_queue_is(
    console: Console, line: dict[str, Ticket], page_of: Any, locale: str
) -> None:
    console.plans.set([Setting(subject("class/ml101"), KEYS["priority"], None)], Actor("root"))
    page = page_of("root", locale, "admin/queue")
    assert violations(page) == []
    cell = page.locator("td[id$='ml101-priority']")
    assert cell.inner_text() == "1"
    cell.locator("a").press("Enter")
    field = cell.locator("input[name='value']")
    field.fill("2")
    field.press("Enter")
    why = page.locator("td[id$='ml101-priority-why']", has_text="root")
    why.wait_for()
    assert cell.inner_text() == "2"
    told = "It holds for those who wait, too." if locale == "en-US" else "对正在等待的人也立即生效"
    assert told in page.locator("#notes").inner_text()
    assert violations(page) == []
    assert console.plans.weights() == {"ml101": 2.0}


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_an_hour_is_granted_to_who_runs_on_a_unit(
    console: Console, line: dict[str, Ticket], page_of: Any, locale: str
) -> None:
    broker = Broker(console.hub.store)
    broker.survey(simulated(1))
    broker.leave(line["carol"].id)
    for lease in broker.leases():
        broker.release(lease.id)
    assert broker.leases()[0].owner.user == "alice"
    page = page_of("root", locale, "admin/gpus")
    row = page.locator("tr", has_text="alice")
    before = float(row.locator("meter").get_attribute("max"))
    assert violations(page) == []
    row.locator("form[action$='grant'] button").press("Enter")
    page.wait_for_url("**/admin/gpus?said=granted")
    assert float(row.locator("meter").get_attribute("max")) == before + 1
