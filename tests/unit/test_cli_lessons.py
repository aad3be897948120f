"""``room lesson`` as an admin meets it: what it prints, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import context
from cli.errors import FAILED
from cli.lessons import lesson
from room.datasets.catalog import Catalog
from room.datasets.manifest import Summary
from room.datasets.model import About
from room.settings import Settings
from room.store import Store
from room.store.migrate import upgrade

URL = "https://git.example.org/course/week-1"
LINK = re.compile(r"https://room\.example/hub/room/lesson/([a-z0-9]{12})")
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    url = f"sqlite:///{tmp_path / 'room.sqlite'}"
    store = Store(url)
    upgrade(store)
    Catalog(store, actor="root").publish(
        "cifar10", Summary("0" * 64, 1, 1), About(), ["ml101"], job="1"
    )
    store.close()
    monkeypatch.setattr(context, "store", lambda: Store(url))
    monkeypatch.setattr(context, "settings", lambda: Settings(address="https://room.example"))

    def room_lesson(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(lesson, arguments)
        assert result.exit_code == status, result.output
        assert "Traceback" not in result.output
        return result

    return room_lesson


def test_a_link_is_made_listed_retired_and_restored(run: Run) -> None:
    assert "There is no lesson yet" in run("list").output
    more = ("--profile", "cpu", "--dataset", "cifar10", "--page", "a.ipynb")
    said = run("add", "ML101", "Week 1", "--repository", URL, *more).output
    (identity,) = LINK.findall(said)
    run("add", "dl202", "All of it", "--folder", ".")
    assert LINK.findall(run("list", "ml101").output) == [identity]
    assert len(LINK.findall(run("list").output)) == 2
    assert f"room lesson restore {identity}" in run("retire", identity).output
    assert not LINK.search(run("list", "ml101").output)
    assert LINK.search(run("restore", identity).output)


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        pytest.param([], "one of the two", 2, id="no-source"),
        pytest.param(["--repository", URL, "--folder", "x"], "one of the two", 2, id="both"),
        pytest.param(["--repository", "git@h:x"], "no address", FAILED, id="address"),
        pytest.param(["--folder", "../x"], "leads out", FAILED, id="path"),
        pytest.param(["--folder", "x", "--profile", "no"], "no profile", FAILED, id="profile"),
        pytest.param(["--folder", "x", "--dataset", "no"], "these datasets", FAILED, id="dataset"),
    ],
)
def test_what_is_no_lesson_is_refused_in_words(
    run: Run, arguments: list[str], words: str, status: int
) -> None:
    said = run("add", "ml101", "Week 1", *arguments, status=status).output
    assert words in " ".join(said.split())
    assert "There is no lesson yet" in run("list").output


@pytest.mark.parametrize("act", ["retire", "restore"])
def test_a_link_that_there_is_not_is_said(run: Run, act: str) -> None:
    assert "There is no such lesson." in run(act, "nowhere", status=FAILED).output
