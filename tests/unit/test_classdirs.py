"""Class folders and hand-ins: who has which, where, and how the agent makes them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from agent import classdirs as agent_dirs
from agent.app import make_app
from agent.classdirs import FIRST_PROJECT, ClassDirs, limited
from agent.disk.drivers import Project, Unlimited, next_project
from agent.homes import Homes
from room import classdirs
from room.classdirs import ClassDir
from room.models import Bind
from room.person import Membership, Person
from spawner import container
from tests.unit.test_container import PLAN

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
BEFORE = NOW - timedelta(seconds=1)
TOKEN = "t" * 32
LONGEST = "a" + "b" * 63


def person(*member: Membership, **more: Any) -> Person:
    return Person("alice", memberships=member, **more)


def member(class_name: str, role: Any = "student", **more: Any) -> Membership:
    return Membership(class_name, role, **more)


READS = ClassDir("ml101", writable=False, hand_in="own")
HELPS = ClassDir("ml101", writable=False, hand_in="all")
WRITES = ClassDir("ml101", writable=True, hand_in="all")
OTHER = ClassDir("nlp", writable=False, hand_in="own")


@pytest.mark.parametrize(
    ("who", "folders"),
    [
        pytest.param(None, (), id="nobody the room knows"),
        pytest.param(person(), (), id="in no class"),
        pytest.param(person(admin=True), (), id="an admin in no class"),
        pytest.param(person(member("ml101")), (READS,), id="a student"),
        pytest.param(person(member("ml101"), admin=True), (READS,), id="an admin who learns"),
        pytest.param(person(member("ml101", "assistant")), (HELPS,), id="an assistant"),
        pytest.param(person(member("ml101", "instructor")), (WRITES,), id="an instructor"),
        pytest.param(
            person(member("nlp"), member("ml101", "instructor")), (WRITES, OTHER), id="two classes"
        ),
        pytest.param(
            person(member("ml101", "instructor"), member("ml101", source="provider")),
            (WRITES,),
            id="claimed as well",
        ),
        pytest.param(person(member("ml101", until=NOW), member("nlp")), (OTHER,), id="over"),
        pytest.param(
            person(member("ml101", archived_at=BEFORE), member("nlp")), (OTHER,), id="archived"
        ),
        pytest.param(
            person(member("ml101", "instructor", archived_at=BEFORE), admin=True),
            (),
            id="archived, of an admin",
        ),
        pytest.param(person(member("ml101"), revoked_at=BEFORE), (), id="revoked"),
        pytest.param(person(member("ml101"), until=NOW), (), id="their own time is over"),
        pytest.param(
            person(*(member(name, source="provider") for name in ("../x", "ML", "a:b", "a b", ""))),
            (),
            id="a provider's groups that are no class names",
        ),
    ],
)  # fmt: skip
def test_who_has_which_folder(who: Person | None, folders: tuple[ClassDir, ...]) -> None:
    assert classdirs.of("alice", who, NOW) == folders


def test_who_is_only_looked_up_under_anothers_login_has_none_of_theirs() -> None:
    assert classdirs.of("Alice", person(member("ml101")), NOW) == ()


@pytest.mark.parametrize(
    ("found", "folder_read_only", "hand_in_read_only"),
    [
        pytest.param(READS, True, False, id="a student writes their hand-in only"),
        pytest.param(HELPS, True, True, id="an assistant writes nothing"),
        pytest.param(WRITES, False, True, id="an instructor writes the folder only"),
    ],
)
def test_what_may_be_written_is_said_by_the_mounts(
    found: ClassDir, folder_read_only: bool, hand_in_read_only: bool
) -> None:
    assert classdirs.binds(found, "/f", "/h") == (
        Bind("/f", "/class/ml101", folder_read_only),
        Bind("/h", "/class/ml101/hand-in", hand_in_read_only),
    )


def test_the_engine_is_never_asked_to_make_a_directory() -> None:
    host = container.host_config(replace(PLAN, binds=(Bind("/f", "/class/x", True),)), 1, 1)
    assert "/f" not in host["binds"]
    (mount,) = host["mounts"]
    assert (mount["Type"], mount["ReadOnly"]) == ("bind", True)
    assert "CreateMountpoint" not in mount["BindOptions"]


@pytest.mark.parametrize("name", ["ml101", "a.b", "a-b", "a_b", "a..b", LONGEST])
def test_a_classs_directory_is_its_name(name: str) -> None:
    assert classdirs.directory(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/a", "-a", ".a", "A", "a:b", "a\0b", "a\n", LONGEST * 2]
)
def test_what_is_no_name_is_no_directory(name: str) -> None:
    with pytest.raises(ValueError, match="no class name"):
        classdirs.directory(name)
    with pytest.raises(ValueError, match="no login"):
        classdirs.hand_in_directory(name)


# -- the agent ---------------------------------------------------------------------------------


class Owners(dict[int, tuple[int, int]]):
    """Who a directory was given to, by inode: only root could give it away."""

    def give(self, descriptor: int, uid: int, gid: int) -> None:
        self[os.fstat(descriptor).st_ino] = (uid, gid)

    def of(self, path: Path) -> tuple[int, int]:
        return self.get(path.stat().st_ino, (os.getuid(), os.getgid()))


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> Owners:
    made = Owners()
    monkeypatch.setattr(agent_dirs.os, "fchown", made.give)
    monkeypatch.setattr("agent.homes.os.chown", lambda *_: None)
    return made


class Limiting(Unlimited):
    """Directories that take a limit, remembered."""

    def __init__(self, why: str = "") -> None:
        super().__init__(why)
        self.limits: dict[str, int] = {}

    def limit(self, home: Path, hard: int) -> str:
        self.limits[f"{home.parent.name}/{home.name}"] = hard
        return self._why


@pytest.fixture
def driver() -> Limiting:
    return Limiting()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("homes", "classes"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def agent(place: Path, owners: Owners, driver: Limiting) -> Iterator[TestClient]:
    app = make_app(
        place,
        TOKEN,
        homes=Homes(place / "homes", Unlimited("")),
        classes=ClassDirs(place / "classes", driver),
    )
    with TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def ask(agent: TestClient, user: str, hand_in: str = "own", name: str = "ml101") -> dict[str, Any]:
    answer = agent.post(
        "/v1/homes",
        json={
            "user": user,
            "classes": [{"class_name": name, "hand_in": hand_in}],
            "folder": 9,
            "hand_in": 5,
        },
    )
    assert answer.status_code == 200, answer.text
    assert Path(answer.json()["path"]).is_dir()
    (found,) = answer.json()["classes"]
    return dict(found)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_student_has_a_directory_of_their_own(
    agent: TestClient, place: Path, owners: Owners, driver: Limiting
) -> None:
    for user in ("alice", "bob@x.org", "alice"):
        found = ask(agent, user)
        assert (found["problem"], found["why"]) == ("", "")
    folder, handed_in = place / "classes/ml101/folder", place / "classes/ml101/hand-in"
    assert sorted(each.name for each in handed_in.iterdir()) == ["alice", "bob@x.org"]
    assert (found["folder"], found["hand_in"]) == (str(folder), str(handed_in / "alice"))
    assert (owners.of(handed_in / "alice"), mode(handed_in / "alice")) == ((1000, 100), 0o700)
    # The mount point is root's in root's directory with the sticky bit: nobody moves it away.
    assert (owners.of(folder), mode(folder)) == ((0, 100), 0o1775)
    assert owners.of(folder / "hand-in")[0] == 0
    assert mode(folder / "hand-in") == mode(handed_in) == 0o755
    assert driver.limits == {
        "ml101/folder": 9, "hand-in/alice": 5, "hand-in/bob@x.org": 5,
    }  # fmt: skip


def test_who_collects_gets_all_of_one_class_and_hands_nothing_in(
    agent: TestClient, place: Path
) -> None:
    ask(agent, "alice")
    found = ask(agent, "bob", "all")
    assert found["hand_in"] == str(place / "classes/ml101/hand-in")
    assert [each.name for each in Path(found["hand_in"]).iterdir()] == ["alice"]


def test_what_somebody_closed_to_the_staff_is_open_after_their_next_start(
    agent: TestClient, place: Path
) -> None:
    ask(agent, "alice")
    mine = place / "classes/ml101/hand-in/alice"
    (mine / "work").write_text("done")
    mine.chmod(0)
    assert ask(agent, "alice")["problem"] == ""
    assert mode(mine) == 0o700
    assert (mine / "work").read_text() == "done"


@pytest.mark.parametrize("at", ["ml101", "ml101/folder", "ml101/hand-in", "ml101/folder/hand-in"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_link_or_a_file_in_a_directorys_place_is_a_problem_and_keeps_nobody_out(
    agent: TestClient, place: Path, tmp_path_factory: pytest.TempPathFactory, at: str, kind: str
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    before = mode(elsewhere)
    path = place / "classes" / at
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        path.symlink_to(elsewhere)
    else:
        path.write_text("")
    found = ask(agent, "alice")
    assert (found["folder"], found["hand_in"]) == ("", "")
    assert "ml101" in found["problem"]
    assert list(elsewhere.iterdir()) == []
    assert mode(elsewhere) == before


def test_a_link_in_the_place_of_a_hand_in_is_a_problem(agent: TestClient, place: Path) -> None:
    ask(agent, "bob")
    (place / "classes/ml101/hand-in/alice").symlink_to("bob")
    assert "alice" in ask(agent, "alice")["problem"]


@pytest.mark.parametrize(
    ("user", "name"), [("alice", "../x"), ("alice", "ML"), ("Alice", "ml101"), ("a b", "ml101")]
)
def test_names_that_can_be_no_directory_are_refused_by_the_agent_too(
    agent: TestClient, place: Path, user: str, name: str
) -> None:
    assert "is no " in ask(agent, user, name=name)["problem"]
    assert not list((place / "classes").glob("**/hand-in/*"))


def test_a_place_that_is_missing_says_what_to_do(agent: TestClient, place: Path) -> None:
    (place / "classes").rmdir()
    assert "room up" in ask(agent, "alice")["problem"]


def test_a_limit_that_cannot_be_set_is_told(agent: TestClient, driver: Limiting) -> None:
    driver._why = "it cannot"
    assert ask(agent, "alice")["why"] == "it cannot"
    answer = agent.post(
        "/v1/homes",
        json={"user": "alice", "classes": [{"class_name": "ml101", "hand_in": "own"}]},
    )
    assert answer.json()["classes"][0]["why"] == "", "none was asked for"


def test_no_hand_in_takes_the_project_of_a_home_or_of_another_class(
    place: Path, owners: Owners, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects: dict[str, int] = {}
    monkeypatch.setattr(Project, "_project", lambda _, path: projects.get(str(path), 0))

    def make(self: Project, path: Path, mode: int) -> None:
        taken = map(self._project, self._others(path))
        number = next_project(self._first, taken)
        path.mkdir()
        projects[str(path)] = number

    monkeypatch.setattr(Project, "make", make)
    monkeypatch.setattr(Project, "limit", lambda *_: "")
    dirs = ClassDirs(
        place / "classes", Project(FIRST_PROJECT, lambda _: limited(place / "classes"))
    )
    for name in ("ml101", "nlp"):
        for user in ("alice", "bob"):
            assert not dirs.open(user, name, "own", agent_dirs.DirLimits(1, 1)).problem
    assert len(projects) == len(set(projects.values())) == 6
    assert min(projects.values()) == FIRST_PROJECT > Project.FIRST
