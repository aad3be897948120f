"""Datasets in real containers: what a server has of them, and that nothing there can change one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import docker
import pytest

from engine.client import Engine
from engine.datasets import mounted
from publishing.upkeep import Pruned, prune
from room.datasets.model import EVERYONE, Version
from room.datasets.names import reference
from tests.engine.conftest import Room, opened, running_agent
from tests.utils.hub import Hub
from tests.utils.published import Library, contents
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

STUDENT, ROOT = "1000:100", "0:0"
PROFILES = [
    {"display_name": "CPU", "slug": "cpu", "default": True},
    {"display_name": "Pinned", "slug": "pinned", "datasets": ["flowers@1", "nosuch"]},
    {"display_name": "One GPU", "slug": "gpu", "spawner_override": {"gpus": 1}},
]


@dataclass
class Course:
    """A room with a shelf, and two classes."""

    room: Room
    hub: Hub
    library: Library
    folder: Path

    def publish(self, name: str, *classes: str, **files: str) -> Version:
        """Publish these files, by their names without an ending."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for stem, text in files.items():
            (folder / f"{stem}.csv").write_text(text)
        return self.library.publish(name, folder, classes=classes).version

    def join(self, class_name: str, *users: str) -> None:
        self.hub.add(*users)
        self.hub.http.post(f"/groups/{class_name}")
        answer = self.hub.http.post(f"/groups/{class_name}/users", json={"users": list(users)})
        assert answer.status_code == 200, answer.text

    def leave(self, class_name: str, user: str) -> None:
        path = f"/groups/{class_name}/users"
        answer = self.hub.http.request("DELETE", path, json={"users": [user]})
        assert answer.status_code == 200, answer.text

    def sh(self, user: str, command: str, who: str = STUDENT, server: str = "") -> tuple[int, str]:
        container = self.room.container(user, server)
        done = container.exec_run(["sh", "-c", command], user=who)
        return done.exit_code, done.output.decode()

    def read(self, user: str, path: str, server: str = "") -> str:
        code, output = self.sh(user, f"cat {path}", server=server)
        assert code == 0, output
        return output

    def listed(self, user: str, path: str = "/datasets", server: str = "") -> list[str]:
        """Return what a directory has, by its name."""
        command = f"test ! -e {path} || ls -A {path}"
        code, output = self.sh(user, command, server=server)
        assert code == 0, output
        return sorted(output.split())

    def told(self, user: str, server: str = "") -> dict[str, Any]:
        """Return what the server's environment says."""
        environment = self.room.container(user, server).attrs["Config"]["Env"]
        (found,) = (each for each in environment if each.startswith("ROOM_DATASETS="))
        told: dict[str, Any] = json.loads(found.partition("=")[2])
        return told

    def prune(self) -> Pruned:
        engine = Engine.at("unix:///var/run/docker.sock")
        try:
            in_use = asyncio.run(mounted(engine, self.room.name))
        finally:
            engine.close()
        return prune(self.library.catalog, self.library.desk, timedelta(0), in_use)


@pytest.fixture(scope="module")
def course(
    client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, stub_image: str
) -> Iterator[Course]:
    """Homes and datasets are on one file system, as they are below a data root."""
    place = tmp_path_factory.mktemp("course")
    with opened(client, place, stub_image) as room, running_agent(place) as agent:
        library = Library.of(room.store, place)
        traits = {
            **agent,
            "datasets_directory": str(library.shelf.root),
            "profile_list": PROFILES,
        }
        # As in a room, what is refused at once is the answer to the request.
        answers = {"tornado_settings": {"slow_spawn_timeout": 10}}
        hub = room.open(gpus=1, traits=traits, more={"JupyterHub": answers})
        (place / "source").mkdir()
        made = Course(room, hub, library, place / "source")
        made.publish("flowers", "ml101", labels="1,daisy\n", petals="1,5\n")
        made.publish("common", EVERYONE, words="a\n")
        made.publish("stars", "astro", names="Vega\n")
        made.join("ml101", "alice", "carol", "dora", "erin", "frank", "grace")
        made.join("astro", "bob")
        yield made


