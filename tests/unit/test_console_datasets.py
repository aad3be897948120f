"""Datasets in the console: what each is told of, publishing from a home, and what is refused."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from console.__main__ import agent_of
from console.agent import Agent
from console.app import make_app
from console.desk import Desk
from console.render import Pages
from publishing.publish import gather
from room.audit import read
from room.datasets.catalog import Catalog
from room.datasets.manifest import Summary
from room.datasets.model import About
from room.datasets.names import Reference
from room.people import People
from room.plans.book import Plans
from tests.unit.test_console import PREFIX, Console
from tests.utils.published import contents
from tests.utils.publishing_agent import PublishingAgent, publishing_agent
from tests.utils.signed_console import FakeHub
from tests.utils.wait import wait_until

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 27, 9, tzinfo=timezone.utc)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[PublishingAgent]:
    with publishing_agent(tmp_path) as agent:
        people = People(agent.library.catalog.store)
        people.add("root", admin=True)
        people.add("tina", ["a"], role="instructor")
        people.add("otto", ["b"], role="instructor")
        people.add("asta", ["a"], role="assistant")
        people.add("alice", ["a"])
        people.add("bob", ["b"])
        yield agent


@pytest.fixture
def console(made: PublishingAgent) -> Iterator[Console]:
    with console_of(made, made.agent()) as found:
        yield found


@contextmanager
def console_of(made: PublishingAgent, agent: Agent | None) -> Iterator[Console]:
    store, hub = made.library.catalog.store, FakeHub()
    plans = Plans(store, clock=lambda: NOW)
    app = make_app(
        Desk(store, plans, hub),  # type: ignore[arg-type]
        Pages(PREFIX, "Torchroom", "en", timezone.utc),
        agent=agent,
    )
    with TestClient(app, follow_redirects=False) as client:
        yield Console(hub, plans, client, app)


def put(made: PublishingAgent, name: str, *classes: str, owner: str = "root") -> None:
    """Put a version into the catalog, without files."""
    catalog = Catalog(made.library.catalog.store, actor=owner, origin="test")
    count = sum(len(each.versions) for each in catalog.all())
    files = Summary(f"{count:064x}", 5 * 1024**2, 7)
    about = About(f"About {name} <script>alert(1)</script>", "CC0", "https://example.org/?a=1&b=2")
    catalog.publish(name, files, about, classes, job=f"{count}")


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def form(**more: str) -> dict[str, str]:
    return {"name": "cats", "folder": "cats", "class": "a"} | more


def published(made: PublishingAgent, name: str = "cats", versions: int = 1) -> None:
    def there() -> bool:
        found = [each for each in made.library.catalog.all() if each.name == name]
        # What is forgotten is removed file by file, its own words first.
        over = not list(made.library.shelf.staging.iterdir())
        return bool(found) and len(found[0].versions) == versions and over

    wait_until(there, timeout=60)


# -- who is told of what -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("login", "sees", "manages"),
    [
        pytest.param("root", {"ours", "theirs", "both", "all", "none"}, True, id="admin"),
        pytest.param("tina", {"ours", "both", "all"}, {"ours"}, id="instructor"),
        pytest.param("otto", {"theirs", "both", "all"}, {"theirs"}, id="another class"),
        pytest.param("asta", {"ours", "both", "all"}, set(), id="assistant"),
        pytest.param("alice", {"ours", "both", "all"}, set(), id="student"),
        pytest.param("nobody", {"all"}, set(), id="in no class"),
    ],
)
def test_each_is_told_of_their_own(
    console: Console, made: PublishingAgent, login: str, sees: set[str], manages: Any
) -> None:
    every = {"ours": "a", "theirs": "b", "both": "ab", "all": "*", "none": ""}
    for name, classes in every.items():
        put(made, name, *classes)
    session = console.sign_in(login)
    page = console.get("datasets")
    assert {name for name in every if f'datasets/{name}"' in page} == sees
    found = {each["name"]: each for each in console.ask(login, "GET", "datasets")}
    assert found.keys() == sees
    manages = sees if manages is True else manages
    assert {name for name, each in found.items() if each["manages"]} == manages
    unknown = console.get("datasets/nosuch", 404).replace("%2Fnosuch", "")
    for name in every:
        page = console.get(f"datasets/{name}", 200 if name in sees else 404)
        console.ask(login, "GET", f"datasets/{name}", 200 if name in sees else 404)
        assert ('value="retire"' in page) is (name in manages)
        if name not in sees:
            # It is refused in the words of one that is not there.
            assert page.replace(f"%2F{name}", "") == unknown
        for act in ("retire", "restore", "share", "take", "describe"):
            if name not in manages:
                console.post(session, f"datasets/{name}", 404, act=act, version="1")
    # A class that is not theirs is not named to a reader.
    assert "b" not in found.get("both", {"classes": []})["classes"] or login in ("root", "otto")


def test_a_reader_finds_what_it_is_and_how_to_read_it(
    console: Console, made: PublishingAgent
) -> None:
    put(made, "cats", "a")
    console.sign_in("alice")
    page = console.get("datasets/cats")
    told = text_of(page)
    assert "About cats <script>alert(1)</script>" in told
    assert "<script>alert" not in page
    for words in ("5 MiB", "7 files", "CC0", "https://example.org/?a=1&b=2", "/datasets/cats"):
        assert words in told
    assert 'Path("/datasets/cats")' in told
    assert "<form" not in page
    listed = console.get("datasets")
    assert "<script>alert" not in listed
    assert "<form" not in listed
    made.library.catalog.retire(Reference("cats"))
    console.get("datasets/cats", 404)


def test_a_page_says_of_each_version_whether_it_is_there_and_whole(
    console: Console, made: PublishingAgent
) -> None:
    for _ in range(4):
        put(made, "cats", "a")
    catalog = made.library.catalog
    catalog.verified(Reference("cats", 4), None)
    catalog.verified(Reference("cats", 3), 2)
    console.sign_in("root")
    rows = [text_of(each) for each in console.get("datasets/cats").split("<tr>")[2:]]
    for row, words in zip(
        rows,
        (
            "not on the machine that servers run on: publish it again",
            "no server starts with it 2 files are not as published read through on",
            "servers start with it whole on",
            "older whole on",
        ),
        strict=True,
    ):
        assert words in row
    told = console.ask("root", "GET", "datasets/cats")
    assert told["version"] == 2
    assert [(each["here"], each["usable"]) for each in told["versions"]] == [
        (False, False),
        (True, False),
        (True, True),
        (True, True),
    ]
    seen = console.ask("alice", "GET", "datasets/cats")
    assert [each["number"] for each in seen["versions"]] == [2]
    for number in (1, 2):
        catalog.verified(Reference("cats", number), 1)
    for path in ("datasets", "datasets/cats"):
        assert "no server starts with it" in text_of(console.get(path))


@pytest.mark.parametrize(
    ("files", "line"),
    [
        pytest.param(
            ["train/cat/1.png", "train/dog/2.png"],
            'datasets.ImageFolder("/datasets/cats/train"',
            id="pictures-in-folders",
        ),
        pytest.param(["all.parquet"], 'read_parquet("/datasets/cats/all.parquet")', id="table"),
        pytest.param(["notes"], 'Path("/datasets/cats").rglob', id="anything-else"),
    ],
)
def test_a_page_has_the_lines_that_load_what_is_in_it(
    console: Console, made: PublishingAgent, files: list[str], line: str
) -> None:
    folder = made.folder("tina", "cats", files=0)
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    console.post(console.sign_in("tina"), "datasets", **form())
    published(made)
    assert line in html.unescape(console.get("datasets/cats"))
    (version,) = made.library.catalog.get("cats").versions
    page = made.library.shelf.version("cats", version.digest) / "README.md"
    assert line in page.read_text()


# -- publishing --------------------------------------------------------------------------------


def test_an_instructor_publishes_a_folder_of_their_home(
    console: Console, made: PublishingAgent
) -> None:
    folder = made.folder("tina", "data/cats")
    session = console.sign_in("tina")
    console.post(
        session, "datasets", **form(folder="~/data/cats/", description="Cats & <b>", licence="CC0")
    )
    assert "goes on when you leave" in console.get("datasets?said=publishing")
    published(made)
    known = made.library.catalog.get("cats")
    assert (known.owner, known.classes, known.description) == ("tina", ("a",), "Cats & <b>")
    assert contents(made.library.shelf.tree("cats", known.versions[0].digest)) == contents(folder)
    assert made.library.leaked() == made.library.broken() == []
    page = text_of(console.get("datasets/cats"))
    assert "servers start with it" in page
    assert "a 3 people" in page
    (folder / "new.png").write_bytes(b"new")
    assert 'value="cats"' in console.get("datasets?name=cats")
    console.post(session, "datasets", name="Cats", folder="/home/jovyan/data/cats")
    published(made, versions=2)
    # What was said of it stays where nothing new is said.
    assert made.library.catalog.get("cats").description == "Cats & <b>"


@pytest.mark.parametrize(
    ("login", "sent", "words"),
    [
        pytest.param("tina", {"name": "../x"}, "names no dataset", id="name"),
        pytest.param("tina", {"name": ""}, "names no dataset", id="no name"),
        pytest.param("tina", {"folder": "../otto"}, "leads out by ..", id="out"),
        pytest.param("tina", {"folder": "/etc"}, "absolute", id="absolute"),
        pytest.param("tina", {"folder": "a\nb"}, "line break", id="line break"),
        pytest.param("tina", {"folder": "~"}, "no folder is named", id="all of it"),
        pytest.param("tina", {"folder": "./"}, "no folder is named", id="all of it, too"),
        pytest.param("tina", {"class": "*"}, "Only an admin gives", id="everybody"),
        pytest.param("tina", {"class": "b"}, "no instructor of b", id="another class"),
        pytest.param("root", {"class": "<b>"}, "is no class name", id="no class"),
        pytest.param("tina", {"licence": "x" * 256}, "at most 255 characters", id="long"),
        pytest.param("tina", {"name": "theirs"}, "The name theirs is taken.", id="taken"),
        pytest.param("tina", {"name": "both"}, "not only for your classes", id="shared"),
        pytest.param("asta", {}, "Only instructors of a class and admins", id="assistant"),
        pytest.param("alice", {}, "Only instructors of a class and admins", id="student"),
    ],
)
def test_what_may_not_be_published_is_refused_in_words_and_what_was_typed_stays(
    console: Console, made: PublishingAgent, login: str, sent: dict[str, str], words: str
) -> None:
    put(made, "theirs", "b")
    put(made, "both", "a", "b")
    session = console.sign_in(login)
    page = console.post(session, "datasets", 200, **form(description="<i>kept", **sent))
    assert words in text_of(page)
    if login in ("root", "tina"):
        assert "&lt;i&gt;kept" in page
    fields = form(**sent)
    body = {**fields, "classes": [fields["class"]]}
    refused = console.ask(login, "POST", "datasets", 409, body)
    assert words in refused["error"]["message"]
    assert made.publications.all() == []


def test_a_click_twice_publishes_once_and_the_name_is_nobody_else_s(
    console: Console, made: PublishingAgent
) -> None:
    session = console.sign_in("tina")
    console.post(session, "datasets", **form(folder="nowhere"))
    page = console.post(session, "datasets", 200, **form())
    assert "cats is being published already" in text_of(page)
    session = console.sign_in("otto")
    page = console.post(session, "datasets", 200, **form(**{"class": "b"}))
    assert "The name cats is taken." in text_of(page)
    assert "tina" not in text_of(page)
    assert len(made.publications.all()) == 1


def failed(console: Console, made: PublishingAgent, **sent: str) -> str:
    """Publish what fails; return the publication's id."""
    console.post(console.sign_in("tina"), "datasets", **form(**sent))
    (seen,) = made.publications.all()

    def over() -> bool:
        (now,) = made.publications.all()
        return now.job.state == "failed" and not now.running

    wait_until(over, timeout=60)
    return seen.job.id


