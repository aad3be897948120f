# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""Removing the files of retired versions from the console: whose, which, and what stays."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from agent.versions import Versions
from publishing.publish import announce, gather
from room.audit import read
from room.datasets.catalog import Catalog
from room.datasets.model import Version
from room.datasets.names import Reference
from tests.unit.test_console import Console
from tests.unit.test_console_datasets import NOW, console, made, text_of  # noqa: F401
from tests.utils.publishing_agent import PublishingAgent
from tests.utils.wait import wait_until


def retired(made: PublishingAgent, name: str, class_name: str, days: float = 40) -> Version:
    """Publish three files, and retire them so long before the console's clock."""
    library = made.library
    version = library.publish(name, made.folder("tina", name), classes=(class_name,)).version
    catalog = Catalog(
        library.catalog.store,
        actor="root",
        origin="test",
        clock=lambda: NOW - timedelta(days=days),
    )
    catalog.retire(Reference(name, version.number))
    return version


def is_there(made: PublishingAgent, name: str, version: Version) -> bool:
    return made.library.shelf.version(name, version.digest).exists()


def gone(made: PublishingAgent, name: str, version: Version) -> None:
    wait_until(lambda: not is_there(made, name, version), timeout=30)
    removed()
    assert made.library.leaked() == []


def removed() -> None:
    """Wait for the agent to have removed what it began to."""
    wait_until(lambda: not any(t.name == "remove" for t in threading.enumerate()), timeout=30)


def test_what_was_retired_long_ago_and_nobody_has_is_removed(
    console: Console, made: PublishingAgent
) -> None:
    old, new, had = retired(made, "old", "a"), retired(made, "new", "a", 3), retired(made, "h", "a")
    made.mounted = {("h", had.digest)}
    session = console.sign_in("tina")
    assert "3 retired versions still have their files" in text_of(console.get("datasets"))
    console.post(session, "retired", days="30")
    gone(made, "old", old)
    assert is_there(made, "new", new)
    assert is_there(made, "h", had)
    assert "What is in use stays" in text_of(console.get("datasets?said=kept"))
    assert made.library.broken() == []
    told = console.ask("tina", "GET", "retired")
    assert {each["name"] for each in told} == {"new", "h"}
    with made.library.catalog.store.read() as connection:
        rows, _ = read(connection, "dataset prune")
    assert [(row.actor, row.subject) for row in rows] == [("tina", "old@1")]
    made.mounted = set()
    assert console.ask("tina", "POST", "retired/remove", body={"days": 0}) == {
        "removed": ["h@1", "new@1"],
        "kept": [],
    }
    gone(made, "h", had)


@pytest.mark.parametrize(
    ("login", "may"),
    [
        pytest.param("root", True, id="admin"),
        pytest.param("tina", True, id="instructor"),
        pytest.param("otto", False, id="another-class"),
        pytest.param("alice", False, id="student"),
    ],
)
def test_a_version_s_files_are_its_managers_to_remove(
    console: Console, made: PublishingAgent, login: str, may: bool
) -> None:
    version = retired(made, "cats", "a", days=0)
    session = console.sign_in(login)
    assert ("Retired versions" in text_of(console.get("datasets"))) is may
    assert [each["name"] for each in console.ask(login, "GET", "retired")] == ["cats"] * may
    console.post(session, "retired", days="0")
    if may:
        gone(made, "cats", version)
        return
    assert is_there(made, "cats", version)
    console.post(session, "retired/cats", 404, version="1")
    console.ask(login, "POST", "datasets/cats/remove", 404, body={"version": 1})
    assert is_there(made, "cats", version)


@pytest.mark.parametrize(
    "days", ["", "-1", "soon", "1e9", "99999999999999999999"], ids=lambda text: text or "nothing"
)
def test_what_is_no_number_of_days_removes_nothing(
    console: Console, made: PublishingAgent, days: str
) -> None:
    version = retired(made, "cats", "a")
    console.post(console.sign_in("root"), "retired", days=days)
    assert is_there(made, "cats", version)
    assert made.library.catalog.prunable(timedelta(0))


def test_a_version_that_servers_start_with_is_not_removed(
    console: Console, made: PublishingAgent
) -> None:
    version = made.library.publish("cats", made.folder("tina", "cats"), classes=("a",)).version
    console.post(console.sign_in("root"), "retired/cats", 404, version="1")
    console.post(console.sign_in("root"), "retired/cats", 404, version="2")
    assert is_there(made, "cats", version)


def test_nothing_is_removed_while_nobody_can_tell_what_servers_have(
    console: Console, made: PublishingAgent
) -> None:
    version = retired(made, "cats", "a")
    made.mounted = None
    page = console.post(console.sign_in("root"), "retired", 503, days="0")
    assert "so nothing was removed" in text_of(page)
    assert is_there(made, "cats", version)
    assert made.library.catalog.prunable(timedelta(0))


@pytest.mark.parametrize("claim", ["stored", "announced"])
def test_files_that_are_published_again_meanwhile_stay(made: PublishingAgent, claim: str) -> None:
    """Between the agent's look and the removal, somebody publishes the very same files."""
    version = retired(made, "cats", "a")
    library, agent = made.library, made.agent()
    looked_at, in_use = asyncio.run(agent.in_use())
    assert ("cats", version.digest) not in in_use
    assert library.catalog.pruned(Reference("cats", 1))
    job = library.begin("cats", made.root / "homes/tina/cats", classes=("a",))
    with library.desk.held(job):
        stored = gather(library.desk, job, library.desk.note(job))
    if claim == "announced":
        announce(library.catalog, library.desk, stored)
    asyncio.run(made.agent().remove("cats", version.digest, looked_at))
    removed()
    if claim == "stored":
        announce(library.catalog, library.desk, stored)
    assert library.catalog.get("cats").version().number == 2
    assert library.broken() == library.leaked() == []


def test_what_a_removal_left_is_removed_by_the_next_agent(made: PublishingAgent) -> None:
    """Killed after the files were moved aside."""
    version = retired(made, "cats", "a")
    library = made.library
    library.catalog.pruned(Reference("cats", 1))
    with library.shelf.locked():
        library.shelf.set_aside("cats", version.digest, library.shelf.staging / "trash-1")
    Versions(made.root / "datasets", made.servers).open()
    wait_until(lambda: not any(t.name == "tidy" for t in threading.enumerate()), timeout=30)
    assert library.leaked() == []