@pytest.fixture(scope="module")
def alice(course: Course) -> Course:
    """The room, with a server of alice's."""
    course.hub.start_server("alice")
    return course


def test_a_server_has_what_its_users_classes_have_and_everybodys(alice: Course) -> None:
    assert alice.listed("alice") == ["README", "common", "flowers"]
    assert alice.read("alice", "/datasets/flowers/labels.csv") == "1,daisy\n"
    assert alice.listed("alice", "/datasets/README") == ["common.md", "flowers.md"]
    page = alice.read("alice", "/datasets/README/flowers.md")
    assert 'pandas.read_csv("/datasets/flowers/labels.csv")' in page
    flowers = alice.library.catalog.get("flowers").version()
    assert alice.told("alice")["flowers"] == {
        "path": "/datasets/flowers",
        "version": 1,
        "digest": flowers.digest,
    }
    assert set(alice.told("alice")) == {"common", "flowers"}
    label = alice.room.container("alice").labels["torchroom.datasets"]
    assert f"flowers={flowers.digest}" in label.split(",")


#: Each would change a version, its files' names, or what else shares their content.
ATTACKS = {
    "write": "echo evil > labels.csv",
    "append": "echo evil >> labels.csv",
    "truncate": "truncate -s 0 labels.csv",
    "create": "echo evil > new.csv",
    "make a directory": "mkdir new",
    "delete": "rm -f labels.csv",
    "rename": "mv -f labels.csv other.csv",
    "replace": "cp labels.csv /tmp/mine && mv -f /tmp/mine labels.csv",
    "chmod": "chmod u+w labels.csv",
    "chmod the tree": "chmod 777 .",
    "chown": f"chown {STUDENT} labels.csv",
    "set times": "touch -d 2001-01-01 labels.csv",
    "hard link inside": "ln labels.csv again.csv",
    "hard link out": "ln labels.csv /home/jovyan/mine.csv",
    "hard link of the page": "ln /datasets/README/flowers.md /home/jovyan/page.md",
    "write the page": "echo evil >> /datasets/README/flowers.md",
    "delete the page": "rm -f /datasets/README/flowers.md",
    "rename the mount": "mv /datasets/flowers /datasets/weeds",
    "remove the mount": "rmdir /datasets/flowers",
    "remount": "mount -o remount,rw /datasets/flowers",
    "remount the bind": "mount -o remount,bind,rw /datasets/flowers",
    "mount over it": "mount --bind /tmp /datasets/flowers",
    "unmount": "umount /datasets/flowers",
    "remount in a namespace": "unshare -Urm mount -o remount,bind,rw /datasets/flowers",
    "device of the disk": "mknod /tmp/disk b 8 0",
}


