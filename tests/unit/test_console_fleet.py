# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""The admin's pages on GPUs and the queue, from what the hub answers."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from console.fleet import fleet
from room.settings import Settings
from tests.unit.test_console import Console, console, put, store  # noqa: F401  (fixtures)

UNIT: Mapping[str, Any] = {
    "uuid": "GPU-1", "index": 0, "model": "A100", "kind": "gpu", "parent": "", "memory_mib": 40960,
    "health": "ok", "why": "", "lease": None, "use": None,
}  # fmt: skip
LEASE = {
    "id": "l1", "user": "alice", "server": "lab", "granted": "2026-11-26T14:00:00+00:00",
    "ends": "2026-11-26T17:00:00+00:00", "ready": "2026-11-26T14:01:00+00:00",
}  # fmt: skip
USE = {"utilisation": 73.0, "memory_used_mib": 2048, "memory_total_mib": 40960, "temperature": 61.0}
TICKET = {
    "id": "t1", "user": "bob", "server": "", "class": "b", "request": "2 GPUs",
    "arrived": "2026-11-26T14:30:00+00:00", "position": 1, "of": 1,
    "at": "2026-11-26T17:00:00+00:00", "basis": "A lease ends.", "overdue": True,
}  # fmt: skip


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def answer(*units: Mapping[str, Any], queue: tuple[Mapping[str, Any], ...] = ()) -> Any:
    return fleet({"units": units, "queue": queue, "use_problem": ""})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({}, "A100, 40 GiB GPU-1 ok nobody", id="free"),
        pytest.param({"lease": LEASE}, "alice/lab ends at 2026-11-26 17:00", id="held"),
        pytest.param({"lease": {**LEASE, "ready": None}}, "alice/lab starting", id="starting"),
        pytest.param({"lease": {**LEASE, "ends": None}}, "alice/lab without an end", id="no-end"),
        pytest.param({"use": USE}, "73 % 2.0 GiB 61 °C", id="use"),
        pytest.param({"kind": "seat"}, "seat (cooperative)", id="seat"),
        pytest.param({"kind": "mig"}, "MIG instance", id="mig"),
        pytest.param({"health": "quarantined", "why": "fan <b>"}, "quarantined fan <b>", id="sick"),
    ],
)
def test_a_unit_is_shown(console: Console, more: Mapping[str, Any], words: str) -> None:
    console.hub.fleet_answer = answer({**UNIT, **more})
    console.sign_in("root")
    for path in ("admin/gpus", "admin/gpus/rows"):
        assert words in text_of(console.get(path))
    assert "<html" not in console.get("admin/gpus/rows")


def test_who_waits_is_shown(console: Console) -> None:
    console.hub.fleet_answer = answer(queue=(TICKET,))
    console.sign_in("root")
    row = "1 bob b 2 GPUs 2026-11-26 14:30 longer than the rule allows 2026-11-26 17:00 A lease"
    for path in ("admin/queue", "admin/queue/rows"):
        assert row in text_of(console.get(path))


@pytest.mark.parametrize(
    ("action", "form", "body"),
    [
        pytest.param("drain", {"unit": "GPU-1"}, {"unit": "GPU-1", "why": ""}, id="drain"),
        pytest.param("undrain", {"unit": "GPU-1"}, {"unit": "GPU-1", "why": ""}, id="undrain"),
        pytest.param(
            "quarantine", {"unit": "GPU-1", "why": " fan "}, {"unit": "GPU-1", "why": "fan"}, id="q"
        ),
        pytest.param("release", {"lease": "l1"}, {"lease": "l1"}, id="release"),
    ],
)
def test_the_hub_is_asked_in_the_admin_s_name(
    console: Console, action: str, form: dict[str, str], body: dict[str, str]
) -> None:
    session = console.sign_in("root")
    console.post(session, f"admin/gpus/{action}", **form)
    console.ask("root", "POST", f"gpus/{action}", body=form)
    assert console.hub.asked == [
        ("t-root", action, {**body, "origin": f"console {way} testclient"})
        for way in ("page", "api")
    ]


