# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""Having a version read through from the console: whose it is to ask, and what is written down."""

from __future__ import annotations

import pytest

from console import lookout
from room.audit import read
from room.datasets.model import Version
from room.datasets.names import Reference
from tests.unit.test_console import Console
from tests.unit.test_console_datasets import console, made, text_of  # noqa: F401
from tests.utils.publishing_agent import PublishingAgent
from tests.utils.wait import wait_until


@pytest.fixture(autouse=True)
def cats(made: PublishingAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "BUSY", 0.05)
    made.library.publish("cats", made.folder("tina", "cats"), classes=("a",))


def version(made: PublishingAgent) -> Version:
    return made.library.catalog.get("cats").version(1)


def damage(made: PublishingAgent) -> None:
    path = made.library.shelf.tree("cats", version(made).digest) / "1.png"
    path.chmod(0o644)
    path.write_bytes(b"not as published")


def written(made: PublishingAgent) -> list[tuple[str, str]]:
    """Return who had a version read through, once it is written down, and what was found."""

    def rows() -> list[tuple[str, str]]:
        with made.library.catalog.store.read() as connection:
            return [(row.actor, row.detail) for row in read(connection, "dataset verify")[0]]

    return wait_until(lambda: not made.checks.all() and rows(), timeout=60)


def test_a_whole_version_is_read_through_and_said_to_be_whole(
    console: Console, made: PublishingAgent
) -> None:
    before = version(made).verified_at
    console.post(console.sign_in("tina"), "verify/cats", version="1")
    assert written(made) == [("tina", "0 files damaged")]
    after = version(made)
    assert after.damaged == 0
    assert after.verified_at != before
    assert "It is being read through" in text_of(console.get("datasets/cats?said=reading"))


def test_a_damaged_one_is_said_to_be_and_no_server_starts_with_it(
    console: Console, made: PublishingAgent
) -> None:
    damage(made)
    assert console.ask("tina", "POST", "datasets/cats/verify", 202, body={"version": 1})
    assert written(made) == [("tina", "1 files damaged")]
    console.sign_in("tina")
    assert "1 file is not as published" in text_of(console.get("datasets/cats"))
    assert made.library.catalog.get("cats").usable is None


def test_one_whose_files_are_gone_is_not_on_this_host(
    console: Console, made: PublishingAgent
) -> None:
    found = version(made)
    made.library.shelf.version("cats", found.digest).rename(made.root / "elsewhere")
    console.post(console.sign_in("root"), "verify/cats", version="1")
    assert written(made) == [("root", "not there")]
    assert not version(made).here


@pytest.mark.parametrize(
    ("login", "may"),
    [
        pytest.param("root", True, id="admin"),
        pytest.param("tina", True, id="instructor"),
        pytest.param("otto", False, id="another-class"),
        pytest.param("alice", False, id="student"),
    ],
)
def test_it_is_a_manager_s_to_ask(
    console: Console, made: PublishingAgent, login: str, may: bool
) -> None:
    session = console.sign_in(login)
    if login != "otto":
        assert ("Verify version 1" in console.get("datasets/cats")) is may
    if may:
        console.post(session, "verify/cats", version="1")
        assert written(made)[0][0] == login
        return
    console.post(session, "verify/cats", 404, version="1")
    console.ask(login, "POST", "datasets/cats/verify", 404, body={"version": 1})
    assert made.checks.all() == []


@pytest.mark.parametrize("number", ["", "0", "2", "-1", "one", "1" * 30])
def test_a_version_that_is_not_there_cannot_be_read(
    console: Console, made: PublishingAgent, number: str
) -> None:
    console.post(console.sign_in("root"), "verify/cats", 404, version=number)
    assert made.checks.all() == []


def test_what_was_removed_meanwhile_is_no_damage(console: Console, made: PublishingAgent) -> None:
    damage(made)
    catalog = made.library.catalog
    digest = version(made).digest
    catalog.retire(Reference("cats", 1))
    catalog.pruned(Reference("cats", 1))
    console.post(console.sign_in("root"), "verify/cats", 404, version="1")
    # One that was asked for before is written down nowhere.
    made.checks.begin("cats", 1, digest, "root")
    console.app.state.parts.checking.wake()
    wait_until(lambda: not made.checks.all(), timeout=60)
    assert version(made).damaged is None


def test_two_clicks_read_once_and_a_silent_agent_offers_none(
    console: Console, made: PublishingAgent
) -> None:
    digest = version(made).digest
    with made.checks._turn:
        first = made.checks.begin("cats", 1, digest, "tina")
        assert made.checks.begin("cats", 1, digest, "tina") == first
        console.sign_in("tina")
        page = console.get("datasets/cats")
        assert "waits to be read through" in text_of(page)
        assert "Verify version 1" not in page
    wait_until(lambda: not made.checks.all(), timeout=60)
    made.down = True
    page = console.get("datasets/cats")
    assert "Verify version 1" not in page
