"""Uploads in the console: from a list of files to a version, whose they are, what is refused."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timezone
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from agent.app import make_app as agent_app
from console.__main__ import incoming_of
from console.app import make_app
from console.desk import Desk
from console.incoming import Incoming
from console.render import Pages
from publishing.incoming import promised
from room.datasets.space import Disk
from room.people import People
from room.plans.book import Plans
from room.settings import DatasetsSection, Settings
from tests.unit.test_console import PREFIX, Console
from tests.unit.test_console_datasets import NOW, published, put, text_of
from tests.utils.published import contents
from tests.utils.publishing_agent import HUBS, TOKEN, PublishingAgent, publishing_agent
from tests.utils.signed_console import FakeHub
from tests.utils.wait import wait_until

TUS = {"Tus-Resumable": "1.0.0"}


@contextmanager
def agent_at(root: Path) -> Iterator[PublishingAgent]:
    with publishing_agent(root) as agent:
        people = People(agent.library.catalog.store)
        people.add("root", admin=True)
        people.add("tina", ["a"], role="instructor")
        people.add("otto", ["b"], role="instructor")
        people.add("alice", ["a"])
        agent.library.shelf.incoming.mkdir()
        yield agent


@pytest.fixture
def made(tmp_path: Path) -> Iterator[PublishingAgent]:
    with agent_at(tmp_path) as agent:
        yield agent


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console for what changes nothing; otto has a dataset in it."""
    with agent_at(tmp_path_factory.mktemp("calm")) as agent:
        put(agent, "taken", "b", owner="otto")
        with console_of(agent, agent.library.shelf.incoming) as found:
            yield found


def nothing_there(console: Console) -> bool:
    incoming = console.app.state.parts.uploads.incoming  # type: ignore[attr-defined]
    return incoming.all() == [] and list(incoming.root.iterdir()) == []


@contextmanager
def console_of(made: PublishingAgent, incoming: Path | None, **limits: int) -> Iterator[Console]:
    store, hub = made.library.catalog.store, FakeHub()
    plans = Plans(store, clock=lambda: NOW)
    app = make_app(
        Desk(store, plans, hub),  # type: ignore[arg-type]
        Pages(PREFIX, "Torchroom", "en", timezone.utc),
        agent=made.agent(),
        incoming=incoming,
        settings=Settings(datasets=DatasetsSection(**limits)),
    )
    with TestClient(app, follow_redirects=False) as client:
        yield Console(hub, plans, client, app)


@pytest.fixture
def incoming(made: PublishingAgent) -> Path:
    return made.library.shelf.incoming


@pytest.fixture
def console(made: PublishingAgent, incoming: Path) -> Iterator[Console]:
    with console_of(made, incoming) as found:
        yield found


def wanted(files: dict[str, bytes], **more: Any) -> dict[str, Any]:
    listed = [{"path": path, "size": len(data)} for path, data in files.items()]
    return {"name": "cats", "classes": ["a"], "files": listed} | more


def begin(console: Console, files: dict[str, bytes], **more: Any) -> dict[str, Any]:
    found = console.ask("tina", "POST", "uploads", 201, wanted(files, **more))
    assert isinstance(found, dict)
    return found


def patch(
    console: Console, url: str, offset: int, data: bytes, status: int = 204, login: str = "tina"
) -> Any:
    headers = {
        **TUS,
        "Authorization": f"token t-{login}",
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
    }
    answer = console.client.patch(url, content=data, headers=headers)
    assert answer.status_code == status, answer.text
    return answer


def offset(console: Console, url: str, status: int = 200, login: str = "tina") -> int:
    answer = console.client.head(url, headers={**TUS, "Authorization": f"token t-{login}"})
    assert answer.status_code == status
    return int(answer.headers.get("upload-offset", -1))


def send(console: Console, begun: dict[str, Any], files: dict[str, bytes]) -> None:
    for each in begun["files"]:
        if each["size"]:
            patch(console, each["url"], 0, files[each["path"]])


