"""Homes, their limits and their use: the rules, what the agent says, and what the hub keeps."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from agent import homes as agent_homes
from agent.app import make_app
from agent.disk import abi, kernel
from agent.disk.drivers import Counted, Project, Unlimited, driver, next_project
from agent.disk.limits import KnownLimits, Limits
from agent.disk.measures import Measures
from agent.disk.walk import Measured
from agent.homes import HomeError, Homes
from cli.doctor_probe import data
from cli.state import quota_services
from room import homeuse, quotas
from room.homeuse import HomeUse, level
from room.mounts import Mount, mount_of
from spawner.agent import AgentSilentError
from spawner.homefeed import KEEP, HomeFeed, warning

MIB = 1024**2
TOKEN = "t" * 32

# -- what a file system can do -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("mount", "counts", "driver", "limits"),
    [
        pytest.param(Mount("btrfs"), True, "btrfs", True, id="btrfs with quotas"),
        pytest.param(Mount("btrfs"), False, "btrfs", False, id="btrfs without"),
        pytest.param(Mount("xfs", "", frozenset({"prjquota"})), None, "project", True, id="xfs"),
        pytest.param(Mount("xfs", "", frozenset({"usrquota"})), None, "none", False, id="xfs off"),
        pytest.param(Mount("ext4", "", frozenset({"prjquota"})), None, "project", True, id="ext4"),
        pytest.param(Mount("ext4"), None, "none", False, id="ext4 off"),
        pytest.param(Mount("zfs"), None, "none", False, id="another"),
        pytest.param(Mount(), None, "none", False, id="unknown"),
    ],
)
def test_the_file_system_decides(
    mount: Mount, counts: bool | None, driver: str, limits: bool
) -> None:
    found = quotas.support(mount, counts)
    assert (found.driver, found.limits) == (driver, limits)
    assert bool(found.why) != limits
    # The agent may do more exactly where that limits homes.
    assert bool(quota_services(found)) == limits


def test_a_mounts_options_are_those_of_its_file_system() -> None:
    line = "36 35 98:0 /homes /srv/room rw,noatime shared:1 - xfs /dev/sdb1 rw,attr2,prjquota"
    assert mount_of(line, Path("/srv/room/homes")) == Mount(
        "xfs", "/dev/sdb1", frozenset({"rw", "attr2", "prjquota"})
    )


def test_quotas_of_btrfs_are_found_by_its_disk(tmp_path: Path) -> None:
    for name, counting in (("one", True), ("two", False)):
        (tmp_path / name / "devices" / name).mkdir(parents=True)
        if counting:
            (tmp_path / name / "qgroups").mkdir()
    assert data.btrfs_counts(Mount("btrfs", "/dev/one"), tmp_path)
    assert not data.btrfs_counts(Mount("btrfs", "/dev/two"), tmp_path)


@pytest.mark.parametrize(
    ("options", "kind"), [("rw,prjquota", Project), ("rw,relatime", Unlimited)]
)
def test_the_agent_takes_the_driver_of_the_mount(options: str, kind: type) -> None:
    line = f"36 35 98:0 / / rw - ext4 /dev/sda1 {options}"
    assert isinstance(driver(Path("/nowhere"), lambda: line), kind)


@pytest.mark.parametrize(
    ("taken", "next_one"),
    [
        pytest.param([], 100, id="the first"),
        pytest.param([0, 5], 100, id="an admin's own are below"),
        pytest.param([100, 107, 0], 108, id="after the last"),
    ],
)
def test_a_new_home_takes_a_project_that_no_other_has(taken: list[int], next_one: int) -> None:
    assert next_project(100, taken) == next_one


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        pytest.param(HomeUse(), "ok", id="nothing is known"),
        pytest.param(HomeUse(used=90 * MIB), "ok", id="no limit"),
        pytest.param(HomeUse(used=90 * MIB, soft=80 * MIB), "near", id="above the soft limit"),
        pytest.param(HomeUse(used=79 * MIB, soft=80 * MIB, hard=100 * MIB), "ok", id="below it"),
        pytest.param(HomeUse(used=100 * MIB, hard=100 * MIB), "near", id="a limit that is told"),
        pytest.param(
            HomeUse(used=97 * MIB, hard=100 * MIB, enforced=True), "full", id="a limit that holds"
        ),
        pytest.param(
            HomeUse(used=95 * MIB, hard=100 * MIB, soft=90 * MIB, enforced=True), "near", id="near"
        ),
        pytest.param(HomeUse(used=1, disk_free=MIB), "full", id="a full disk"),
        pytest.param(HomeUse(used=1, disk_free_files=0), "full", id="no inode"),
        pytest.param(HomeUse(used=1, disk_free=MIB * 500, disk_free_files=9999), "ok", id="room"),
    ],
)  # fmt: skip
def test_how_full_a_home_is(use: HomeUse, expected: str) -> None:
    assert level(use) == expected
    assert (warning(use) is None) == (expected == "ok")


def test_a_full_disk_is_not_called_a_full_home() -> None:
    full = HomeUse(used=MIB, hard=100 * MIB, enforced=True, disk_free=0)
    assert warning(full).reason == "disk-full"
    own = HomeUse(used=100 * MIB, hard=100 * MIB, enforced=True, disk_free=10**12)
    assert warning(own).reason == "home-full"


def test_use_travels_as_json() -> None:
    use = HomeUse(5, 2, 1, 9, True, True, datetime.now(UTC), False, (("a/b", 4),), 7, None)
    assert homeuse.loads(json.dumps(homeuse.as_dict(use))) == use


@pytest.mark.parametrize("text", ["{}", "[]", '{"measured_at": null, "largest": [1]}'])
def test_what_is_no_use_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no use of a home"):
        homeuse.loads(text)


# -- the agent ---------------------------------------------------------------------------------


class Counting:
    """A driver whose file system counts what a test says, and remembers limits."""

    name: quotas.DriverName = "btrfs"

    def __init__(self) -> None:
        self.used, self.why = 0, ""
        self.limits: dict[str, int] = {}

    def make(self, home: Path, mode: int) -> None:
        home.mkdir(mode=mode)

    def limit(self, home: Path, hard: int) -> str:
        if not self.why:
            self.limits[home.name] = hard
        return self.why

    def count(self, home: Path) -> Counted | None:
        return None if self.why else Counted(self.used, None, self.limits.get(home.name, 0))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(agent_homes.os, "chown", lambda *_: None)
    (tmp_path / "homes").mkdir()
    return tmp_path


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def agent(place: Path, counting: Counting) -> TestClient:
    limits = KnownLimits(place / "limits.json")
    homes = Homes(place / "homes", counting, limits=limits)
    return TestClient(
        make_app(place, TOKEN, homes=homes), headers={"Authorization": f"Bearer {TOKEN}"}
    )


def test_limits_come_with_the_start_and_use_is_told(agent: TestClient, counting: Counting) -> None:
    said = agent.post("/v1/homes", json={"user": "alice", "soft": 5, "hard": 9}).json()
    assert (said["created"], said["enforced"], said["why"]) == (True, True, "")
    counting.used = 6
    use = homeuse.loads(agent.get("/v1/homes/alice/usage?patience=5").text)
    assert (use.used, use.soft, use.hard, use.exact, use.enforced) == (6, 5, 9, True, True)
    assert use.files == 0
    assert use.measured_at is not None


def test_a_limit_that_cannot_be_set_keeps_nobody_out(agent: TestClient, counting: Counting) -> None:
    counting.why = "it cannot"
    answer = agent.post("/v1/homes", json={"user": "alice", "soft": 0, "hard": 9})
    assert answer.status_code == 200
    assert (answer.json()["enforced"], answer.json()["why"]) == (False, "it cannot")
    use = homeuse.loads(agent.get("/v1/homes/alice/usage?patience=5").text)
    assert (use.hard, use.exact, use.enforced) == (9, False, False)


def test_who_says_no_limits_leaves_them(agent: TestClient, counting: Counting) -> None:
    agent.post("/v1/homes", json={"user": "alice", "soft": 5, "hard": 9})
    agent.post("/v1/homes", json={"user": "alice"})
    assert list(counting.limits.values()) == [9]


@pytest.mark.parametrize(
    "body", [{"user": "a", "hard": -1}, {"user": "a", "soft": 1 << 60}, {"user": "a", "hard": "x"}]
)
def test_no_limit_that_is_none_is_taken(agent: TestClient, body: dict[str, Any]) -> None:
    assert agent.post("/v1/homes", json=body).status_code == 422


@pytest.mark.parametrize("path", ["/v1/homes/alice/usage"])
def test_use_is_for_holders_of_the_token(agent: TestClient, path: str) -> None:
    assert agent.get(path, headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize("user", ["nobody", "..", "%2e%2e", "a%2Fb"])
def test_there_is_no_use_of_a_home_that_is_not_there(agent: TestClient, user: str) -> None:
    assert agent.get(f"/v1/homes/{user}/usage").status_code == 404


def test_a_link_in_a_homes_place_is_neither_opened_nor_read(agent: TestClient, place: Path) -> None:
    (place / "homes" / "alice").symlink_to("/etc")
    assert agent.post("/v1/homes", json={"user": "alice"}).status_code == 409
    assert agent.get("/v1/homes/alice/usage").status_code == 404


def test_limits_outlive_the_agent(place: Path) -> None:
    KnownLimits(place / "limits.json").set("alice", Limits(5, 9))
    assert KnownLimits(place / "limits.json").of("alice") == Limits(5, 9)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": ["x", 2]}'])
def test_half_a_file_is_no_memory(place: Path, text: str) -> None:
    (place / "limits.json").write_text(text)
    assert KnownLimits(place / "limits.json").of("a") == Limits()


def test_a_home_without_its_directory_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="room up"):
        Homes(tmp_path / "missing", Unlimited("")).open("alice")


def test_a_home_that_gets_no_project_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(kernel, "ask", lambda *_: bytes(abi.XATTR))
    monkeypatch.setattr(kernel, "tell", refuse)
    with pytest.raises(OSError, match="not supported"):
        Project().make(tmp_path / "home", 0o700)
    assert list(tmp_path.iterdir()) == []


# -- measures ----------------------------------------------------------------------------------


class Reader:
    """Reads homes when a test lets it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.go = threading.Event()
        self.reads = 0

    def __call__(self, home: Path) -> Measured:
        assert self.go.wait(10)
        self.reads += 1
        return Measured(self.reads, 1, (), self.now, True)