def test_who_waits_is_taken_out_once_it_was_asked(console: Console) -> None:
    console.hub.fleet_answer = answer(queue=(TICKET,))
    session = console.sign_in("root")
    assert 'href="/services/console/admin/queue/remove/t1"' in console.get("admin/queue")
    asked = console.get("admin/queue/remove/t1")
    assert "Take bob out of the queue? Place 1 of 1 Class b Asks for 2 GPUs" in text_of(asked)
    assert console.hub.asked == []
    console.post(session, "admin/queue/remove/t1")
    console.ask("root", "POST", "queue/remove", body={"ticket": "t1"})
    assert console.hub.asked == [
        ("t-root", "dequeue", {"ticket": "t1", "origin": f"console {way} testclient"})
        for way in ("page", "api")
    ]


def test_who_waits_no_more_is_said(console: Console) -> None:
    session = console.sign_in("root")
    assert "does not wait any more" in text_of(console.get("admin/queue/remove/t9"))
    console.hub.refusal = "That start does not wait any more."
    page = console.post(session, "admin/queue/remove/t9", 200)
    assert "That start does not wait any more." in text_of(page)
    refused = console.ask("root", "POST", "queue/remove", 409, {"ticket": "t9"})
    assert refused == {
        "error": {"reason": "refused", "message": "That start does not wait any more."}
    }


def test_the_shares_of_classes_are_shown_with_where_they_come_from(console: Console) -> None:
    put(console, "class/a", priority="3", gpus="2")
    console.hub.fleet_answer = answer(queue=({**TICKET, "class": "provider's"},))
    console.sign_in("root")
    page = text_of(console.get("admin/queue"))
    assert "a 3 class a (set by root) 2 class a (set by root) no limit default" in page
    assert "provider's 1 default" in page, "a class that only a provider names waits, too"
    assert "Nobody waits longer than 24h default" in page


def test_the_room_s_own_rules_are_shown_with_where_they_come_from(console: Console) -> None:
    parts = console.app.state.parts  # type: ignore[attr-defined]
    settings = Settings.model_validate({"gpus": {"queue": {"max_wait": "90m"}}})
    console.app.state.parts = replace(parts, settings=settings)  # type: ignore[attr-defined]
    console.sign_in("root")
    page = text_of(console.get("admin/queue"))
    assert "Goes first after 90m room.yaml" in page
    assert "A place is kept without a look at its page for 30m default" in page


@pytest.mark.parametrize(
    ("hours", "told"), [pytest.param("5/week", True, id="budget"), pytest.param("", False, id="no")]
)
def test_who_runs_on_a_unit_and_has_a_budget_is_granted_an_hour(
    console: Console, hours: str, told: bool
) -> None:
    if hours:
        put(console, "alice", gpu_hours=hours)
    console.hub.fleet_answer = answer({**UNIT, "lease": LEASE})
    session = console.sign_in("root")
    page = console.get("admin/gpus")
    assert ("Grant an hour" in page) is told
    assert ("of 5 used" in text_of(page)) is told
    if told:
        console.post(session, "admin/gpus/grant", user="alice")
        assert console.plans.effective("alice", ["a"]).limits["gpu_hours"].text == "6/week"
        (newest, _) = console.plans.history()
        assert (newest.action, newest.actor) == ("plan-grant", "root")
    assert 'role="alert"' in console.post(session, "admin/gpus/grant", 200, user="")


def test_a_class_sees_its_own_people_wait_and_nobody_else_s(console: Console) -> None:
    alice = {**TICKET, "id": "t2", "user": "alice", "class": "b", "position": 2, "of": 2}
    console.hub.fleet_answer = answer(queue=(TICKET, alice))
    for login in ("tina", "asta", "root"):
        console.sign_in(login)
        for path in ("class/a", "class/a/queue"):
            page = text_of(console.get(path))
            assert "2 of 2 alice 2 GPUs 2026-11-26 14:30" in page
            assert "bob" not in page
        (row,) = console.ask(login, "GET", "classes/a/queue")  # type: ignore[misc]
        assert (row["login"], row["place"], row["of"]) == ("alice", 2, 2)
        assert "class" not in row, "nor for which other class they wait"
    console.sign_in("tina")
    for login, path in (("tina", "b"), ("alice", "a"), ("bob", "b")):
        console.sign_in(login)
        console.get(f"class/{path}/queue", 404)
        console.ask(login, "GET", f"classes/{path}/queue", 404)