def test_what_failed_says_why_is_mended_and_gone_on_with(
    console: Console, made: PublishingAgent
) -> None:
    folder = made.folder("tina", "cats")
    (folder / "<b>").symlink_to("/etc/passwd")
    identity = failed(console, made)
    page = console.get("publications")
    assert "'<b>' cannot be in a dataset" in text_of(page)
    chinese = console.get("publications", headers={"accept-language": "zh-CN"})
    assert "'<b>' 不能放进数据集" in text_of(chinese)
    assert "hx-trigger" not in page, "it does not go on by itself"
    (folder / "<b>").unlink()
    session = console.sign_in("tina")
    console.post(session, f"publications/{identity}/again")
    published(made)
    page = console.post(session, f"publications/{identity}/again", 200)
    assert "This publication is over" in text_of(page)


@pytest.mark.parametrize("login", ["otto", "alice", "root", "tina"])
def test_a_publication_is_its_publisher_s_and_an_admin_s_to_cancel(
    console: Console, made: PublishingAgent, login: str
) -> None:
    identity = failed(console, made, folder="nowhere")
    may = login in ("root", "tina")
    session = console.sign_in(login)
    assert (identity in console.get("datasets")) is may
    assert [each["id"] for each in console.ask(login, "GET", "publications")] == [identity] * may
    for path in (identity, "0" * 36):
        page = console.post(
            session, f"publications/{path}/again", 303 if may and path == identity else 200
        )
        assert may or "This publication is over" in text_of(page)
    wait_until(lambda: not made.publications.all()[0].running, timeout=60)
    console.ask(login, "DELETE", f"publications/{identity}", 200 if may else 409)
    wait_until(lambda: len(made.publications.all()) == (not may), timeout=60)
    console.post(session, f"publications/{identity}/explode", 404)


