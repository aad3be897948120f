"""What the agent publishes for who has no account on the host: folders of homes, as copies."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from agent.__main__ import publishers_token
from agent.app import make_app
from agent.publications import Publications
from publishing.publish import announce
from tests.utils.published import Library, contents
from tests.utils.wait import wait_until

TOKEN, PUBLISHER = "t" * 40, "p" * 40


@pytest.fixture
def root(tmp_path: Path) -> Path:
    data = tmp_path / "homes" / "alice" / "cats"
    data.mkdir(parents=True)
    for number in range(20):
        (data / f"{number}.png").write_bytes(os.urandom(5000))
    Library.at(tmp_path)
    return tmp_path


@pytest.fixture
def publications(root: Path) -> Iterator[Publications]:
    made = Publications(root / "datasets")
    made.open()
    yield made
    made.close()


@pytest.fixture
def agent(root: Path, publications: Publications) -> TestClient:
    app = make_app(root, TOKEN, publications=publications, publisher=PUBLISHER)
    return TestClient(app, headers={"Authorization": f"Bearer {PUBLISHER}"})


def ask(agent: TestClient, path: str = "cats", **more: Any) -> Any:
    source = {"kind": "home", "user": "alice", "path": path}
    return agent.post(
        "/v1/publications", json={"name": "cats", "actor": "ann", "source": source} | more
    )


def stopped(agent: TestClient, identity: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        (found,) = [one for one in agent.get("/v1/publications").json() if one["id"] == identity]
        over = found["state"] in ("stored", "failed") and not found["running"]
        return found if over else None

    return wait_until(look, timeout=60)


def test_a_folder_of_a_home_becomes_a_version(agent: TestClient, root: Path) -> None:
    begun = ask(agent, classes=["ml101"], licence="CC0")
    assert begun.status_code == 201
    found = stopped(agent, begun.json()["id"])
    assert (found["state"], found["files"], found["size"]) == ("stored", 20, 100_000)
    library = Library.at(root)
    made = announce(library.catalog, library.desk, library.desk.get(found["id"]))
    tree = library.shelf.tree("cats", made.version.digest)
    assert contents(tree) == contents(root / "homes/alice/cats")
    (known,) = library.catalog.of(["ml101"])
    assert known.licence == "CC0"
    assert agent.get("/v1/publications").json() == []
    assert library.leaked() == library.broken() == []


@pytest.mark.parametrize(
    ("path", "status", "rule"),
    [
        pytest.param("../bob", 422, "leads out by ..", id="out"),
        pytest.param("/etc", 422, "absolute", id="absolute"),
        pytest.param("a\nb", 422, "line break", id="line-break"),
    ],
)
def test_a_folder_outside_the_home_is_refused_at_once(
    agent: TestClient, path: str, status: int, rule: str
) -> None:
    answer = ask(agent, path)
    assert answer.status_code == status
    assert rule in answer.json()["detail"]
    assert agent.get("/v1/publications").json() == []


@pytest.mark.parametrize("where", ["cats/link", "link", "nowhere"])
def test_a_folder_behind_a_link_is_nobodys_to_publish(
    agent: TestClient, root: Path, where: str
) -> None:
    """Root copies: a link in a home leads wherever its owner likes."""
    (root / "homes/alice/link").symlink_to(root / "homes")
    (root / "homes/alice/cats/link").symlink_to("/etc")
    found = stopped(agent, ask(agent, where).json()["id"])
    assert found["state"] == "failed"
    assert "no link leads to" in found["why"]


def zipped(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("unpack", "expected"),
    [
        pytest.param(True, {"a/1.txt": b"one", "2.txt": b"two"}, id="what-is-in-it"),
        pytest.param(False, None, id="itself"),
    ],
)
def test_an_archive_of_a_home_is_published_as_it_is_or_unpacked(
    agent: TestClient, root: Path, unpack: bool, expected: dict[str, bytes] | None
) -> None:
    path = root / "homes/alice/some/cats.zip"
    path.parent.mkdir()
    zipped(path, {"a/1.txt": b"one", "2.txt": b"two"})
    source = {"kind": "home", "user": "alice", "path": "some/cats.zip", "unpack": unpack}
    found = stopped(agent, ask(agent, source=source).json()["id"])
    assert found["state"] == "stored", found["why"]
    tree = Library.at(root).shelf.tree("cats", found["digest"])
    kept = expected or {"cats.zip": path.read_bytes()}
    assert contents(tree) == {
        name: hashlib.sha256(content).hexdigest() for name, content in kept.items()
    }


@pytest.mark.parametrize(
    ("members", "path", "why"),
    [
        pytest.param({"../../out": b"x"}, "bad.zip", "'../../out'", id="hostile"),
        pytest.param({}, "cats", "is a folder and no archive", id="folder"),
        pytest.param({}, "link.zip", "no link leads to", id="link"),
    ],
)
def test_what_is_no_archive_or_a_hostile_one_is_refused_whole(
    agent: TestClient, root: Path, members: dict[str, bytes], path: str, why: str
) -> None:
    home = root / "homes/alice"
    zipped(home / "bad.zip", {"good": b"x", **members})
    (home / "link.zip").symlink_to("bad.zip")
    source = {"kind": "home", "user": "alice", "path": path, "unpack": True}
    found = stopped(agent, ask(agent, source=source).json()["id"])
    assert found["state"] == "failed"
    assert why in found["why"]
    assert not list((root / "datasets/staging").glob("*/version/tree/*"))


def test_what_cannot_be_in_a_dataset_is_said_and_can_be_mended(
    agent: TestClient, root: Path
) -> None:
    bad = root / "homes/alice/cats/out"
    bad.symlink_to("../../bob/secret")
    identity = ask(agent).json()["id"]
    found = stopped(agent, identity)
    assert "'out' cannot be in a dataset" in found["why"]
    bad.unlink()
    assert agent.post(f"/v1/publications/{identity}/again").status_code == 200
    assert stopped(agent, identity)["state"] == "stored"


def test_a_cancelled_publication_leaves_nothing(agent: TestClient, root: Path) -> None:
    (root / "homes/alice/cats/out").symlink_to("/etc")
    identity = ask(agent).json()["id"]
    stopped(agent, identity)
    assert agent.delete(f"/v1/publications/{identity}").json() == {"gone": True}
    assert Library.at(root).leaked() == []
    assert agent.delete(f"/v1/publications/{identity}").status_code == 404


def test_a_worker_that_is_killed_is_gone_on_with_by_the_next_agent(
    root: Path, publications: Publications
) -> None:
    big = root / "homes/alice/cats/big"
    with big.open("wb") as file:
        file.truncate(3 * 1024**3)  # long enough to be met at it
    source = {"kind": "home", "user": "alice", "path": str(root / "homes/alice"), "below": "cats"}
    seen = publications.begin("cats", "ann", source, about={}, classes=())
    (worker,) = publications._workers.values()
    wait_until(lambda: any(each.progress.done for each in publications.all()), timeout=60)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    big.unlink()
    assert publications.all()[0].job.state == "gathering"
    again = Publications(root / "datasets")
    again.open()
    try:
        wait_until(lambda: again.all()[0].job.state == "stored", timeout=60)
        assert again.all()[0].job.id == seen.job.id
        assert again.all()[0].job.files == 20
    finally:
        again.close()


#: An agent's publications, without all else that it does.
AGENT = """
import sys, time
from pathlib import Path
from agent.publications import Publications
made = Publications(Path(sys.argv[1]))
made.open()
print("open", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("together", "times"),
    [pytest.param(True, 3, id="with-its-workers"), pytest.param(False, 1, id="alone")],
)
def test_an_agent_that_is_killed_is_gone_on_with_by_the_next(
    root: Path, together: bool, times: int
) -> None:
    """In its container all end with it; elsewhere a worker may outlive it, and is left to it."""
    library = Library.at(root)
    source = {"kind": "home", "user": "alice", "path": str(root / "homes/alice"), "below": "cats"}
    with (root / "homes/alice/cats/big").open("wb") as file:
        file.truncate(160 * 1024**2)  # long enough to be met at it
    job = library.desk.begin("cats", "ann", source)
    moments = random.Random(2026)
    for _ in range(times):
        agent = subprocess.Popen(
            [sys.executable, "-c", AGENT, root / "datasets"],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert agent.stdout
        assert agent.stdout.readline() == b"open\n"
        wait_until(lambda: library.desk.running(job), timeout=60)
        time.sleep(moments.uniform(0, 0.2))  # any moment of its work
        os.killpg(agent.pid, signal.SIGKILL) if together else agent.kill()
        agent.wait()
        agent.stdout.close()
        assert library.catalog.all() == []
        assert library.desk.all()[0].state in ("gathering", "stored")
    last = Publications(root / "datasets")
    last.open()
    try:
        wait_until(
            lambda: last.all()[0].job.state == "stored" and not last.all()[0].running, timeout=60
        )
    finally:
        last.close()
    version = announce(library.catalog, library.desk, library.desk.get(job.id)).version
    assert contents(library.shelf.tree("cats", version.digest)) == contents(
        root / "homes/alice/cats"
    )
    assert library.leaked() == library.broken() == []


def test_what_was_cut_short_before_its_files_had_their_place_is_not_announced_and_gone_on_with(
    agent: TestClient, root: Path, publications: Publications
) -> None:
    identity = ask(agent).json()["id"]
    found = stopped(agent, identity)
    library = Library.at(root)
    # As a kill between the last two steps leaves it.
    place = library.shelf.version("cats", found["digest"])
    place.rename(root / "datasets/staging" / identity / "version")

    def given_up() -> bool:
        (seen,) = agent.get("/v1/publications").json()
        assert seen["state"] == "gathering"
        return not seen["running"] and not seen["waiting"]

    wait_until(given_up, timeout=20)
    assert agent.delete(f"/v1/publications/{identity}?published=true").status_code == 409
    again = Publications(root / "datasets")
    again.open()
    try:
        wait_until(lambda: again.all()[0].job.state == "stored", timeout=60)
        again.forget(identity)
    finally:
        again.close()
    assert contents(library.shelf.tree("cats", found["digest"])) == contents(
        root / "homes/alice/cats"
    )


def test_an_agent_that_ends_ends_its_workers(root: Path) -> None:
    with (root / "homes/alice/cats/big").open("wb") as file:
        file.truncate(3 * 1024**3)
    made = Publications(root / "datasets")
    with TestClient(make_app(root, TOKEN, publications=made, publisher=PUBLISHER)) as agent:
        agent.headers["Authorization"] = f"Bearer {PUBLISHER}"
        ask(agent)
        (worker,) = made._workers.values()
        assert worker.poll() is None
    assert worker.poll() is not None
    assert Library.at(root).desk.all()[0].state == "gathering"


@pytest.mark.parametrize("token", ["", TOKEN, "x" * 40])
def test_nobody_without_the_token_publishes(agent: TestClient, token: str) -> None:
    """The hub's token, too, is none for this."""
    agent.headers["Authorization"] = f"Bearer {token}"
    assert agent.get("/v1/publications").status_code == 401
    assert ask(agent).status_code == 401
    for path in ("0" * 36, "0" * 36 + "?published=true"):
        assert agent.delete(f"/v1/publications/{path}").status_code == 401


def test_who_publishes_may_do_nothing_else(agent: TestClient) -> None:
    assert agent.post("/v1/homes", json={"user": "alice"}).status_code == 401
    assert agent.get("/v1/homes/alice/usage").status_code == 401


def test_an_agent_without_the_publisher_s_token_does_all_but_publish(
    root: Path, publications: Publications
) -> None:
    (root / "publisher_token").mkdir()  # as an engine makes what it cannot mount
    missing = publishers_token(root)
    app = make_app(root, TOKEN, publications=publications, publisher=missing)
    agent = TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"})
    assert agent.get("/healthz").status_code == 200
    assert agent.get("/v1/homes/nobody/usage").status_code == 404
    agent.headers["Authorization"] = "Bearer "
    assert ask(agent).status_code == 404
    (root / "publisher_token").rmdir()
    (root / "publisher_token").write_text(PUBLISHER + "\n")
    assert publishers_token(root) == PUBLISHER