@pytest.fixture
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    made.go.set()


def test_who_has_no_patience_has_the_last_measure_and_one_is_enough(reader: Reader) -> None:
    measures = Measures(reader, lambda: reader.now)
    home = Path("/a")
    assert measures.latest(home, 60) is None
    assert measures.latest(home, 60) is None
    reader.go.set()
    assert measures.latest(home, 60, patience=10).used == 1
    assert measures.latest(home, 60, patience=10).used == 1
    reader.now += timedelta(seconds=61)
    assert measures.latest(home, 60, patience=10).used == 2
    measures.close()


def test_a_home_that_cannot_be_read_is_tried_again(reader: Reader) -> None:
    def fails(home: Path) -> Measured:
        reader.reads += 1
        raise OSError("gone")

    measures = Measures(fails)
    assert measures.latest(Path("/a"), 60, patience=10) is None
    assert measures.latest(Path("/a"), 60, patience=10) is None
    assert reader.reads == 2
    measures.close()


# -- the hub -----------------------------------------------------------------------------------

NEAR, FULL = HomeUse(used=9, soft=8), HomeUse(used=1, disk_free=0)


class Agent:
    def __init__(self) -> None:
        self.now, self.asked = 0.0, 0
        self.use: HomeUse | None = NEAR
        self.silent = False

    async def ask(self, user: str, patience: float) -> HomeUse | None:
        self.asked += 1
        if self.silent:
            raise AgentSilentError("no")
        return self.use

    def feed(self) -> HomeFeed:
        return HomeFeed(self.ask, logging.getLogger("test"), lambda: self.now)