def test_what_is_stored_and_refused_says_so_and_is_cancelled(
    console: Console, made: PublishingAgent
) -> None:
    made.folder("tina", "cats")
    session = console.sign_in("tina")
    put(made, "cats", "a", owner="tina")
    console.post(session, "datasets", **form())
    # An admin gives its class another instructor while it is copied.
    People(made.library.catalog.store).leave("tina", ["a"])
    People(made.library.catalog.store).add("tina", ["b"], role="instructor")
    wait_until(lambda: made.publications.all()[0].job.state == "stored", timeout=60)
    page = console.get("datasets")
    assert "You are no instructor of a." in text_of(page)
    (seen,) = made.publications.all()
    console.post(session, f"publications/{seen.job.id}/cancel")
    assert made.publications.all() == []
    assert len(made.library.catalog.get("cats").versions) == 1


def test_what_a_command_left_is_an_admin_s_to_see_and_the_command_s_to_go_on_with(
    console: Console, made: PublishingAgent
) -> None:
    desk, job = made.library.desk, made.library.begin("dogs", made.folder("tina", "dogs"))
    with desk.held(job):
        gather(desk, job, desk.note(job))
    assert "dogs" not in text_of(console_page(console, "tina"))
    page = console_page(console, "root")
    assert "the command that began it on the host goes on with it" in text_of(page)
    assert "hx-trigger" not in page
    assert f"publications/{job.id}" not in page


