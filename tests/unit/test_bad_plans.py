# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""What no plan can be is refused in words, and changes nothing, whichever way it comes.

By command, as JSON, on the page of one's limits, in a cell of the table, for many at once.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import context
from cli.errors import FAILED
from cli.plan import plan
from room.models import Reject
from room.plans.authority import Actor
from room.plans.book import Plans
from room.plans.decide import Wish, decide
from room.plans.keys import KEYS
from room.plans.model import Setting, subject
from room.settings import parse
from room.store import Store
from tests.unit.test_console import (  # noqa: F401  (fixtures)
    NOW,
    PREFIX,
    Console,
    console,
    store_with_people,
)

YESTERDAY = f"{NOW - timedelta(days=1):%Y-%m-%d}"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One database for the console and the command."""
    made = store_with_people(tmp_path)
    monkeypatch.setattr(context, "store", lambda: Store(f"sqlite:///{tmp_path / 'room.sqlite'}"))
    monkeypatch.setattr(context, "settings", lambda: parse(b"timezone: UTC\n").settings)
    monkeypatch.setenv("COLUMNS", "400")
    yield made
    made.close()


def command(*arguments: str) -> str:
    done = CliRunner().invoke(plan, arguments)
    assert "Traceback" not in done.output
    assert done.exit_code in (0, FAILED)
    return done.output


def by_command(_console: Console, limit: str, value: str, until: str = "") -> str:
    return command("set", "alice", f"{limit}={value}", *(["--until", until] if until else []))


def by_json(console: Console, limit: str, value: str, until: str = "") -> str:
    wanted = {"who": "user/alice", "limit": limit, "value": value, "until": until}
    answer = console.client.post(
        f"{PREFIX}api/limits",
        json={"limits": [wanted]},
        headers={"Authorization": "token t-root"},
    )
    assert answer.status_code in (200, 409)
    return str(answer.json().get("error", {}).get("message", ""))


def form(console: Console, path: str, hx: bool = False, **values: str) -> str:
    session = console.sign_in("root")
    headers = {"HX-Request": "true"} if hx else {}
    data = {"_csrf": session.csrf, **values}
    answer = console.client.post(PREFIX + path, data=data, headers=headers)
    assert answer.status_code in (200, 303, 409)
    return html.unescape(answer.text)


def by_page(console: Console, limit: str, value: str, until: str = "") -> str:
    return form(console, "admin/limits/user/alice", limit=limit, value=value, until=until)


def in_a_cell(console: Console, limit: str, value: str, until: str = "") -> str:
    return form(console, f"admin/cell/user/alice/{limit}", hx=True, value=value, until=until)


def for_many(console: Console, limit: str, value: str, until: str = "") -> str:
    return form(console, "admin/bulk", who="user/alice", limit=limit, value=value, until=until)


WAYS = [
    pytest.param(by_command, id="command"),
    pytest.param(by_json, id="json"),
    pytest.param(by_page, id="page"),
    pytest.param(in_a_cell, id="cell"),
    pytest.param(for_many, id="many"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        pytest.param("gpus", "-1", "'-1' does not fit", id="negative"),
        pytest.param("memory", "-4G", "'-4G' is no size", id="negative-size"),
        pytest.param("gpu_hours", "-5/week", "'-5/week' is no budget", id="negative-budget"),
        pytest.param("cpu", "NaN", "'NaN' does not fit", id="nan"),
        pytest.param("gpu_hours", "nan/week", "'nan/week' is no budget", id="nan-budget"),
        pytest.param("cpu", "1e309", "'1e309' does not fit", id="overflow"),
        pytest.param("cpu", "inf", "'inf' does not fit", id="infinite"),
        pytest.param("memory", "1e309", "'1e309' is no size", id="overflow-size"),
        pytest.param("memory", "10 XB", "'10 XB' is no size", id="unit"),
        pytest.param("session", "2 fortnights", "'2 fortnights' is no time", id="time-unit"),
        pytest.param("gpu_hours", "5/year", "'5/year' has no window that is known", id="window"),
        pytest.param("gpus", "1.5", "'1.5' does not fit", id="half-a-gpu"),
        pytest.param("gpus", "३", "does not fit", id="other-digits"),
        pytest.param("gpus", "1; DROP TABLE people", "does not fit", id="sql"),
        pytest.param("gpus", "<script>alert(1)</script>", "does not fit", id="html"),
        pytest.param("profiles", "cpu,gone", "here is no profile gone", id="profile-that-is-gone"),
    ],
)
def test_no_limit_of_it(
    console: Console, way: Callable[..., str], limit: str, value: str, words: str
) -> None:
    told = way(console, limit, value)
    assert words in " ".join(told.split())
    assert console.plans.settings() == {}
    assert console.plans.history() == ()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("until", "words"),
    [
        pytest.param("2020-01-01", "is over already", id="over"),
        pytest.param("yesterday", "says no time", id="yesterday"),
        pytest.param("1e309", "says no time", id="overflow"),
        pytest.param("-3d", "says no time", id="negative"),
        pytest.param("2026-02-30", "says no time", id="no-such-day"),
    ],
)
def test_no_end_of_it(console: Console, way: Callable[..., str], until: str, words: str) -> None:
    assert words in way(console, "gpus", "1", until)
    assert console.plans.settings() == {}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", ["10 GB", "10GB", "10GiB", "10 gib", "10G", "10240 MB"])
def test_ten_gigabytes_are_one_size_however_they_are_written(
    console: Console, way: Callable[..., str], value: str
) -> None:
    """The room counts memory in powers of two, as the kernel does, and says so in its rule."""
    way(console, "memory", value)
    assert console.plans.settings()[subject("alice"), "memory"].text == "10G"


@pytest.mark.parametrize("amount", ["-1", "NaN", "1e309", "none", "", "0", "1/week", "<b>"])
def test_nothing_is_granted_of_it(console: Console, amount: str) -> None:
    command("set", "class/a", "gpu_hours=10/week", "gpu_pot=5/week")
    before = console.plans.history()
    assert command("grant", "alice", f"gpu_hours={amount}").strip()
    for who, behalf in (("root", ""), ("tina", "a")):
        body = {"who": "alice", "amount": amount, "behalf": behalf}
        assert console.ask(who, "POST", "grants", 409, body)["error"]["message"]  # type: ignore[index]
    session = console.sign_in("tina")
    page = console.post(session, "class/a/grant", 200, user="alice", hours=amount)
    assert 'role="alert"' in page
    assert console.plans.history() == before


def test_a_grant_that_ended_yesterday_is_no_more_and_none_can_be_made(console: Console) -> None:
    past = Plans(console.plans._store, clock=lambda: NOW - timedelta(days=2))
    past.grant(subject("alice"), KEYS["gpus"], 2, NOW - timedelta(days=1), Actor("root"))
    past.set([Setting(subject("class/a"), KEYS["gpus"], "1")], Actor("root"))
    assert past.effective("alice", ["a"])["gpus"] == 3
    # By every way it is over.
    assert console.plans.effective("alice", ["a"])["gpus"] == 1
    shown = {each["name"]: each for each in console.ask("root", "GET", "limits/user/alice")}  # type: ignore[union-attr]
    assert (shown["gpus"]["value"], shown["gpus"]["origin"]) == ("1", "class a (set by root)")
    assert json.loads(command("show", "alice", "--json"))["limits"]["gpus"]["value"] == "1"
    console.sign_in("alice")
    assert re.search(r"GPUs at once.*?<td>1</td>", console.get(""), re.DOTALL)
    # And nobody makes one like it.
    body = {"who": "alice", "limit": "gpus", "amount": "+1", "until": YESTERDAY}
    assert "is over already" in str(console.ask("root", "POST", "grants", 409, body))
    assert "is over already" in command("grant", "alice", "gpus=+1", "--until", "2020-01-01")
    session = console.sign_in("tina")
    page = console.post(session, "class/a/grant", 200, user="alice", hours="+1", until=YESTERDAY)
    assert "is over already" in page
    assert console.plans.effective("alice", ["a"])["gpus"] == 1


def test_a_plan_with_a_profile_that_is_gone_is_shown_and_lets_start_what_is_left(
    console: Console,
) -> None:
    """It was set while the profile was there."""
    wanted = [Setting(subject("class/a"), KEYS["profiles"], "cpu, gone")]
    console.plans.set(wanted, Actor("root"))
    assert json.loads(command("show", "alice", "--json"))["limits"]["profiles"]["value"] == (
        "cpu, gone"
    )
    shown = {each["name"]: each["value"] for each in console.ask("root", "GET", "limits/class/a")}  # type: ignore[union-attr]
    assert shown["profiles"] == "cpu, gone"
    found = console.plans.effective("alice", ["a"])
    assert not isinstance(decide(Wish("cpu"), found), Reject)
    refused = decide(Wish("gpu"), found)
    assert isinstance(refused, Reject)
    assert "it has: cpu, gone" in refused.message
    # Another limit of the same class is set as ever, and the list can be mended.
    form(console, "admin/limits/class/a", limit="gpus", value="1", seen="")
    form(console, "admin/limits/class/a", limit="profiles", value="cpu", seen="cpu, gone")
    assert console.plans.effective("alice", ["a"]).limits["profiles"].text == "cpu"
    # By an undo the old word would come back: it is the admin's own.
    (entry, *_others) = console.plans.history()
    form(console, "admin/undo", number=str(entry.id))
    assert console.plans.effective("alice", ["a"]).limits["profiles"].text == "cpu, gone"


EXCEL = "﻿Login;Name;Class\r\nzoe;Zoë Müller;a\r\n"


def test_a_roster_of_excel_comes_in_by_page_and_json(console: Console) -> None:
    page = form(console, "admin/roster", roster=EXCEL)
    assert "1 would be added, 0 changed" in page
    assert "Zoë Müller" in page
    looked: Any = console.ask("root", "POST", "roster", body={"roster": EXCEL})
    assert [(each["login"], each["kind"]) for each in looked["changes"]] == [("zoe", "added")]
    assert looked["problems"] == []


NAME = "<img src=x onerror=alert(1)>{{ 7*7 }}"


def test_a_display_name_is_text_on_every_page(console: Console, store: Store) -> None:
    from room.people import People

    people = People(store)
    people.add("alice", name=NAME)
    people.add("tina", name=NAME)
    people.add("root", name=NAME)
    for who, paths in (
        ("alice", ["", "servers"]),
        ("tina", ["class/a", "class/a/slips"]),
        (
            "root",
            [
                "admin",
                "admin/people",
                "admin/people/alice",
                "admin/limits/user/alice",
                "admin/roster",
                "admin/history",
                "admin/audit",
                "class/a",
            ],
        ),
    ):
        console.sign_in(who)
        for path in paths:
            page = console.get(path)
            assert "<img" not in page, path
            assert "49" not in re.sub(r"[?&]v=\w+|value=\"[^\"]*\"", "", page), path
    found: Any = console.ask("root", "GET", "people?q=alice")
    assert found["people"][0]["name"] == NAME