def tar(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return held.getvalue()


def test_what_is_sent_in_pieces_becomes_a_version_and_is_kept_no_longer(
    console: Console, made: PublishingAgent, incoming: Path
) -> None:
    files = {"train/a.bin": os.urandom(3_000_000), "train/b/c.txt": b"words", "empty": b""}
    begun = begin(console, files, description="Cats", licence="CC0")
    url = begun["files"][0]["url"]
    assert offset(console, url) == 0
    data = files["train/a.bin"]
    assert patch(console, url, 0, data[:2_000_001]).headers["upload-offset"] == "2000001"
    assert offset(console, url) == 2_000_001
    refused = console.ask("tina", "POST", f"uploads/{begun['id']}/publish", 409, {})
    assert "1 are there and 3 belong to it" in refused["error"]["message"]  # type: ignore[index]
    patch(console, url, 2_000_001, data[2_000_001:])
    patch(console, begun["files"][1]["url"], 0, b"words")
    assert [each["whole"] for each in console.ask("tina", "GET", "uploads")] == [True]  # type: ignore[union-attr]
    console.ask("tina", "POST", f"uploads/{begun['id']}/publish", 202, {})
    # Nothing of it changes any more, and it is in the other list.
    assert console.ask("tina", "GET", "uploads") == []
    offset(console, url, 404)
    published(made)
    known = made.library.catalog.get("cats")
    assert (known.owner, known.classes, known.description) == ("tina", ("a",), "Cats")
    tree = made.library.shelf.tree("cats", known.versions[0].digest)
    assert {str(path.relative_to(tree)): path.read_bytes() for path in files_of(tree)} == files
    wait_until(lambda: not list(incoming.iterdir()), timeout=20)
    assert made.library.leaked() == made.library.broken() == []


def files_of(tree: Path) -> list[Path]:
    return [path for path in tree.rglob("*") if path.is_file()]


def test_archives_are_published_unpacked(console: Console, made: PublishingAgent) -> None:
    files = {"one.tgz": tar({"a/1": b"1"}), "more/two.tgz": tar({"a/2": b"2"})}
    begun = begin(console, files, unpack=True)
    send(console, begun, files)
    console.ask("tina", "POST", f"uploads/{begun['id']}/publish", 202, {})
    published(made)
    known = made.library.catalog.get("cats")
    tree = made.library.shelf.tree("cats", known.versions[0].digest)
    assert set(contents(tree)) == {"a/1", "a/2"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param({"name": "../x"}, "names no dataset", id="name"),
        pytest.param({"name": "taken"}, "is taken", id="name of somebody else"),
        pytest.param({"classes": ["b"]}, "no instructor of b", id="another class"),
        pytest.param({"classes": ["*"]}, "Only an admin gives", id="everybody"),
        pytest.param({"licence": "x" * 256}, "at most 255 characters", id="long"),
        pytest.param({"files": []}, "No file is chosen", id="nothing"),
        pytest.param(
            {"files": [{"path": f"{n}", "size": 0} for n in range(10_001)]},
            "at most 10000 files, and this one has 10001",
            id="too many files",
        ),
        pytest.param(
            {"files": [{"path": "a", "size": 201 * 1024**3}]},
            "may take 200 GiB together, and with this one they take 201 GiB",
            id="too large",
        ),
    ],
)
def test_what_cannot_be_published_is_said_before_a_byte_is_sent(
    calm: Console, more: Any, words: str
) -> None:
    refused: Any = calm.ask("tina", "POST", "uploads", 409, wanted({"a": b"1"}) | more)
    assert words in refused["error"]["message"]
    assert nothing_there(calm)


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        pytest.param(["../a"], "leads out by ..", id="out"),
        pytest.param(["a/../../b"], "leads out by ..", id="out in the middle"),
        pytest.param(["/etc/passwd"], "absolute", id="absolute"),
        pytest.param(["C:/a"], "absolute", id="drive"),
        pytest.param(["a\nb"], "line break", id="line break"),
        pytest.param(["a\0b"], "cannot be in a dataset", id="nul"),
        pytest.param(["."], "no name of its own", id="no name"),
        pytest.param(["x" * 256], "cannot be in a dataset", id="long"),
        pytest.param(["Cat.jpg", "cat.jpg"], "Cat.jpg", id="upper and lower case"),
        pytest.param(["a", "a/b"], "is a directory, and a file", id="file and folder"),
        pytest.param(["a", "./a"], "it is there twice", id="twice"),
    ],
)
def test_hostile_paths_are_refused_by_name(calm: Console, paths: list[str], words: str) -> None:
    listed = [{"path": path, "size": 1} for path in paths]
    refused: Any = calm.ask("tina", "POST", "uploads", 409, wanted({}) | {"files": listed})
    assert words in refused["error"]["message"]
    assert nothing_there(calm)