def console_page(console: Console, login: str) -> str:
    console.sign_in(login)
    return console.get("datasets")


# -- changing ----------------------------------------------------------------------------------


def test_an_instructor_shares_retires_restores_and_describes(
    console: Console, made: PublishingAgent
) -> None:
    put(made, "cats", owner="tina")
    session, catalog = console.sign_in("tina"), made.library.catalog
    console.post(session, "datasets/cats", act="share", **{"class": "a"})
    assert catalog.get("cats").classes == ("a",)
    assert "Changed." in console.get("datasets/cats?said=changed")
    console.post(session, "datasets/cats", act="retire", version="1")
    assert catalog.get("cats").newest is None
    assert "none: all are retired" in text_of(console.get("datasets/cats"))
    console.post(session, "datasets/cats", act="restore", version="1")
    assert catalog.get("cats").newest is not None
    console.post(session, "datasets/cats", act="describe", description="New", licence="", source="")
    assert (catalog.get("cats").description, catalog.get("cats").licence) == ("New", "")
    console.post(session, "datasets/cats", act="take", **{"class": "a"})
    assert catalog.get("cats").classes == ()
    with catalog.store.read() as connection:
        noted = [
            each for each in read(connection)[0] if each.actor == "tina" and each.origin != "test"
        ]
    assert [each.action for each in reversed(noted)] == [
        "dataset share", "dataset retire", "dataset restore", "dataset describe", "dataset unshare",
    ]  # fmt: skip
    assert {each.origin for each in noted} == {"console page testclient"}


