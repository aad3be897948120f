"""``room rehearse`` before anybody comes: what it takes, and what it refuses in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import context
from cli import rehearse as command
from cli.errors import Problem
from room.classes import Classes
from room.gpus.inventory import as_dict, simulated
from room.people import People
from room.rehearsal import guests
from room.settings import Settings
from room.store import Store
from room.store.migrate import upgrade

Run = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    upgrade(made)
    people = People(made)
    people.add("ines", ["ml101", "empty"], role="instructor")
    people.add("anna", ["ml101"])
    people.add("bela", ["ml101", "old"])
    Classes(people).archive("old")
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "state").mkdir()
    inventory = tmp_path / "state" / "inventory.json"
    inventory.write_text(json.dumps(as_dict(simulated(2))))
    return Settings(data_root=tmp_path, engine_socket=tmp_path / "none.sock")


@pytest.fixture
def run(store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setattr(context, "store", lambda: Store(store.url))
    monkeypatch.setattr(context, "settings", lambda: settings)
    monkeypatch.setattr(command.steps.console, "quiet", False)
    monkeypatch.chdir(tmp_path)

    def room_rehearse(*arguments: Any) -> Result:
        result = CliRunner().invoke(command.rehearse, [str(each) for each in arguments])
        assert "Traceback" not in result.output
        assert guests.known(store) == ()
        return result

    return room_rehearse


def notebook(path: Path, *cells: str) -> Path:
    made = [{"cell_type": "code", "source": cell} for cell in cells]
    path.write_text(json.dumps({"cells": made, "nbformat": 4}))
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["ml 101"], "a class name starts with", id="no class's name"),
        pytest.param(["nowhere"], "There is no class nowhere", id="no class"),
        pytest.param(["old"], "The class old is archived.", id="archived"),
        pytest.param(["empty"], "The class empty has no students yet.", id="no students"),
        pytest.param(["ml101", "--students", 0], "0 is not in the range", id="nobody"),
        pytest.param(["ml101", "--students", 1000], "1000 is not in the range", id="too many"),
        pytest.param(["ml101", "--profile", "gone"], "There is no profile gone", id="no profile"),
        pytest.param(["ml101", "--over", "soon"], "is no duration", id="no time"),
        pytest.param(["ml101", "--at-once", "--over", "5m"], "exclude each other", id="both"),
        pytest.param(["ml101", "--datasets", "../x"], "dataset", id="no dataset's name"),
        pytest.param(["ml101", "--notebook", "none.ipynb"], "no notebook none.ipynb", id="missing"),
        pytest.param(
            ["ml101", "--notebook", "/class/dl202/x.ipynb"],
            "no notebook /class/dl202",
            id="other",
        ),
        pytest.param(["ml101", "--notebook", "room.sqlite"], "is no notebook", id="no notebook"),
        pytest.param(["ml101", "--notebook", "empty.ipynb"], "has no code", id="no code"),
        pytest.param(["ml101"], "The Docker Engine at", id="no engine"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    run: Run, tmp_path: Path, arguments: list[Any], words: str
) -> None:
    notebook(tmp_path / "empty.ipynb", "  ")
    said = run(*arguments)
    assert said.exit_code == 2
    assert words in said.output + str(said.exception or "")


def test_there_are_as_many_as_the_class_has_unless_it_is_said(run: Run) -> None:
    assert command._count("ml101", None) == 2
    assert command._count("ml101", 30) == 30


def test_guests_of_a_rehearsal_that_was_killed_are_not_the_class_s(run: Run, store: Store) -> None:
    from room.guests import logins

    guests.invite(store, "ml101", logins(5), "root")
    assert command._count("ml101", None) == 2
    guests.forget(store, "ml101", "root")


@pytest.mark.parametrize(
    ("others", "yes", "refused"),
    [(0, False, False), (1, False, True), (3, False, True), (3, True, False)],
)
def test_those_who_work_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, others: int, yes: bool, refused: bool
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    if not refused:
        command._ask(others, 30, yes)
        return
    with pytest.raises(Problem, match=f"{others} server") as told:
        command._ask(others, 30, yes)
    assert "--yes" in told.value.remedy


def test_a_lesson_is_a_file_here_or_what_every_student_has(tmp_path: Path) -> None:
    here = command._lesson(str(notebook(tmp_path / "a.ipynb", "1")), "ml101", 5.0, True)
    assert (here.path, here.patience, here.keep_going) == ("a.ipynb", 5.0, True)
    assert here.content is not None
    there = command._lesson("/class/ml101/week 1/a.ipynb", "ml101", 5.0, False)
    assert (there.path, there.content) == ("class/ml101/week 1/a.ipynb", None)
    first = command._lesson(command.lesson.PATH, "ml101", 5.0, False)
    assert (first.path, first.content) == (command.lesson.PATH, None)


@pytest.mark.parametrize(("slug", "gpus"), [("", None), ("cpu", None), ("gpu", 1)])
def test_a_profile_says_which_gpus_it_asks_for(
    settings: Settings, slug: str, gpus: int | None
) -> None:
    found, request = command._profile(settings, slug)
    assert found == (slug or "cpu")
    assert (request.count if request else None) == gpus
