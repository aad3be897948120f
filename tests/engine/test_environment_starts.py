"""A server of somebody whose class has an environment: what it gets, and what without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import docker
import httpx
import pytest

from engine.buildsite import BuildSite
from engine.workshop import Workshop
from room.environments.book import Environments
from room.environments.model import Build
from room.models import LABEL_ENVIRONMENT
from tests.engine.conftest import STUB, Room, opened
from tests.utils.building import SOCKET, Host
from tests.utils.hub import Hub
from tests.utils.wheel_index import Index

pytestmark = pytest.mark.engine

PROFILES: list[dict[str, Any]] = [
    {"display_name": "CPU", "slug": "cpu", "default": True},
    {"display_name": "Own", "slug": "own"},
]


@dataclass
class Course:
    room: Room
    hub: Hub
    book: Environments
    build: Build

    def starts(self, user: str, **options: str) -> dict[str, Any]:
        """Start a server, and return what the engine has of it, and what it imports."""
        self.hub.start_server(user, options)
        container = self.room.container(user)
        held = container.attrs["Config"]
        told = dict(each.split("=", 1) for each in held["Env"])["ROOM_ENVIRONMENT"]
        program = "import roomgreet; print(roomgreet.WORDS)"
        done = container.exec_run(["python3", "-c", program], user="1000:100")
        return {
            "image": held["Image"],
            "label": held["Labels"][LABEL_ENVIRONMENT],
            "told": json.loads(told),
            "words": done.output.decode().strip() if done.exit_code == 0 else "",
        }

    def refused(self, user: str, **options: str) -> str:
        answer = self.hub.request_start(user, options)
        assert answer.status_code == 400, answer.text
        return str(answer.json()["message"])


@pytest.fixture(scope="module")
def course(
    client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, small_base: str
) -> Iterator[Course]:
    place, index = tmp_path_factory.mktemp("course"), Index()
    index.add("roomgreet", "1.0", {"roomgreet.py": "WORDS = 'hello, class'\n"})
    with opened(client, place, small_base) as room:
        host = Host(
            client, place / "environments", small_base, BuildSite(index.url(), ""), room.name
        )
        try:
            build = host.made("roomgreet\n")
            assert build.state == "built", build.why
            own = {**PROFILES[1], "spawner_override": {"image": room.image}}
            answers = {"tornado_settings": {"slow_spawn_timeout": 10}}
            hub = room.open(
                traits={"profile_list": [PROFILES[0], own], "cmd": STUB},
                more={"JupyterHub": answers},
            )
            for class_name, users in {
                "ml101": ["alice", "carol", "dora", "erin"],
                "dl202": ["bob", "zoe"],
            }.items():
                hub.add(*users)
                hub.http.post(f"/groups/{class_name}")
                hub.http.post(f"/groups/{class_name}/users", json={"users": users})
            book = Environments(room.store, actor="tina")
            book.announce(build)
            yield Course(room, hub, book, build)
        finally:
            for container in room.containers():
                container.remove(force=True)
            host.close()
            index.close()


def test_a_server_has_the_packages_of_its_users_class(course: Course) -> None:
    tag = course.build.tag
    assert course.starts("alice") == {
        "image": tag,
        "label": "ml101",
        "told": {"class": "ml101", "image": tag},
        "words": "hello, class",
    }


def test_a_server_on_it_is_not_swept_away_as_a_build(course: Course) -> None:
    """A container has its image's labels, too."""
    assert Workshop(SOCKET, course.room.name).sweep() == 0
    assert course.room.container("alice").status == "running"


@pytest.mark.parametrize(
    ("user", "options"),
    [
        pytest.param("carol", {"environment": "none"}, id="chosen-none"),
        pytest.param("dora", {"profile": "own"}, id="a-profile-with-its-own-image"),
        pytest.param("bob", {}, id="another-class"),
    ],
)
def test_else_it_has_the_room_s_image(course: Course, user: str, options: dict[str, str]) -> None:
    found = course.starts(user, **options)
    assert found == {"image": course.room.image, "label": "", "told": {}, "words": ""}


def test_another_class_s_is_to_be_had_no_more_than_one_that_is_nowhere(course: Course) -> None:
    hers, none = (
        course.refused("zoe", environment=name).replace(name, "…") for name in ("ml101", "nosuch")
    )
    assert hers == none
    assert "There is no environment" in hers


def test_without_its_image_a_server_starts_all_the_same_and_says_so(course: Course) -> None:
    gone = replace(course.build, id="gone", tag=f"{course.build.tag[:-4]}0000")
    course.book.announce(gone)
    found = course.starts("erin")
    assert (found["image"], found["label"], found["words"]) == (course.room.image, "", "")
    held = course.room.container("erin").attrs["Config"]["Env"]
    token = dict(each.split("=", 1) for each in held)["JUPYTERHUB_API_TOKEN"]
    answer = httpx.get(
        f"http://127.0.0.1:{course.hub.port}/hub/room/lease",
        headers={"Authorization": f"token {token}"},
    )
    told = [each["text"] for each in answer.json()["notices"]]
    assert any("packages of the class ml101 are not on this host" in text for text in told)
