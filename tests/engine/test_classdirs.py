"""Class folders in real containers: mounts decide who may write, whatever a student tries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, DockerException

from room.classes import Classes
from room.models import Bind
from room.people import People
from spawner import container
from tests.engine.conftest import Room, opened, running_agent
from tests.engine.test_sessions import ask_lease
from tests.unit.test_container import PLAN
from tests.utils.hub import Hub
from tests.utils.loopdisk import btrfs, needs_btrfs

pytestmark = pytest.mark.engine

MB = 1000**2
FOLDER, HAND_IN = "/class/ml101", "/class/ml101/hand-in"


@dataclass
class School:
    """A room with the class ml101, its staff and two students; carol is in nlp, dave in both."""

    room: Room
    hub: Hub
    people: People
    classes: Path

    def start(self, *users: str) -> None:
        for user in users:
            self.hub.start_server(user)

    def again(self, user: str) -> None:
        """Start somebody's server anew, and not with what was chosen last."""
        self.hub.stop_server(user)
        self.hub.start_server(user, {})

    def sh(self, user: str, command: str) -> tuple[int, str]:
        """Run a command in somebody's server, as JupyterLab's terminal does."""
        done = self.room.container(user).exec_run(["sh", "-c", command], user="1000:100")
        return done.exit_code, done.output.decode()

    def said(self, user: str, command: str) -> str:
        code, said = self.sh(user, command)
        assert code == 0, f"{user}: {command}: {said}"
        return said.strip()

    def refused(self, user: str, command: str) -> None:
        code, said = self.sh(user, command)
        # A program that is not there would refuse nothing.
        assert code not in (0, 126, 127), f"{user}: {command}: {code} {said}"

    def mounts(self, user: str) -> dict[str, bool]:
        """Return what somebody's server has of classes, and whether it may be written."""
        found = self.room.container(user).attrs["Mounts"]
        return {m["Destination"]: m["RW"] for m in found if m["Destination"].startswith("/class")}


@pytest.fixture(scope="module")
def school(
    client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, stub_image: str
) -> Iterator[School]:
    place = tmp_path_factory.mktemp("classes")
    with (
        running_agent(place) as agent,
        opened(client, tmp_path_factory.mktemp("room"), stub_image) as room,
    ):
        hub = room.open(traits=agent)
        people = People(room.store)
        people.add("ines", ["ml101"], role="instructor")
        people.add("theo", ["ml101"], role="assistant")
        for login, classes in {
            "alice": ["ml101"], "bob.b": ["ml101"], "carol": ["nlp"], "dave": ["ml101", "nlp"],
        }.items():  # fmt: skip
            people.add(login, classes)
        people.add("root", admin=True)
        hub.add("ines", "theo", "alice", "bob.b", "carol", "dave", "root")
        made = School(room, hub, people, place / "data" / "classes")
        made.start("ines", "theo", "alice", "bob.b", "carol", "dave", "root")
        yield made


def test_each_has_the_folders_of_their_classes_and_writes_what_is_theirs(school: School) -> None:
    assert school.mounts("ines") == {FOLDER: True, HAND_IN: False}
    assert school.mounts("theo") == {FOLDER: False, HAND_IN: False}
    assert school.mounts("alice") == {FOLDER: False, HAND_IN: True}
    assert school.mounts("carol") == {"/class/nlp": False, "/class/nlp/hand-in": True}
    assert school.mounts("dave") == school.mounts("alice") | school.mounts("carol")
    assert school.mounts("root") == {}
    school.refused("root", "ls /class")
    assert school.said("carol", "ls -A /class") == "nlp"


