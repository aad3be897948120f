"""Environments of classes, built by the agent's own code on a real engine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from docker.errors import NotFound

from agent.environments import BusyError
from engine import buildsite, images, site
from engine.buildsite import BuildSite
from engine.workshop import LABEL
from room.environments.model import Build
from room.models import LABEL_KIND
from room.settings import Settings
from tests.utils.building import Host
from tests.utils.faulty_engine import FaultyEngine
from tests.utils.wait import wait_until
from tests.utils.wheel_index import PASSWORD, Index

pytestmark = pytest.mark.engine


@pytest.fixture(scope="session")
def base() -> str:
    return images.ensure(Settings(), ["pytorch"])["pytorch"]


@contextmanager
def opened(client: docker.DockerClient, root: Path, base: str) -> Iterator[tuple[Host, Index]]:
    """Give a host whose builds get their packages of an index of its own."""
    index = Index()
    index.add("roomgreet", "1.0", {"roomgreet.py": "WORDS = 'hello, class'\n"})
    host = Host(client, root / "environments", base, BuildSite(index.url(), ""))
    try:
        yield host, index
    finally:
        host.close()
        index.close()


@pytest.fixture
def place(
    client: docker.DockerClient, tmp_path: Path, small_base: str
) -> Iterator[tuple[Host, Index]]:
    with opened(client, tmp_path, small_base) as made:
        yield made


@pytest.fixture
def host(place: tuple[Host, Index]) -> Host:
    return place[0]


@pytest.fixture
def index(place: tuple[Host, Index]) -> Index:
    return place[1]


@dataclass
class Built:
    """Two classes that asked for the same, one after the other."""

    host: Host
    first: Build
    second: Build


@pytest.fixture(scope="module")
def built(
    client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, small_base: str
) -> Iterator[Built]:
    with opened(client, tmp_path_factory.mktemp("built"), small_base) as (host, _index):
        first = host.made("roomgreet\n")
        yield Built(host, first, host.made("# for us\nroomgreet>=1\n", "dl202"))


def test_real_packages_become_one_layer_on_the_room_s_image(
    client: docker.DockerClient, tmp_path: Path, base: str
) -> None:
    here = buildsite.of(site.of(Settings()), os.environ)
    host = Host(client, tmp_path / "environments", base, here)
    try:
        made = host.made("humanize>=4\neinops\n")
        assert made.state == "built", host.builds.log(made.id)
        below, image = client.images.get(base).attrs, client.images.get(made.tag).attrs
        assert image["RootFS"]["Layers"][:-1] == below["RootFS"]["Layers"]
        labels = image["Config"].pop("Labels")
        below["Config"].pop("Labels")
        assert (image["Config"], labels) == (
            below["Config"],
            {LABEL: host.room, LABEL_KIND: "environment"},
        )
        # What it adds is stored, and nothing else.
        assert 0 < made.size < 5_000_000
        assert abs(image["Size"] - below["Size"] - made.size) < 1000
        assert [line.split("==")[0] for line in made.lock.splitlines()] == ["einops", "humanize"]
        assert made.lock.count(" --hash=sha256:") == 2
        program = "import humanize, einops, torch; print(humanize.ordinal(3), torch.__version__)"
        assert host.run(made.tag, program).startswith("3rd 2.9.1")
    finally:
        host.close()


def test_the_same_lock_is_the_same_image_and_is_built_once(built: Built) -> None:
    host, first, second = built.host, built.first, built.second
    assert (first.state, second.state, second.tag) == ("built", "built", first.tag)
    assert "Installing" in host.builds.log(first.id)
    assert "Installing" not in host.builds.log(second.id)
    assert host.run(first.tag, "import roomgreet; print(roomgreet.WORDS)") == "hello, class"


def test_the_index_s_password_is_nowhere(built: Built, client: docker.DockerClient) -> None:
    host, tag = built.host, built.first.tag
    told = json.dumps(client.api.inspect_image(tag)) + json.dumps(client.api.history(tag))
    left = "".join(path.read_text() for path in host.root.rglob("*") if path.is_file())
    for text in (told, left, host.builds.log(built.first.id)):
        assert PASSWORD not in text
        assert "s3cret" not in text
    program = "import pathlib; print(list(pathlib.Path('/run/site').glob('*')))"
    assert host.run(tag, program) == "[]"


def test_an_image_that_nobody_has_is_removed_unless_something_runs_on_it(built: Built) -> None:
    """The last of those that look at what was built."""
    host, tag = built.host, built.first.tag
    assert host.builds.keep([]) == [], "its classes have not heard of it yet"
    for each in host.builds.all():
        host.builds.remove(each.id)
    assert host.builds.keep([tag]) == []
    running = host.client.containers.run(tag, ["sleep", "60"], detach=True)
    try:
        assert host.builds.keep([]) == []
    finally:
        running.remove(force=True)
    assert host.builds.keep([]) == [tag]
    with pytest.raises(NotFound):
        host.client.images.get(tag)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("torch==2.5.1\n", "that stays as it is", id="another-pytorch"),
        pytest.param("nosuchthing\n", "no package nosuchthing", id="not-there"),
        pytest.param("roomgreet==7\n", "It has: 1.0.", id="no-such-version"),
        pytest.param("fromsource\n", "comes as source alone", id="no-wheel"),
        pytest.param("torch>=2\n", "has all of these already", id="nothing-new"),
        pytest.param("writestorch\n", "dist-packages/torch/", id="over-torch"),
        pytest.param("writesserver\n", "jupyterhub-singleuser", id="over-the-server"),
        pytest.param(
            f"roomgreet==1.0 --hash=sha256:{'0' * 64}\n", "another file", id="another-file"
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_said_in_words_and_leaves_nothing(
    host: Host, index: Index, text: str, words: str
) -> None:
    index.add_source("fromsource", "1.0")
    index.add("torch", "2.5.1", {"torch/__init__.py": ""})
    index.add("writestorch", "1.0", {"torch/__init__.py": "raise SystemExit"})
    index.add("writesserver", "1.0", {"{data}/scripts/jupyterhub-singleuser": "#!python\n"})
    made = host.made(text)
    assert made.state == "failed"
    assert words in made.why
    assert host.builds.images() == set()


def test_hashed_requirements_are_taken_as_they_are(host: Host, index: Index) -> None:
    digest = index.add("hashed", "2.0", {"hashed.py": ""})
    made = host.made(f"hashed==2.0 \\\n    --hash=sha256:{digest}\n")
    assert (made.state, made.lock) == ("built", f"hashed==2.0 --hash=sha256:{digest}\n")


def test_a_build_whose_container_was_killed_begins_anew(host: Host, index: Index) -> None:
    """As when the engine is started anew: its containers end with it."""
    index.held.add("roomgreet-1.0-py3-none-any.whl")
    build = host.builds.begin("ml101", "tina", "roomgreet\n")
    assert index.asked.wait(60)
    for name in host.containers():
        host.client.api.kill(name)
    index.release.set()
    assert host.over(build).state == "built"
    assert host.containers() == []


def test_a_build_that_lost_its_agent_goes_on_with_the_next_one(host: Host, index: Index) -> None:
    index.held.add("roomgreet-1.0-py3-none-any.whl")
    build = host.builds.begin("ml101", "tina", "roomgreet\n")
    assert index.asked.wait(60)
    host.builds.close()
    assert host.builds.images() == set()
    index.release.set()
    host.builds = host.agent()
    assert host.over(build).state == "built"
    assert host.containers() == []


def test_one_that_is_cancelled_leaves_nothing(host: Host, index: Index) -> None:
    index.held.add("roomgreet-1.0-py3-none-any.whl")
    build = host.builds.begin("ml101", "tina", "roomgreet\n")
    assert index.asked.wait(60)
    with pytest.raises(BusyError):
        host.builds.begin("ml101", "tina", "roomgreet\n")
    host.builds.remove(build.id)
    wait_until(lambda: not host.builds.all() and not host.containers(), timeout=30)
    assert list(host.root.iterdir()) == []
    assert host.builds.images() == set()


@pytest.mark.parametrize(
    ("call", "action"),
    [
        pytest.param(r"POST .*/containers/create", "lose", id="create"),
        pytest.param(r"POST .*/start", "drop", id="start"),
        pytest.param(r"GET .*/logs", "drop", id="logs"),
        pytest.param(r"POST .*/commit", "lose", id="commit"),
    ],
)
def test_an_engine_that_goes_away_at_any_step_costs_time_and_nothing_else(
    host: Host, engine: FaultyEngine, call: str, action: str
) -> None:
    """``lose``: the engine does what it is asked, and the agent never hears so."""
    host.builds.close()
    host.socket = engine.url
    host.builds = host.agent()
    rule = engine.fault(call, action)
    build = host.builds.begin("ml101", "tina", "roomgreet\n")
    assert rule.seen.wait(60)
    engine.heal()
    made = host.over(build)
    assert made.state == "built", made.why
    assert host.containers() == []
    assert host.builds.images() == {made.tag}
    assert host.run(made.tag, "import roomgreet; print(roomgreet.WORDS)") == "hello, class"