@pytest.mark.parametrize("who", [STUDENT, ROOT], ids=["student", "root"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_a_server_changes_a_dataset(alice: Course, attack: str, who: str) -> None:
    version = alice.library.catalog.get("flowers").version(1)
    tree = alice.library.shelf.tree("flowers", version.digest)

    def state() -> list[tuple[str, int, int, int, int]]:
        seen = [tree, *sorted(tree.rglob("*"))]
        stats = [(str(path), path.lstat()) for path in seen]
        return [(name, s.st_mode, s.st_uid, s.st_nlink, s.st_mtime_ns) for name, s in stats]

    before, files = state(), contents(tree)
    tool = ATTACKS[attack].split()[0]
    assert alice.sh("alice", f"command -v {tool}", who)[0] == 0, f"the image has no {tool}"
    code, output = alice.sh("alice", f"cd /datasets/flowers && {ATTACKS[attack]}", who)
    assert code != 0, output
    assert (state(), contents(tree)) == (before, files)
    assert alice.read("alice", "/datasets/flowers/labels.csv") == "1,daisy\n"


@pytest.mark.parametrize("text", ["flowers", "flowers@1", "flowers@77", "Flowers"])
def test_another_classs_dataset_is_as_if_it_did_not_exist(course: Course, text: str) -> None:
    refused = course.hub.request_start("bob", {"datasets": [text]})
    unknown = course.hub.request_start(
        "bob", {"datasets": [text.lower().replace("flowers", "florals")]}
    )
    assert refused.status_code == unknown.status_code == 400
    said = unknown.json()["message"]
    assert said.startswith("There is no dataset 'florals'.")
    assert refused.json() == {**unknown.json(), "message": said.replace("florals", "flowers")}
    assert course.hub.saved_options("bob") == {}, "what is refused is not kept"
    assert course.hub.model("bob") is None


def test_another_classs_dataset_is_not_there(course: Course) -> None:
    # The profile preselects what is another class's, and something that nobody has.
    course.hub.start_server("bob", {"profile": "pinned"})
    assert course.listed("bob") == ["README", "common", "stars"]
    assert course.listed("bob", "/datasets/flowers") == []
    assert course.listed("bob", "/datasets/README") == ["common.md", "stars.md"]
    attributes = json.dumps(course.room.container("bob").attrs)
    assert "flowers" not in attributes
    assert "bob starts without" not in course.hub.log.read_text(), "and nothing is wrong with it"
    course.hub.stop_server("bob")


def test_a_server_keeps_the_version_it_began_with_and_the_next_has_the_new(
    course: Course,
) -> None:
    first = course.publish("growing", "ml101", rows="1\n")
    course.hub.start_server("carol")
    second = course.publish("growing", rows="1\n2\n")
    assert (first.number, second.number) == (1, 2)
    assert course.read("carol", "/datasets/growing/rows.csv") == "1\n"
    assert course.told("carol")["growing"]["version"] == 1

    course.hub.start_server("carol", server="next")
    assert course.read("carol", "/datasets/growing/rows.csv", "next") == "1\n2\n"
    assert course.told("carol", "next")["growing"]["version"] == 2
    course.hub.stop_server("carol")
    course.hub.start_server("carol")
    assert course.read("carol", "/datasets/growing/rows.csv") == "1\n2\n"
    course.hub.stop_server("carol")
    course.hub.stop_server("carol", "next")


def test_a_named_server_remembers_the_version_that_was_chosen(course: Course) -> None:
    course.publish("pinnable", "ml101", rows="old\n")
    course.publish("pinnable", rows="new\n")
    for options in ({"profile": "cpu", "datasets": ["pinnable@1"]}, None):
        course.hub.start_server("dora", options, server="paper")
        assert course.listed("dora", server="paper") == ["README", "pinnable"]
        assert course.read("dora", "/datasets/pinnable/rows.csv", "paper") == "old\n"
        course.hub.stop_server("dora", "paper")

    course.library.catalog.retire(reference("pinnable@1"))
    refused = course.hub.request_start("dora", server="paper")
    assert refused.status_code == 400
    assert refused.json()["message"] == (
        "Version 1 of pinnable is retired, and no server starts with it. "
        "Choose version 2, its newest."
    )


def test_a_profile_preselects_and_a_choice_is_instead_of_it(course: Course) -> None:
    course.hub.start_server("erin", {"profile": "pinned"})
    assert set(course.told("erin")) == {"flowers"}
    course.hub.stop_server("erin")
    course.hub.start_server("erin", {"profile": "pinned", "datasets": ["common"]})
    assert set(course.told("erin")) == {"common"}
    course.hub.stop_server("erin")


def test_what_is_ticked_on_the_start_page_is_what_the_server_has(course: Course) -> None:
    with course.hub.browser("erin") as browser:
        assert 'id="dataset-flowers"' in browser.page("/hub/spawn")
        assert "stars" not in browser.page("/hub/spawn")
        browser.start({"profile": "cpu", "datasets": "flowers", "dataset-version--common": ""})
    course.hub.wait_ready("erin")
    assert set(course.told("erin")) == {"flowers"}
    assert course.hub.saved_options("erin") == {"profile": "cpu", "datasets": ["flowers"]}
    course.hub.stop_server("erin")


def test_what_a_server_has_is_not_pruned(course: Course) -> None:
    old = course.publish("pruned", "ml101", rows="old\n")
    course.hub.start_server("frank")
    course.publish("pruned", rows="new\n")
    course.library.catalog.retire(reference("pruned@1"))
    place = course.library.shelf.version("pruned", old.digest)

    assert reference("pruned@1") in course.prune().kept
    assert course.read("frank", "/datasets/pruned/rows.csv") == "old\n"
    course.hub.stop_server("frank")
    wait_until(lambda: f"{course.room.name}-frank" not in names(course.room), timeout=30)
    assert reference("pruned@1") in course.prune().versions
    assert not place.exists()


def names(room: Room) -> list[str]:
    return [container.name for container in room.containers()]


def test_a_version_whose_files_are_gone_is_left_out_and_said_to_the_admin(course: Course) -> None:
    lost = [course.publish(name, "lossy", rows=f"{name}\n") for name in ("lost1", "lost2")]
    course.publish("kept", "lossy", rows="kept\n")
    course.join("lossy", "grace")
    shelf = course.library.shelf
    places = [shelf.version(f"lost{n}", each.digest) for n, each in enumerate(lost, 1)]
    for number, place in enumerate(places):
        place.rename(course.folder / f"moved{number}")

    course.hub.start_server("grace")
    assert course.read("grace", "/datasets/kept/rows.csv") == "kept\n"
    assert not {"lost1", "lost2"} & {*course.listed("grace"), *course.told("grace")}
    assert "lost1" not in course.room.container("grace").labels["torchroom.datasets"]
    assert [place.exists() for place in places] == [False, False], "the engine made nothing"
    log = course.hub.log.read_text()
    for name in ("lost1", "lost2"):
        assert f"grace starts without {name}@1, whose files are gone" in log
    course.hub.stop_server("grace")
    for number, place in enumerate(places):
        (course.folder / f"moved{number}").rename(place)


def test_a_start_to_tidy_up_has_no_datasets(course: Course) -> None:
    course.hub.start_server("grace", {"rescue": "1"})
    assert course.told("grace") == {}
    assert course.listed("grace") == []
    assert course.room.container("grace").labels["torchroom.datasets"] == ""
    course.hub.stop_server("grace")


def test_who_goes_on_without_a_gpu_keeps_the_datasets_that_they_chose(course: Course) -> None:
    course.hub.start_server("erin", {"profile": "gpu"})
    course.hub.request_start("carol", {"profile": "gpu", "datasets": ["flowers"]})
    wait_until(lambda: course.room.tickets(), timeout=20, explain=course.hub.tail)
    assert course.hub.to_cpu("carol").status_code == 200
    course.hub.wait_ready("carol")
    assert set(course.told("carol")) == {"flowers"}
    assert course.hub.saved_options("carol") == {"profile": "cpu", "datasets": ["flowers"]}
    course.hub.stop_server("carol")
    course.hub.stop_server("erin")


def test_who_leaves_a_class_while_waiting_for_a_gpu_does_not_get_its_datasets(
    course: Course,
) -> None:
    course.hub.start_server("erin", {"profile": "gpu"})
    course.join("ml101", "leaver")
    course.hub.request_start("leaver", {"profile": "gpu"})
    wait_until(lambda: course.room.tickets(), timeout=20, explain=course.hub.tail)
    course.leave("ml101", "leaver")
    course.hub.stop_server("erin")
    course.hub.wait_ready("leaver")
    assert course.listed("leaver") == ["README", "common"]
    course.hub.stop_server("leaver")
