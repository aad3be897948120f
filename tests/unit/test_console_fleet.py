# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""The admin's pages on GPUs and the queue, from what the hub answers."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

import pytest

from console.fleet import fleet
from tests.unit.test_console import Console, console, store  # noqa: F401  (fixtures)

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
    assert console.hub.asked == [("t-root", action, body)]


def test_a_refusal_of_the_hub_is_said(console: Console) -> None:
    session = console.sign_in("root")
    console.hub.refusal = "That lease has ended already."
    page = console.post(session, "admin/gpus/release", 200, lease="l1")
    assert "That lease has ended already." in text_of(page)


@pytest.mark.parametrize("login", ["alice", "tina", "asta"])
def test_it_is_the_admin_s_alone(console: Console, login: str) -> None:
    session = console.sign_in(login)
    for path in ("admin/gpus", "admin/gpus/rows", "admin/queue", "admin/queue/rows"):
        console.get(path, 404)
    console.post(session, "admin/gpus/drain", 404, unit="GPU-1")
    console.ask(login, "GET", "gpus", 404)
    assert console.hub.asked == []


def test_a_quarantine_needs_a_reason(console: Console) -> None:
    session = console.sign_in("root")
    page = console.post(session, "admin/gpus/quarantine", 200, unit="GPU-1", why=" ")
    assert "A quarantine needs a reason" in text_of(page)
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