def test_a_student_sees_at_once_what_the_instructor_writes(school: School) -> None:
    for text in ("one", "two"):
        school.said("ines", f"echo {text} > {FOLDER}/lesson")
        assert school.said("alice", f"cat {FOLDER}/lesson") == text
    school.said("ines", f"mkdir -p {FOLDER}/week1 && mv {FOLDER}/lesson {FOLDER}/week1/a")
    assert school.said("alice", f"cat {FOLDER}/week1/a") == "two"


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param("echo mine > {f}/kept/lesson", id="write"),
        pytest.param("echo mine >> {f}/kept/lesson", id="append"),
        pytest.param("touch {f}/new", id="create"),
        pytest.param("mkdir {f}/new", id="make a directory"),
        pytest.param("rm -f {f}/kept/lesson", id="remove"),
        pytest.param("chmod 0777 {f}/kept/lesson", id="chmod"),
        pytest.param("touch -d 2001-01-01 {f}/kept/lesson", id="its time"),
        pytest.param("mv {f}/kept/lesson {f}/kept/other", id="rename"),
        pytest.param("mv {f}/kept/lesson {h}/lesson", id="rename into the hand-in"),
        pytest.param("ln {f}/kept/lesson {h}/lesson", id="hard link into the hand-in"),
        pytest.param("ln {f}/kept/lesson ~/lesson", id="hard link into the home"),
        pytest.param(
            "ln -sfn {f}/kept {h}/way && echo mine > {h}/way/lesson", id="through a symbolic link"
        ),
        pytest.param("rmdir {h}", id="remove the hand-in"),
        pytest.param("mv {h} {f}/other", id="rename the hand-in"),
        pytest.param("mount -o remount,rw {f}", id="remount"),
        pytest.param("mount -o remount,rw,bind {f}", id="remount the bind"),
        pytest.param("umount {f}", id="unmount"),
        pytest.param("umount -l {h}", id="unmount the hand-in"),
        pytest.param("unshare -Urm mount -o remount,rw,bind {f}", id="in a namespace of their own"),
        pytest.param("echo mine > /proc/self/root{f}/kept/lesson", id="by another way"),
    ],
)
@pytest.mark.parametrize("user", ["alice", "theo"])
def test_who_only_reads_a_folder_changes_nothing_in_it(
    school: School, user: str, attempt: str
) -> None:
    school.said("ines", f"mkdir -p {FOLDER}/kept && echo kept > {FOLDER}/kept/lesson")
    before = school.said("ines", f"stat -c %a:%i:%h:%Y {FOLDER}/kept/lesson")
    school.refused(user, "HOME=/home/jovyan; " + attempt.format(f=FOLDER, h=HAND_IN))
    assert school.said("ines", f"cat {FOLDER}/kept/lesson") == "kept"
    assert school.said("ines", f"stat -c %a:%i:%h:%Y {FOLDER}/kept/lesson") == before


def test_the_instructor_does_all_that(school: School) -> None:
    school.said("ines", f"mkdir -p {FOLDER}/own && cd {FOLDER}/own && echo 1 > a && echo 2 >> a")
    school.said("ines", f"cd {FOLDER}/own && chmod 0777 a && mv a b && ln b c && ln -s b d")
    assert school.said("alice", f"cat {FOLDER}/own/d").split() == ["1", "2"]
    school.said("ines", f"rm -r {FOLDER}/own")


def test_what_is_handed_in_its_student_writes_and_the_staff_read_by_login(school: School) -> None:
    for user in ("alice", "bob.b"):
        school.said(user, f"echo by {user} > {HAND_IN}/work")
    school.said("alice", f"chmod 0600 {HAND_IN}/work && mv {HAND_IN}/work {HAND_IN}/work.txt")
    for user in ("ines", "theo"):
        found = school.said(user, f"ls {HAND_IN}").split()
        assert {"alice", "bob.b", "dave"} <= set(found)
        assert school.said(user, f"cat {HAND_IN}/alice/work.txt") == "by alice"
        for attempt in (
            "echo x > {h}/alice/work.txt", "touch {h}/alice/new", "rm -f {h}/alice/work.txt",
            "chmod 0644 {h}/alice/work.txt", "mkdir {h}/eve", "mv {h}/alice {h}/eve",
            "mv {h} {f}/x", "rmdir {h}", "mount -o remount,rw,bind {h}", "umount {h}",
        ):  # fmt: skip
            school.refused(user, attempt.format(f=FOLDER, h=HAND_IN))
    assert school.said("alice", f"cat {HAND_IN}/work.txt") == "by alice"


