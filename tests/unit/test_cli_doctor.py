"""``room doctor``: what is printed, and the exit status. The rules have tests of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import context, doctor, doctor_probe
from cli.errors import Problem
from cli.main import main
from room.doctor import report
from room.doctor.facts import Mirror, Port
from room.settings import Settings
from tests.utils.facts import NOW, change, healthy, with_gpu


@pytest.fixture
def room(monkeypatch):
    """Return a function that runs ``room doctor`` on a machine with these facts."""
    monkeypatch.setattr(context, "settings", lambda **_: Settings())

    def run(facts, *arguments: str):
        monkeypatch.setattr(doctor_probe, "gather", lambda settings, simulate: facts)
        return CliRunner().invoke(main, ["doctor", *arguments])

    return run


TAKEN = change(healthy(), "network", ports=(Port(8000, "127.0.0.1", "nginx (process 7)"),))
STALE = change(healthy(), "network", mirrors=(Mirror("npm", "https://m.example", "[no] answer"),))


@pytest.mark.parametrize(
    ("facts", "status", "summary"),
    [
        pytest.param(healthy(), 0, "This machine is ready", id="ready"),
        pytest.param(STALE, 1, "The room works on this machine; 1 warning.", id="warning"),
        pytest.param(TAKEN, 2, "cannot work on this machine as it is: 1 reason", id="fatal"),
        pytest.param(
            change(healthy(), "engine", buildx=""), 2, "make up takes care of it", id="fixable"
        ),
    ],
)
def test_exit_status_and_summary(room, facts, status, summary):
    said = room(facts)
    assert said.exit_code == status
    assert summary in said.output


def test_finding_is_printed_with_name_meaning_and_remedy(room):
    said = " ".join(room(TAKEN).output.split())
    assert "✗ Port 8000 is taken by nginx (process 7) [port-taken]" in said
    assert "and cannot. → Stop nginx (process 7), or choose another port" in said


def test_brackets_in_a_finding_are_text(room):
    assert "[no] answer" in room(STALE).output


def test_quiet_leaves_out_what_is_right(room):
    said = room(TAKEN, "--quiet").output
    assert "✓" not in said
    assert "Docker Engine\n" not in said
    assert "port-taken" in said


def test_json_holds_findings_and_facts(room):
    said = room(change(with_gpu(toolkit=""), "engine", buildx=""), "--json")
    found = json.loads(said.output)
    assert found["status"] == said.exit_code == 2
    toolkit = next(f for f in found["findings"] if f["id"] == "toolkit-missing")
    assert toolkit["group"] == "GPUs"
    assert (toolkit["level"], toolkit["prepare"], toolkit["fixable_by_up"]) == (
        "warning", "gpu", True,
    )  # fmt: skip
    assert set(toolkit) == {
        "group", "id", "level", "title", "meaning", "remedy", "prepare", "fixable_by_up",
    }  # fmt: skip
    assert found["facts"]["gpus"]["cards"][0]["uuid"] == "GPU-aaaa"


@pytest.fixture
def state(tmp_path, monkeypatch):
    """Give the state directory of a room, whose files may be given to nobody else here."""
    monkeypatch.setattr(context, "settings", lambda **_: Settings(data_root=tmp_path))
    monkeypatch.setattr(os, "chown", lambda *_: None)
    return tmp_path / "state"


def examined(monkeypatch, facts):
    monkeypatch.setattr(doctor_probe, "gather", lambda settings, simulate: facts)
    return CliRunner().invoke(main, ["doctor"])


def test_what_root_saw_is_left_for_the_console(state, monkeypatch):
    state.mkdir()
    said = examined(monkeypatch, STALE)
    assert report.read(state) == report.Report(NOW, "doctor", STALE)
    assert (state / report.NAME).stat().st_mode & 0o777 == 0o600
    assert examined(monkeypatch, healthy()).exit_code == 0
    assert report.read(state) == report.Report(NOW, "doctor", healthy())
    assert said.exit_code == 1


def test_nothing_is_left_where_there_is_no_room_nor_by_who_sees_half(state, monkeypatch):
    assert examined(monkeypatch, healthy()).exit_code == 0
    assert not state.exists()
    state.mkdir()
    examined(monkeypatch, change(healthy(), "machine", root=False))
    assert list(state.iterdir()) == []


def test_a_disk_that_takes_nothing_keeps_nobody_from_the_findings(state, monkeypatch):
    state.mkdir()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert "This machine is ready" in examined(monkeypatch, healthy()).output


def test_simulated_gpus_come_from_the_environment(monkeypatch):
    asked = []
    monkeypatch.setattr(
        doctor_probe, "gather", lambda settings, simulate: asked.append(simulate) or healthy()
    )
    monkeypatch.setenv("ROOM_SIMULATE_GPUS", "4")
    doctor.examine(Settings())
    doctor.examine(Settings(), simulate_gpus=2)
    assert asked == [4, 2]


def test_number_of_simulated_gpus_that_is_none_is_said(monkeypatch):
    monkeypatch.setenv("ROOM_SIMULATE_GPUS", "many")
    with pytest.raises(Problem, match="must be a number of GPUs"):
        doctor.examine(Settings())