def test_a_person_has_five_uploads_at_once(console: Console) -> None:
    for number in range(5):
        begin(console, {"a": b"1"}, name=f"cats{number}")
    refused: Any = console.ask("tina", "POST", "uploads", 409, wanted({"a": b"1"}))
    assert "You have 5 uploads" in refused["error"]["message"]
    console.ask("otto", "POST", "uploads", 201, wanted({"a": b"1"}, classes=["b"]))


def test_room_for_it_is_taken_when_it_begins(
    console: Console, made: PublishingAgent, incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(100 * 1024**2, 50 * 1024**2)
    monkeypatch.setattr(Incoming, "disk", lambda self: disk)
    files = [{"path": "a", "size": 15 * 1024**2}]
    begun: Any = console.ask("tina", "POST", "uploads", 201, wanted({}) | {"files": files})
    # Twice: it is copied when it is published. What has come is no promise any more.
    refused: Any = console.ask(
        "otto", "POST", "uploads", 409, wanted({}, classes=["b"]) | {"files": files}
    )
    assert "30 MiB are promised" in refused["error"]["message"]
    assert promised(incoming) >= 14 * 1024**2
    patch(console, begun["files"][0]["url"], 0, b"x" * 5 * 1024**2)
    assert 9 * 1024**2 < promised(incoming) <= 10 * 1024**2
    job = made.library.desk.begin("dogs", "root", {"kind": "folder", "path": "/nowhere"})
    assert made.library.desk.promised(job) == promised(incoming)


@pytest.mark.parametrize("login", ["otto", "root", "alice", "nobody"])
def test_an_upload_is_its_owners_alone(calm: Console, login: str) -> None:
    console = calm
    begun = begin(console, {"a": b"123"})
    url, unknown = begun["files"][0]["url"], "0" * 32
    for identity in (begun["id"], unknown):
        console.ask(login, "GET", f"uploads/{identity}", 404)
        console.ask(login, "DELETE", f"uploads/{identity}", 404)
        console.ask(login, "POST", f"uploads/{identity}/publish", 404, {})
    assert console.ask(login, "GET", "uploads") == []
    session = console.sign_in(login)
    for act in ("publish", "remove", "other"):
        console.post(session, f"uploads/{begun['id']}/{act}", 404)
    for address in (url, url.replace(begun["id"], unknown)):
        offset(console, address, 404, login)
        patch(console, address, 0, b"1", 404, login)
    assert offset(console, url) == 0
    console.ask("tina", "DELETE", f"uploads/{begun['id']}")
    assert nothing_there(console)


@pytest.mark.parametrize("end", ["", "-1", "-00", "-0x", "-0/..", "-999999999"])
def test_only_a_file_of_an_upload_has_an_address(calm: Console, end: str) -> None:
    console = calm
    begun = begin(console, {"a": b"123"})
    place = f"{PREFIX}api/upload-files/"
    for address in (f"{place}{begun['id']}{end}", f"{place}..%2F{begun['id']}-0"):
        offset(console, address, 404)
        patch(console, address, 0, b"1", 404)
    console.ask("tina", "DELETE", f"uploads/{begun['id']}")


def test_a_page_sends_nothing_without_its_sessions_secret(console: Console) -> None:
    begun = begin(console, {"a": b"123"})
    session, url = console.sign_in("tina"), begun["files"][0]["url"]
    headers = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    for secret, status in ((None, 403), ("x" * 32, 403), (session.csrf, 204)):
        given = headers if secret is None else {**headers, "X-CSRF-Token": secret}
        answer = console.client.patch(url, content=b"1", headers=given)
        assert answer.status_code == status
        # The protocol's other way to say which method is meant changes nothing.
        given = {**given, "X-HTTP-Method-Override": "PATCH", "Upload-Offset": "1"}
        assert console.client.post(url, content=b"2", headers=given).status_code == status
    there = f"{PREFIX}api/uploads/{begun['id']}"
    assert console.client.delete(there).status_code == 403
    assert offset(console, url) == 2
    answer = console.client.delete(there, headers={"X-CSRF-Token": session.csrf})
    assert answer.json() == {"removed": True}
    console.client.cookies.clear()
    assert console.client.patch(url, content=b"1", headers=headers).status_code == 401


def test_bytes_come_where_the_last_ones_ended_and_no_more_than_were_said(
    console: Console, incoming: Path
) -> None:
    begun = begin(console, {"a": b"123456"})
    url = begun["files"][0]["url"]
    patch(console, url, 1, b"2", 409)
    patch(console, url, 0, b"123")
    for wrong in (0, 2, 4, -3):
        patch(console, url, wrong, b"4", 409)
    patch(console, url, 3, b"45678", 400)
    assert offset(console, url) == 3
    patch(console, url, 3, b"456")
    patch(console, url, 6, b"7", 400)
    assert (incoming / begun["id"] / "tree" / "a").read_bytes() == b"123456"
    answer = console.client.patch(url, content=b"x" * (17 * 1024**2), headers={})
    assert answer.status_code in (401, 403)


def test_nothing_else_of_the_protocol_is_there(console: Console) -> None:
    begun = begin(console, {"a": b"123"})
    url = begun["files"][0]["url"]
    headers = {**TUS, "Authorization": "token t-tina", "Upload-Length": "5"}
    for method, address in (
        ("DELETE", url),
        ("GET", url),
        ("POST", f"{PREFIX}api/upload-files"),
        ("POST", f"{PREFIX}api/upload-files/"),
        ("OPTIONS", f"{PREFIX}api/upload-files/"),
    ):
        answer = console.client.request(method, address, headers=headers)
        assert answer.status_code in (404, 405), (method, address)


def test_a_full_disk_is_said_in_words_and_gone_on_from(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(4 * 1024**2)
    begun = begin(console, {"a": data})
    url, write = begun["files"][0]["url"], Incoming.write

    def full(self: Incoming, upload: Any, number: int, at: int, piece: bytes) -> None:
        write(self, upload, number, at, piece[: 2 * 1024**2])
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(Incoming, "write", full)
    refused = patch(console, url, 0, data, 507).json()
    assert refused["error"]["message"].startswith("The disk is full. What came so far is kept")
    there = offset(console, url)
    assert there == 2 * 1024**2
    monkeypatch.undo()
    patch(console, url, there, data[there:])
    assert offset(console, url) == len(data)


def test_what_is_refused_at_the_end_stays_and_is_published_under_another_name(
    console: Console, made: PublishingAgent
) -> None:
    files = {"a.tgz": tar({"x": b"1"})}
    begun = begin(console, files)
    send(console, begun, files)
    put(made, "cats", "b", owner="otto")
    refused: Any = console.ask("tina", "POST", f"uploads/{begun['id']}/publish", 409, {})
    assert "The name cats is taken" in refused["error"]["message"]
    session = console.sign_in("tina")
    page = console.post(session, f"uploads/{begun['id']}/publish", 200, name="cats")
    assert "The name cats is taken" in text_of(page)
    assert 'value="cats"' in page
    console.post(session, f"uploads/{begun['id']}/publish", name="kittens", unpack="1")
    published(made, "kittens")
    assert made.library.catalog.get("kittens").versions[0].files == 1


def test_a_publication_that_is_cancelled_leaves_the_upload(
    console: Console, made: PublishingAgent, incoming: Path
) -> None:
    files = {"a.tgz": b"no archive at all"}
    begun = begin(console, files, unpack=True)
    send(console, begun, files)
    console.ask("tina", "POST", f"uploads/{begun['id']}/publish", 202, {})
    wait_until(lambda: made.publications.all()[0].job.state == "failed", timeout=60)
    assert "a.tgz" in made.publications.all()[0].job.why
    session = console.sign_in("tina")
    refused = console.post(session, f"uploads/{begun['id']}/remove", 200)
    assert "Cancel the publication first" in refused
    page = console.get("datasets")
    assert "The upload stays" in page
    assert console.ask("tina", "GET", "uploads") == []
    console.post(session, f"publications/{made.publications.all()[0].job.id}/cancel")
    wait_until(lambda: console.ask("tina", "GET", "uploads"), timeout=20)
    assert "Publish what was uploaded" in console.get("datasets")
    console.post(session, f"uploads/{begun['id']}/remove")
    assert list(incoming.iterdir()) == []


def test_a_form_names_no_upload(console: Console, made: PublishingAgent) -> None:
    begun = begin(console, {"a": b"1"})
    session = console.sign_in("otto")
    sent = {"name": "dogs", "from": "upload", "upload": begun["id"], "class": "b"}
    page = console.post(session, "datasets", 200, **sent)
    assert "let it run this page's script" in text_of(page)
    assert made.publications.all() == []


def test_the_agent_reads_nothing_but_uploads(
    console: Console, made: PublishingAgent, incoming: Path, tmp_path: Path
) -> None:
    """Whatever a console that somebody has taken over puts there, or asks for."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    begun = begin(console, {"a/b": b"1", "c": b"2"})
    send(console, begun, {"a/b": b"1", "c": b"2"})
    tree = incoming / begun["id"] / "tree"
    (tree / "c").unlink()
    (tree / "c").symlink_to(secret)
    console.ask("tina", "POST", f"uploads/{begun['id']}/publish", 202, {})
    wait_until(lambda: made.publications.all()[0].job.state == "failed", timeout=60)
    assert "symbolic link" in made.publications.all()[0].job.why
    (incoming / ("f" * 32)).mkdir()
    (incoming / ("f" * 32) / "tree").symlink_to(secret.parent)
    agent = TestClient(agent_app(made.root, HUBS, publications=made.publications, publisher=TOKEN))
    key = {"Authorization": f"Bearer {TOKEN}"}
    for identity, status in (("f" * 32, 201), ("../" + "f" * 29, 422), ("f" * 31, 422)):
        source = {"kind": "upload", "upload": identity}
        asked = {"name": "leak", "actor": "tina", "source": source}
        answer = agent.post("/v1/publications", json=asked, headers=key)
        assert answer.status_code == status
    wait_until(lambda: [j.job.state for j in made.publications.all()] == ["failed"] * 2, timeout=60)
    assert not list(made.library.shelf.versions.iterdir())


def test_what_nobody_goes_on_with_is_removed(
    made: PublishingAgent, incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with console_of(made, incoming, upload_days=2) as console:
        old, new = begin(console, {"a": b"12"}), begin(console, {"a": b"1"}, name="dogs")
        aged = time.time() - 3 * 86400
        orphan = incoming / ("e" * 32 + ".new")
        orphan.mkdir()
        broken = incoming / ("d" * 32)
        broken.mkdir()
        (broken / "upload.json").write_text('{"id": ')
        for path in (incoming / old["id"] / "upload.json", incoming / new["id"], orphan, broken):
            os.utime(path, (aged, aged))
        announcer = console.app.state.parts.datasets.announcer  # type: ignore[attr-defined]
        console.client.portal.call(announcer.look)  # type: ignore[union-attr]
        assert [path.name for path in incoming.iterdir()] == [new["id"]]
        offset(console, old["files"][0]["url"], 404)
        assert "removed after 2 days" in text_of(signed(console).get("datasets"))


def signed(console: Console) -> Console:
    console.sign_in("tina")
    return console


def test_a_room_without_a_place_for_them_offers_none(made: PublishingAgent, tmp_path: Path) -> None:
    assert incoming_of({}) is None
    assert incoming_of({"ROOM_INCOMING": "/somewhere"}) == Path("/somewhere")
    for place in (None, tmp_path / "nowhere"):
        with console_of(made, place) as console:
            assert "Files of your computer" not in signed(console).get("datasets?from=upload")
            console.ask("tina", "POST", "uploads", 404, wanted({"a": b"1"}))
            assert console.ask("tina", "GET", "uploads") == []
    # A student is offered none anywhere.
    with console_of(made, made.library.shelf.root) as console:
        console.sign_in("alice")
        assert "tus.min.js" not in console.get("datasets")
