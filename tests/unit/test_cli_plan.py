"""``room plan`` as an admin uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import context
from cli.errors import FAILED
from cli.plan import plan
from room.people import People
from room.settings import parse
from room.store import Store, migrate

YAML = b"""
timezone: Asia/Shanghai
plans:
  - who: [class/ml101]
    limits: {gpu_hours: 20/week, gpus: 1, profiles: [cpu, gpu]}
"""


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    url = f"sqlite:///{tmp_path / 'room.sqlite'}"
    store = Store(url)
    migrate.upgrade(store)
    settings = parse(YAML).settings
    monkeypatch.setattr(context, "store", lambda: Store(url))
    monkeypatch.setattr(context, "settings", lambda: settings)
    monkeypatch.setenv("SUDO_USER", "ada")
    monkeypatch.setenv("COLUMNS", "160")
    people = People(store)
    people.add("alice", ["ml101"])
    yield people
    store.close()


def run(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(plan, arguments)
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result


def limits(who: str) -> dict[str, tuple[str, str]]:
    found = json.loads(run("show", who, "--json").output)["limits"]
    return {name: (each["value"], each["origin"]) for name, each in found.items()}


def test_show_says_every_value_and_why(people: People) -> None:
    found = limits("alice")
    assert found["cpu"] == ("2", "default")
    assert found["gpu_hours"] == ("20/week", "class ml101 (room.yaml)")
    assert "gpu_pot" not in found
    assert limits("class/ml101")["gpu_pot"] == ("0/week", "default")
    assert limits("room")["gpus"] == ("none", "default")
    told = run("show", "alice").output
    assert "What holds for alice:" in told
    assert "cpu, gpu" in told


def test_what_is_set_counts_more_than_room_yaml_until_it_is_unset(people: People) -> None:
    assert "ada (command)" in run("set", "class/ml101", "gpus=2", "memory=16 GiB").output
    assert limits("alice")["gpus"] == ("2", "class ml101 (set by ada)")
    assert limits("alice")["memory"][0] == "16G"
    assert "it is so already" in run("set", "class/ml101", "gpus=2").output
    assert "2 → not set" in run("unset", "class/ml101", "gpus").output
    assert limits("alice")["gpus"] == ("1", "class ml101 (room.yaml)")


def test_a_grant_of_hours_ends_with_their_window_unless_said_otherwise(people: People) -> None:
    run("grant", "alice", "gpu_hours=+5")
    value, why = limits("alice")["gpu_hours"]
    assert value == "25/week"
    assert why.startswith("class ml101 (room.yaml), +5 by ada until ")
    run("grant", "alice", "memory=+2G", "--until", "2w")
    assert limits("alice")["memory"][0] == "6G"
    assert "A grant ends" in run("grant", "alice", "gpus=+1", status=FAILED).output


def test_undo_and_history(people: People) -> None:
    run("set", "alice", "gpus=3")
    run("set", "alice", "gpus=4")
    # The audit's first is that alice was let in.
    assert "(undoes 3)" in run("undo", "3").output
    assert limits("alice")["gpus"][0] == "3"
    lines = run("history", "alice").output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["4", "3", "2"]
    assert "Nothing was changed yet" in run("history", "bob").output
    assert "changed again since" in run("undo", "3", status=FAILED).output
    assert "no change 1 " in run("undo", "1", status=FAILED).output, "that is no plan's"
    assert "no change 99" in run("undo", "99", status=FAILED).output


def test_a_name_that_is_nobody_s_yet_is_said(people: People) -> None:
    assert "Note: alcie is not in this room yet" in run("set", "alcie", "gpus=1").output
    assert "Note: class ml202 has nobody" in run("set", "class/ml202", "gpus=1").output
    assert "Note" not in run("set", "alice", "gpus=1").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["set", "alice", "gpus=-1"], "gpus: '-1' does not fit"),
        (["set", "alice", "memory=10 XB"], "memory: '10 XB' is no size"),
        (["set", "alice", "gpus=1e309"], "gpus: '1e309' does not fit"),
        (["set", "alice", "gpuz=1"], "did you mean gpus?"),
        (["set", "alice", "gpus"], "'gpus' sets nothing"),
        (["set", "alice", "gpu_pot=3"], "gpu_pot is a limit of class"),
        (["set", "alice", "priority=2"], "put who is to have a share of their own into a class"),
        (["set", "alice", "profiles=cpu,gone"], "There is no profile gone"),
        (["set", "team/a", "gpus=1"], "'team/a' is nobody"),
        (["set", "alice", "gpus=1", "--until", "2020-01-01"], "over already"),
        (["grant", "alice", "gpu_hours=-5"], "gpu_hours: '-5' is no budget"),
        (["grant", "alice", "gpu_hours=+5", "--until", "yesterday"], "says no time"),
        (["grant", "alice", "profiles=+gpu", "--until", "3d"], "set it instead"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(
    people: People, arguments: list[str], words: str
) -> None:
    assert words in " ".join(run(*arguments, status=FAILED).output.split())
    assert "Nothing was changed yet" in run("history").output


def test_a_csv_of_excel_is_previewed_and_imported_whole(people: People, tmp_path: Path) -> None:
    file = tmp_path / "plans.csv"
    file.write_bytes("﻿who;gpus;until\r\nclass/ml101;3;2030-01-31\r\nalice;;\r\n".encode())
    told = run("import", str(file), "--dry-run").output
    assert "1 of 1 would change. Nothing was changed." in told
    assert limits("alice")["gpus"][0] == "1"
    run("import", str(file))
    assert limits("alice")["gpus"] == ("3", "class ml101 (set by ada, until 2030-01-31)")
    assert "0 of 1 would change" in run("import", str(file), "--dry-run").output
    file.write_text("who,gpus\nclass/ml101,4\nalice,-4\n")
    assert "line 3: gpus: '-4'" in run("import", str(file), status=FAILED).output
    assert limits("alice")["gpus"][0] == "3"