def test_what_others_hand_in_is_not_there_for_a_student(school: School) -> None:
    school.said("bob.b", f"echo 4711-secret > {HAND_IN}/work")
    assert "work" not in school.said("dave", f"ls -A {HAND_IN}")
    searched = "grep -rls 4711-secret / --exclude-dir=proc --exclude-dir=sys; true"
    for user in ("alice", "dave", "carol"):
        assert school.said(user, searched) == ""
        for way in (f"{HAND_IN}/bob.b", f"{HAND_IN}/../bob.b", f"{HAND_IN}/../hand-in/bob.b"):
            school.refused(user, f"ls {way}")
        school.refused(user, f"ls {school.classes}")
    # Each class's hand-in is its own.
    school.said("dave", "echo nlp > /class/nlp/hand-in/only-nlp")
    school.refused("dave", f"ls {HAND_IN}/only-nlp")


@pytest.mark.parametrize("option", ["class", "volumes", "mounts"])
def test_no_start_asks_for_a_folder(school: School, option: str) -> None:
    school.hub.stop_server("carol")
    answer = school.hub.request_start("carol", {option: "ml101"})
    assert answer.status_code == 400, answer.text
    school.start("carol")


def test_links_in_a_hand_in_lead_nobody_to_anything(school: School) -> None:
    shadow = Path("/etc/shadow").stat()
    school.said("bob.b", f"echo secret > {HAND_IN}/bobs")
    links = {
        "shadow": "/etc/shadow",
        "home": "/home/jovyan",
        "host": str(school.classes / "ml101" / "hand-in" / "bob.b"),
        "up": "../bob.b",
        "circle": "circle",
    }
    for name, target in links.items():
        school.said("alice", f"ln -sfn {target} {HAND_IN}/{name}")
    # For their owner none leads to what is another's,
    for name in ("host/bobs", "up/bobs", "circle"):
        school.refused("alice", f"cat {HAND_IN}/{name}")
    # nor for the staff, in whose server they lead to what these can read anyway.
    school.refused("ines", f"cat {HAND_IN}/alice/shadow")
    school.refused("ines", f"ls {HAND_IN}/alice/host/")
    assert school.said("ines", f"readlink {HAND_IN}/alice/shadow") == "/etc/shadow"
    # The agent opens the directory anew at each start, and follows none.
    school.again("alice")
    assert Path("/etc/shadow").stat().st_mode == shadow.st_mode
    assert Path("/etc/shadow").stat().st_uid == shadow.st_uid
    assert school.said("alice", f"readlink {HAND_IN}/shadow") == "/etc/shadow"


def test_the_place_of_the_hand_in_is_roots_even_where_nothing_is_mounted_on_it(
    school: School, client: docker.DockerClient
) -> None:
    def without_mount(command: str) -> bytes:
        return bytes(
            client.containers.run(
                school.room.image,
                ["sh", "-c", command],
                volumes={str(school.classes / "ml101" / "folder"): {"bind": "/f", "mode": "rw"}},
                user="1000:100",
                cap_drop=["ALL"],
                network_mode="none",
                remove=True,
                entrypoint=[],
            )
        )

    for command in ("rmdir /f/hand-in", "mv /f/hand-in /f/x", "touch /f/hand-in/x"):
        with pytest.raises(DockerException, match=r"exit status [1-9]"):
            without_mount(command)
    assert without_mount("touch /f/a && mv /f/a /f/b && rm /f/b && echo well") == b"well\n"