async def test_a_server_is_told_what_is_known_and_twenty_pages_are_one_question() -> None:
    agent = Agent()
    feed = agent.feed()
    assert [feed.notices("alice") for _ in range(20)] == [()] * 20
    await feed.glance("alice")
    (told,) = feed.notices("alice")
    assert told.text.startswith("Your home holds")
    assert agent.asked == 1
    agent.now += KEEP
    feed.notices("alice")
    await feed.glance("alice")
    assert agent.asked == 2


async def test_a_warning_that_is_hidden_comes_back_when_it_becomes_worse() -> None:
    agent = Agent()
    feed = agent.feed()
    ids = []
    for use in (NEAR, NEAR, FULL, HomeUse(used=1), NEAR):
        agent.use = use
        await feed.look("alice")
        ids += [notice.id for notice in feed.notices("alice")]
    assert len(ids) == 4
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


async def test_a_silent_agent_delays_no_page(caplog: pytest.LogCaptureFixture) -> None:
    agent = Agent()
    agent.silent = True
    feed = agent.feed()
    assert await asyncio.wait_for(feed.glance("alice"), 5) is None
    assert feed.notices("alice") == ()
    assert "is not known" in caplog.text
    with pytest.raises(AgentSilentError):
        await feed.look("alice")


async def test_who_has_no_home_is_told_nothing() -> None:
    agent = Agent()
    agent.use = None
    feed = agent.feed()
    assert await feed.look("alice") is None
    assert feed.notices("alice") == ()