def test_who_takes_the_last_of_their_classes_is_led_to_the_list(
    console: Console, made: PublishingAgent
) -> None:
    put(made, "cats", "a")
    session = console.sign_in("tina")
    answer = console.client.post(
        f"{PREFIX}datasets/cats", data={"_csrf": session.csrf, "act": "take", "class": "a"}
    )
    assert answer.headers["location"] == f"{PREFIX}datasets?said=changed"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        pytest.param({"act": "share", "class": "*"}, "Only an admin gives", id="everybody"),
        pytest.param({"act": "share", "class": "b"}, "no instructor of b", id="another"),
        pytest.param({"act": "share"}, "No class is chosen", id="none"),
        pytest.param({"act": "take", "class": "b"}, "no instructor of b", id="take another"),
        pytest.param({"act": "retire", "version": "9"}, "no version 9 of cats", id="version"),
        pytest.param({"act": "retire", "version": "x"}, "no version 0 of cats", id="no number"),
        pytest.param({"act": "retire", "version": "9" * 40}, "no version 0", id="huge"),
        pytest.param({"act": "restore"}, "no version 0 of cats", id="no version"),
        pytest.param(
            {"act": "describe", "description": "<b>" * 700}, "at most 2000 characters", id="long"
        ),
    ],
)
def test_a_change_that_may_not_be_is_refused_in_words(
    console: Console, made: PublishingAgent, sent: dict[str, str], words: str
) -> None:
    put(made, "cats", "a", owner="tina")
    page = console.post(console.sign_in("tina"), "datasets/cats", 200, **sent)
    assert words in text_of(page)
    assert "<b><b>" not in page
    known = made.library.catalog.get("cats")
    assert (known.classes, known.newest is not None) == (("a",), True)


def test_a_program_does_the_same(console: Console, made: PublishingAgent) -> None:
    made.folder("tina", "cats")
    body: dict[str, Any] = {"name": "cats", "folder": "cats", "classes": ["a"], "licence": "MIT"}
    begun = console.ask("tina", "POST", "datasets", 202, body)
    assert (begun["name"], begun["actor"]) == ("cats", "tina")
    published(made)
    found = console.ask("tina", "GET", "datasets/cats")
    assert (found["version"], found["classes"], found["licence"]) == (1, ["a"], "MIT")
    found = console.ask("tina", "PATCH", "datasets/cats", body={"description": "Cats"})
    assert (found["description"], found["licence"]) == ("Cats", "MIT")
    found = console.ask("tina", "POST", "datasets/cats/retire", body={"version": 1})
    assert found["version"] is None
    console.ask("alice", "GET", "datasets/cats", 404)
    assert console.ask("tina", "POST", "datasets/cats/restore", body={"version": 1})["version"] == 1
    assert console.ask("alice", "GET", "datasets/cats")["version"] == 1
    refused = console.ask("tina", "POST", "datasets/cats/share", 409, {"classes": ["*"]})
    assert refused["error"]["reason"] == "refused"
    found = console.ask("root", "POST", "datasets/cats/share", body={"classes": ["*", "b"]})
    assert found["classes"] == ["*", "a", "b"]
    assert console.ask("tina", "POST", "datasets/cats/take", body={"classes": ["a"]})
    for path, sent in (("retire", {"version": 0}), ("share", {"classes": "a"})):
        console.ask("tina", "POST", f"datasets/cats/{path}", 422, sent)
    console.ask("alice", "POST", "datasets/cats/retire", 404, {"version": 1})