def test_the_interface_is_described_with_its_one_shape_of_an_error(console: Console) -> None:
    described = console.client.get("/services/console/api/openapi.json").json()
    paths = described["paths"]
    for path in ("gpus/{action}", "gpus/release", "queue/remove"):
        found = paths[f"/services/console/api/{path}"]["post"]
        refused = found["responses"]["409"]["content"]["application/json"]["schema"]
        assert refused == {"$ref": "#/components/schemas/Refused"}
        assert found["requestBody"]
    assert set(described["components"]["schemas"]["Problem"]["required"]) == {"reason", "message"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("gpus/plans", {"unit": "GPU-1"}, id="no-such-action"),
        pytest.param("gpus/drain", {"lease": "l1"}, id="no-unit"),
        pytest.param("gpus/drain", {"unit": "x" * 97}, id="too-long"),
        pytest.param("queue/remove", {}, id="no-ticket"),
    ],
)
def test_what_a_program_asks_for_wrongly_is_not_passed_on(
    console: Console, path: str, body: dict[str, str]
) -> None:
    refused: Any = console.ask("root", "POST", path, 422, body)
    assert refused["error"]["reason"] == "not-understood"
    assert console.hub.asked == []


def test_a_refusal_of_the_hub_is_said(console: Console) -> None:
    session = console.sign_in("root")
    console.hub.refusal = "That lease has ended already."
    page = console.post(session, "admin/gpus/release", 200, lease="l1")
    assert "That lease has ended already." in text_of(page)


@pytest.mark.parametrize("login", ["alice", "tina", "asta"])
def test_it_is_the_admin_s_alone(console: Console, login: str) -> None:
    session = console.sign_in(login)
    console.hub.fleet_answer = answer({**UNIT, "lease": LEASE}, queue=(TICKET,))
    pages = ("gpus", "gpus/rows", "queue", "queue/rows", "queue/remove/t1")
    for path in pages:
        console.get(f"admin/{path}", 404)
    for path in ("gpus/drain", "gpus/grant", "queue/remove/t1"):
        console.post(session, f"admin/{path}", 404, unit="GPU-1", user=login)
    for path in ("gpus", "queue"):
        console.ask(login, "GET", path, 404)
    for path, body in (
        ("gpus/drain", {"unit": "GPU-1"}),
        ("gpus/release", {"lease": "l1"}),
        ("queue/remove", {"ticket": "t1"}),
    ):
        console.ask(login, "POST", path, 404, body)
    assert console.hub.asked == []


def test_a_quarantine_needs_a_reason(console: Console) -> None:
    session = console.sign_in("root")
    page = console.post(session, "admin/gpus/quarantine", 200, unit="GPU-1", why=" ")
    assert "A quarantine needs a reason" in text_of(page)
    refused: Any = console.ask("root", "POST", "gpus/quarantine", 409, {"unit": "GPU-1"})
    assert refused["error"]["message"].startswith("A quarantine needs a reason")
    assert console.hub.asked == []


def test_another_action_or_another_page_s_form_changes_nothing(console: Console) -> None:
    session = console.sign_in("root")
    console.post(session, "admin/gpus/plans", 404, unit="GPU-1")
    form = {"_csrf": "another", "unit": "GPU-1"}
    assert console.client.post("/services/console/admin/gpus/drain", data=form).status_code == 403
    assert console.hub.asked == []


def test_a_program_of_an_admin_reads_the_same(console: Console) -> None:
    console.hub.fleet_answer = answer({**UNIT, "lease": LEASE}, queue=(TICKET,))
    found: Any = console.ask("root", "GET", "gpus")
    assert found["units"][0]["holder"] == "alice/lab"
    assert found["queue"][0]["who"] == "bob"
