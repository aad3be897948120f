# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""The console's page on what is wrong, from what the hub knows and what root left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.doctor_pages import ago
from console.parts import Parts
from room.doctor import report
from room.doctor.facts import GPUs
from room.doctor.live import Host, Live
from room.settings import Settings
from tests.unit.test_console import Console, console, store  # noqa: F401  (fixtures)
from tests.unit.test_console_fleet import text_of
from tests.utils.facts import CARD, GB, NOW, healthy, with_gpu

FULL = replace(healthy().data.data, free=GB // 10)  # type: ignore[type-var]
#: A room whose disk is full, whose agent answers, and one of whose cards has a mark.
KNOWN = Live(
    at=NOW,
    host=Host(GPUs(cards=(CARD,), driver="570.86.10"), FULL),
    engine=healthy().engine,
    machine=healthy().machine,
    units=(replace(CARD, health="quarantined", why="fan <b>"),),
    compared_at=NOW - 10,
)


@pytest.fixture
def state(console: Console, tmp_path: Path) -> Path:
    """Give the console a room's state of its own, and say what its hub knows."""
    console.hub.live_answer = KNOWN
    parts: Parts = console.app.state.parts  # type: ignore[attr-defined]
    console.app.state.parts = replace(parts, settings=Settings(data_root=tmp_path))  # type: ignore[attr-defined]
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def leave(state: Path, days: float = 3) -> None:
    facts = with_gpu(toolkit="")
    (state / report.NAME).write_text(report.dumps(report.Report(NOW - days * 86400, "up", facts)))


def test_findings_are_shown_worst_first_with_the_remedy(console: Console, state: Path) -> None:
    leave(state)
    console.sign_in("root")
    page = text_of(console.get("admin/doctor"))
    assert "1 thing keeps the room from working. There are 2 warnings." in page
    full, quarantine = page.index("Stops the room 0.1 GB"), page.index("Warning NVIDIA A10")
    assert full < quarantine
    assert "Notebooks cannot be saved" in page
    assert "What to do: Free some: sudo du -xh /var/lib" in page
    assert "Disk · data-full" in page
    assert "fan <b>. Nobody new gets it" in page, "what others wrote is text"


def test_what_root_saw_has_its_age_and_the_command_that_renews_it(
    console: Console, state: Path
) -> None:
    console.sign_in("root")
    page = text_of(console.get("admin/doctor"))
    assert "Nobody has looked yet." in page
    assert "sudo room doctor" in page
    leave(state)
    page = text_of(console.get("admin/doctor"))
    assert "Looked at 2027-01-12 08:00, 3 days ago, by room up." in page
    assert "To look again: sudo room doctor" in page
    before = page[page.index("The host, as root saw it") :]
    assert "NVIDIA's Container Toolkit is missing" in before
    assert "GPUs · toolkit-missing" in before


def test_to_look_again_is_to_ask_the_hub_again(console: Console, state: Path) -> None:
    console.sign_in("root")
    page = console.get("admin/doctor")
    assert '<form method="get" action="/services/console/admin/doctor"' in page
    well = replace(KNOWN, host=Host(GPUs(), healthy().data.data), units=())
    console.hub.live_answer = well
    assert "Nothing is wrong." in text_of(console.get("admin/doctor"))


def test_all_that_a_rule_says_is_said_in_the_reader_s_language(
    console: Console, state: Path
) -> None:
    leave(state)
    console.sign_in("root")
    page = text_of(console.get("admin/doctor", headers={"accept-language": "zh-CN"}))
    for words in (
        "有 1 项问题使房间无法工作。",
        f"{state.parent} 可用空间为 0.1 GB",
        "笔记本无法保存，hub 也无法写入其状态。",  # noqa: RUF001
        "解决办法：释放空间：sudo du",  # noqa: RUF001
        "缺少 NVIDIA Container Toolkit",
        "3 天前",
        "磁盘 · data-full",
    ):
        assert words in page


@pytest.mark.parametrize("login", ["alice", "tina", "asta"])
def test_it_is_the_admin_s_alone(console: Console, state: Path, login: str) -> None:
    console.sign_in(login)
    console.get("admin/doctor", 404)
    console.ask(login, "GET", "doctor", 404)
    assert "Doctor" not in text_of(console.get(""))


def test_a_program_of_an_admin_reads_the_same(console: Console, state: Path) -> None:
    leave(state)
    found: Any = console.ask("root", "GET", "doctor")
    assert {(each["id"], each["level"]) for each in found["now"] if each["level"] != "ok"} == {
        ("data-full", "fatal"), ("gpu-quarantined", "warning"),
    }  # fmt: skip
    (toolkit,) = [e for e in found["host"]["findings"] if e["id"] == "toolkit-missing"]
    assert toolkit["remedy"].startswith("make up installs it")
    assert (found["host"]["by"], found["host"]["at"]) == ("up", NOW - 3 * 86400)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        pytest.param(-5, "0 min ago", id="clocks-differ"),
        pytest.param(7199, "119 min ago", id="minutes"),
        pytest.param(7200, "2 h ago", id="hours"),
        pytest.param(172799, "47 h ago", id="most-hours"),
        pytest.param(172800, "2 days ago", id="days"),
    ],
)
def test_how_long_ago_is_said_in_a_unit_that_fits(seconds: float, words: str) -> None:
    assert ago(seconds) == words