def test_who_leaves_a_class_and_who_gets_a_role_is_asked_at_the_next_start(school: School) -> None:
    school.people.leave("dave", ["nlp"])
    school.people.set_role("dave", "ml101", "instructor")
    assert school.mounts("dave")[FOLDER] is False
    school.again("dave")
    assert school.mounts("dave") == {FOLDER: True, HAND_IN: False}
    school.people.set_role("dave", "ml101", "student")
    school.people.add("dave", ["nlp"])
    school.again("dave")
    assert school.mounts("dave")[FOLDER] is False
    assert school.said("dave", "cat /class/nlp/hand-in/only-nlp") == "nlp"


def test_an_archived_class_is_not_mounted_and_back_with_everything(school: School) -> None:
    school.people.add("eve", ["ml101", "term101"])
    school.hub.add("eve")
    school.start("eve")
    school.said("eve", "echo mine > /class/term101/hand-in/a")
    classes = Classes(school.people)
    classes.archive("term101")
    school.again("eve")
    assert set(school.mounts("eve")) == {FOLDER, HAND_IN}
    classes.restore("term101")
    school.again("eve")
    assert school.said("eve", "cat /class/term101/hand-in/a") == "mine"


def test_a_start_to_tidy_up_has_no_folder(school: School) -> None:
    school.hub.stop_server("alice")
    school.hub.start_server("alice", {"rescue": "1"})
    assert school.mounts("alice") == {}
    school.again("alice")
    assert set(school.mounts("alice")) == {FOLDER, HAND_IN}


def test_a_folder_that_cannot_be_opened_is_told_and_the_server_starts(school: School) -> None:
    school.hub.stop_server("dave")
    folder, aside = school.classes / "nlp" / "folder", school.classes / "nlp" / "aside"
    folder.rename(aside)
    folder.symlink_to("/etc")
    school.start("dave")
    assert set(school.mounts("dave")) == {FOLDER, HAND_IN}
    (notice,) = ask_lease(school.room, school.hub, "dave").json()["notices"]
    assert notice["text"].startswith("The folder of the class nlp could not be opened")
    assert re.search(rf"dave starts without the folder of nlp: {folder}", school.hub.tail(200))
    folder.unlink()
    aside.rename(folder)
    school.again("dave")
    assert "/class/nlp" in school.mounts("dave")
    assert ask_lease(school.room, school.hub, "dave").json()["notices"] == []


def test_a_directory_that_is_gone_is_an_error_and_not_made(
    school: School, client: docker.DockerClient, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    plan = replace(PLAN, binds=(Bind(str(gone), "/class/x", True),))
    mounts = container.host_config(plan, 1, 1)["mounts"]
    with pytest.raises(APIError, match="does not exist"):
        client.api.create_container(
            school.room.image, host_config=client.api.create_host_config(mounts=mounts)
        )
    assert not gone.exists()


@needs_btrfs
def test_a_hand_in_ends_at_its_own_limit_and_the_home_goes_on(
    client: docker.DockerClient, tmp_path: Path, stub_image: str
) -> None:
    with (
        btrfs(tmp_path) as disk,
        running_agent(tmp_path, data_root=disk / "data") as agent,
        opened(client, tmp_path, stub_image) as room,
    ):
        hub = room.open(traits={**agent, "hand_in_hard": 20 * MB, "class_folder_hard": 30 * MB})
        people = People(room.store)
        people.add("alice", ["ml101"])
        people.add("ines", ["ml101"], role="instructor")
        hub.add("alice", "ines")
        school = School(room, hub, people, disk / "data" / "classes")
        school.start("alice", "ines")
        write = "head -c {0} /dev/zero > {1}/a && sync -f {1}/a"
        code, said = school.sh("alice", write.format(40 * MB, HAND_IN))
        assert code != 0
        assert "quota" in said.lower()
        school.said("alice", write.format(40 * MB, "/home/jovyan"))
        school.said("ines", write.format(20 * MB, FOLDER))
        school.refused(
            "ines",
            write.format(20 * MB, FOLDER + "/more").replace("head", f"mkdir {FOLDER}/more; head"),
        )
