# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""A class's rehearsals on the console: who sees them, in which language, and who does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from room.rehearsal import model
from room.rehearsal.shelf import Shelf
from room.settings import Settings
from tests.unit.test_console import PREFIX, Console, console, store  # noqa: F401
from tests.utils.rehearsed import REHEARSAL

LIST, REPORT = "class/a/rehearsals", f"class/a/rehearsals/{REHEARSAL.id}"
FIGURES = f"{REPORT}/figures.json"


@pytest.fixture
def kept(console: Console, tmp_path: Path) -> Shelf:
    """The rehearsals of the console's room, with one of class a."""
    parts = console.app.state.parts  # type: ignore[attr-defined]
    settings = Settings(address="https://room.example", data_root=tmp_path)
    console.app.state.parts = replace(parts, settings=settings)  # type: ignore[attr-defined]
    shelf = Shelf(tmp_path / "state" / "rehearsals")
    shelf.directory.mkdir(parents=True)
    shelf.keep(REHEARSAL, model.dumps(REHEARSAL), {"en": "<p>Seats", "zh_CN": "<p>座位"})
    return shelf


@pytest.mark.parametrize("login", ["tina", "root"])
def test_who_teaches_the_class_sees_what_was_rehearsed(
    console: Console, kept: Shelf, login: str
) -> None:
    console.sign_in(login)
    text = console.get(LIST)
    for part in ("lesson.ipynb", "6.0 s, 7.0 s", "700 MiB", "1 did not"):
        assert part in text
    assert f"rehearsals/{REHEARSAL.id}" in text
    assert f"{PREFIX}{LIST}" in console.get("class/a")
    assert console.get(REPORT) == "<p>Seats"
    assert json.loads(console.get(FIGURES))["profile"] == "cpu"


def test_a_report_comes_in_the_reader_s_language_and_may_do_nothing(
    console: Console, kept: Shelf
) -> None:
    console.sign_in("tina")
    answer = console.client.get(PREFIX + REPORT, headers={"Accept-Language": "zh-CN"})
    assert answer.text == "<p>座位"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert policy.endswith("sandbox")


@pytest.mark.parametrize("path", [LIST, REPORT, FIGURES])
@pytest.mark.parametrize("login", ["alice", "asta", "otto", "bob"])
def test_for_all_others_there_is_nothing(
    console: Console, kept: Shelf, login: str, path: str
) -> None:
    console.sign_in(login)
    text = console.get(path, 404)
    assert "There is no such page, or it is not yours." in text


def test_a_class_s_own_instructor_does_not_get_another_s_by_its_name(
    console: Console, kept: Shelf
) -> None:
    console.sign_in("otto")
    console.get(f"class/b/rehearsals/{REHEARSAL.id}", 404)
    console.get(f"class/b/rehearsals/{REHEARSAL.id}/figures.json", 404)
    assert "There was none yet." in console.get("class/b/rehearsals")


def test_an_assistant_s_page_of_the_class_does_not_lead_there(console: Console) -> None:
    console.sign_in("asta")
    assert "rehearsals" not in console.get("class/a")


def test_a_report_that_is_gone_is_not_there(console: Console, kept: Shelf) -> None:
    (kept.directory / REHEARSAL.id / "report.en.html").unlink()
    console.sign_in("tina")
    console.get(REPORT, 404)
