"""Taking a rehearsal away: what is written down before, what is removed, and what never is."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.errors import Problem
from cli.rehearsal import clearing
from cli.rehearsal.clearing import Record
from room.settings import Settings

GUESTS = ("room-rehearse-0a1b2c-1", "room-rehearse-0a1b2c-2")
RECORD = Record("ml101", GUESTS)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for place in ("homes/anna", "classes/ml101/hand-in/anna", "state"):
        (tmp_path / place).mkdir(parents=True)
    return Settings(data_root=tmp_path)


def home(settings: Settings, login: str) -> Path:
    return clearing._home(settings, login)


def test_what_is_written_down_is_read_by_the_next_command(tmp_path: Path) -> None:
    assert clearing.left_behind(tmp_path) is None
    clearing.write(tmp_path, RECORD)
    assert clearing.left_behind(tmp_path) == RECORD


def test_whatever_the_record_says_no_person_is_taken_away(tmp_path: Path) -> None:
    told = {"class_name": "ml101", "logins": ["anna", "room-rehearse-anna", GUESTS[0], "../x"]}
    (tmp_path / clearing.RECORD).write_text(json.dumps(told))
    assert clearing.left_behind(tmp_path) == Record("ml101", GUESTS[:1])


def test_a_home_that_is_there_before_is_nobody_s_to_use(settings: Settings) -> None:
    clearing.unused(settings, GUESTS)
    home(settings, GUESTS[1]).mkdir()
    with pytest.raises(Problem, match=GUESTS[1]):
        clearing.unused(settings, GUESTS)


def test_homes_and_what_was_handed_in_go_and_others_stay(
    settings: Settings, tmp_path: Path
) -> None:
    kept = home(settings, "anna") / "thesis"
    kept.write_text("mine")
    for login in GUESTS:
        (home(settings, login) / "deep").mkdir(parents=True)
        # What a guest's link points at is not the guest's.
        (home(settings, login) / "link").symlink_to(kept.parent)
        (tmp_path / "classes/ml101/hand-in" / login).mkdir()
    assert list(clearing._remove_files(settings, RECORD)) == []
    assert [each.name for each in (tmp_path / "homes").iterdir()] == ["anna"]
    assert [each.name for each in (tmp_path / "classes/ml101/hand-in").iterdir()] == ["anna"]
    assert kept.read_text() == "mine"
    # And again.
    assert list(clearing._remove_files(settings, RECORD)) == []


def test_a_link_in_the_place_of_a_home_is_not_followed(settings: Settings) -> None:
    home(settings, GUESTS[0]).symlink_to(home(settings, "anna"))
    (words,) = clearing._remove_files(settings, RECORD)
    assert GUESTS[0].rpartition("-")[2] in words
    assert home(settings, "anna").is_dir()


def test_one_rehearsal_at_a_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.chown", lambda *_: None)
    with (
        clearing.place(settings),
        pytest.raises(Problem, match="Another rehearsal"),
        clearing.place(settings),
    ):
        pass
    with clearing.place(settings) as directory:
        assert directory == settings.data_root / "state" / "rehearsals"


class FakeHub:
    """A hub that is away for the first ``away`` questions, then has a guest with a server."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.servers = 1
        self.user = True
        self.removed: list[str] = []

    async def send(self, what: str, method: str, path: str, headers: object) -> SimpleNamespace:
        if self.away:
            self.away -= 1
            raise Problem("The hub does not answer.")
        if method == "DELETE":
            self.removed.append(path)
            if path.endswith("/server"):
                self.servers = 0
            else:
                self.user = False
        told = {"servers": {"": {}} if self.servers else {}}
        return SimpleNamespace(status_code=200 if self.user else 404, json=lambda: told)


@pytest.mark.parametrize("away", [0, 3])
async def test_a_guest_s_server_ends_before_the_guest_also_by_a_hub_that_was_away(
    monkeypatch: pytest.MonkeyPatch, away: int
) -> None:
    monkeypatch.setattr(clearing, "PAUSE", 0.0)
    hub = FakeHub(away)
    assert await clearing._end(hub, {}, "g", deadline=float("inf")) == ""
    assert hub.removed == ["hub/api/users/g/server", "hub/api/users/g"]


async def test_a_hub_that_stays_away_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(clearing, "PAUSE", 0.0)
    words = await clearing._end(FakeHub(10**9), {}, "g", time.monotonic() + 0.05)
    assert words == "the server of g: The hub does not answer."