# -- what goes wrong ---------------------------------------------------------------------------


def test_a_form_of_another_page_publishes_and_changes_nothing(
    console: Console, made: PublishingAgent
) -> None:
    put(made, "cats", "a", owner="tina")
    console.sign_in("tina")
    for path, sent in (
        ("datasets", form(name="dogs")),
        ("datasets/cats", {"act": "retire", "version": "1"}),
        (f"publications/{'0' * 36}/cancel", {"x": "1"}),
    ):
        answer = console.client.post(PREFIX + path, data={**sent, "_csrf": "x" * 32})
        assert answer.status_code == 403
        assert "This page is too old" in answer.text
    assert made.publications.all() == []
    assert made.library.catalog.get("cats").newest is not None


def test_a_form_sent_after_the_session_ended_is_kept(
    console: Console, made: PublishingAgent
) -> None:
    made.folder("tina", "cats")
    console.sign_in("tina")
    console.hub.out.add("tina")
    sent = console.client.post(f"{PREFIX}datasets", data={**form(), "_csrf": "old"})
    assert sent.status_code == 303
    assert made.publications.all() == []
    console.hub.out.clear()
    begun = console.client.get(sent.headers["location"])
    state = begun.headers["location"].partition("state=")[2]
    done = console.client.get(f"{PREFIX}oauth_callback?code=t-tina&state={state}")
    page = console.client.get(done.headers["location"]).text
    again = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page))
    assert console.client.post(f"{PREFIX}datasets", data=again).status_code == 303
    published(made)


def test_an_agent_that_is_silent_leaves_the_rest_of_the_page(
    console: Console, made: PublishingAgent
) -> None:
    put(made, "cats", "a")
    made.down = True
    session = console.sign_in("tina")
    page = console.get("datasets")
    assert "cannot look at what is being published" in page
    assert 'datasets/cats"' in page
    assert "hx-trigger" in page
    console.get("publications", 204)
    page = console.post(session, "datasets", 200, **form(description="kept"))
    assert "cannot look at what is being published" in page
    assert "kept" in page
    refused = console.ask("tina", "POST", "datasets", 503, {"name": "x", "folder": "x"})
    assert refused["error"]["reason"] == "agent"
    console.post(session, f"publications/{'0' * 36}/cancel", 503)
    made.down = False
    assert "hx-trigger" not in console.get("datasets")


def test_a_console_without_the_token_shows_what_there_is(
    made: PublishingAgent, tmp_path: Path
) -> None:
    (tmp_path / "missing").mkdir()  # as an engine makes what it cannot mount
    assert agent_of({}) is None
    assert agent_of({"ROOM_PUBLISHER_TOKEN_FILE": str(tmp_path / "missing")}) is None
    (tmp_path / "token").write_text("p" * 40)
    assert agent_of({"ROOM_PUBLISHER_TOKEN_FILE": str(tmp_path / "token")}) is not None
    put(made, "cats", "a")
    with console_of(made, None) as console:
        session = console.sign_in("tina")
        page = console.get("datasets")
        assert 'datasets/cats"' in page
        assert 'name="folder"' not in page
        console.post(session, "datasets", 404, **form())
        console.post(session, "datasets/cats", act="retire", version="1")
