"""Preparing this machine: which roles with which values, and what a person reads of it."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from cli import host
from cli.errors import Problem
from room.settings import Settings


class Silent:
    """A step that shows nothing and remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.note = ""

    def say(self, detail: str) -> None:
        self.said.append(detail)


def a_run() -> host.Run:
    return host.Run(Silent(), io.StringIO(), Path("build/ansible.log"))


def line(event: str, **details: Any) -> str:
    return json.dumps({"event": event, **details})


@pytest.mark.parametrize(
    ("needed", "engine", "simulated", "expected"),
    [
        pytest.param(None, False, 0, list(host.ROLES.values()), id="all"),
        pytest.param(set(), False, 0, [], id="nothing"),
        pytest.param({"engine", "data"}, False, 0, ["room_data", "room_engine"], id="in-order"),
        pytest.param(set(), True, 0, ["room_engine"], id="engine-asked-for"),
        pytest.param({"data"}, False, 4, ["room_data", "room_sim_gpu"], id="simulated"),
    ],
)
def test_only_what_is_needed_is_prepared(needed, engine, simulated, expected):
    assert host.roles(needed, engine, simulated) == expected


def test_a_part_that_no_role_makes_is_refused_by_name():
    with pytest.raises(Problem, match="coffee"):
        host.roles({"coffee"}, False, 0)


def test_the_roles_get_the_settings_in_force():
    settings = Settings(data_root="/srv/room", mirrors={"debian": "http://mirror.example/debian"})
    made = host.variables(settings, upgrade_engine=True, enable_cdi=False, simulate_gpus=3)
    assert made["room_data_root"] == "/srv/room"
    assert made["room_engine_debian_mirror"] == "http://mirror.example/debian"
    assert made["room_engine_upgrade"] is True
    assert made["room_engine_enable_cdi"] is False
    assert made["room_sim_gpu_count"] == 3


@pytest.mark.parametrize(
    ("environ", "added"),
    [
        ({"LANG": "de_DE.UTF-8"}, None),
        ({"LC_ALL": "C.utf8", "LANG": "C"}, None),
        ({"LANG": "C"}, "C.UTF-8"),
        ({}, "C.UTF-8"),
    ],
)
def test_a_machine_without_a_utf8_locale_gets_one(environ, added):
    made = host.environment(environ)
    assert made.get("LC_ALL") == (added or environ.get("LC_ALL"))


def test_changes_are_counted_and_notes_kept():
    run = a_run()
    run.take(line("task", task="room_engine : Install the packages"))
    run.take(line("changed", task="room_engine : Install the packages", host="localhost"))
    run.take(line("note", task="x", host="localhost", msg="The default runtime is nvidia."))
    run.check(0)
    assert run.changed == 1
    assert run.notes == ["The default runtime is nvidia."]


@pytest.mark.parametrize(
    ("failure", "shown", "hidden"),
    [
        pytest.param(
            {"task": "room_data : Refuse a number", "msg": "bob has 1100. Choose another."},
            "bob has 1100. Choose another.",
            "Refuse a number",
            id="words-of-our-own",
        ),
        pytest.param(
            {
                "task": "room_gpu : Describe them by hand",
                "msg": "non-zero return code",
                "stderr": "no driver found",
                "stdout": "",
                "rc": 1,
            },
            "Describe them by hand: no driver found",
            "non-zero",
            id="a-command",
        ),
    ],
)
def test_a_failure_reaches_the_person_in_words_with_the_log(failure, shown, hidden):
    run = a_run()
    run.take(line("failed", host="localhost", ignored=False, **failure))
    with pytest.raises(Problem) as refused:
        run.check(2)
    assert shown in refused.value.message
    assert hidden not in refused.value.message
    assert "ansible.log" in refused.value.remedy


def test_the_last_failure_counts_because_earlier_ones_were_rescued():
    run = a_run()
    run.take(line("failed", host="h", task="r : Fetch", msg="404", ignored=False))
    run.take(line("failed", host="h", task="r : Say", msg="The mirror has none.", ignored=False))
    with pytest.raises(Problem, match="The mirror has none"):
        run.check(2)


def test_of_a_loop_the_item_that_failed_is_told():
    run = a_run()
    run.take(line("task", task="room_data : Refuse"))
    run.take(line("item", host="h", task="room_data : Refuse", msg="bob has 1100."))
    run.take(line("failed", host="h", task="room_data : Refuse", msg="One or more items failed"))
    with pytest.raises(Problem, match="bob has 1100"):
        run.check(2)


def test_an_ansible_that_does_not_even_start_shows_what_it_said():
    run = a_run()
    run.take("ERROR! could not find a locale")
    with pytest.raises(Problem, match="could not find a locale"):
        run.check(1)


def test_the_log_has_every_task_and_stray_line():
    run = a_run()
    run.take(line("task", task="room_data : Verify"))
    run.take(line("failed", host="h", task="room_data : Verify", msg="one\ntwo", ignored=False))
    run.take('{"event": broken')
    text = run.file.getvalue()
    for part in ("room_data : Verify", "failed", "one", "two", '{"event": broken'):
        assert part in text


def test_lines_come_when_they_are_written_and_pauses_are_noticed():
    read, write = os.pipe()
    with os.fdopen(read, "rb", buffering=0) as stream:
        seen = host.lines(stream, pause=0.05)
        os.write(write, b"one\ntw")
        assert next(seen) == "one"
        assert next(seen) is None, "half a line is not a line"
        os.write(write, b"o\xc3\xa4\nthree")
        assert next(seen) == "twoä"
        os.close(write)
        assert [one for one in seen if one is not None] == ["three"]
