"""From files that the agent has stored to a version: once, whoever is cut short on the way."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console import lookout
from console.agent import Agent, AgentError, Wanted
from console.announcer import Announcer
from console.desk import Desk
from publishing.publish import gather
from room.audit import read
from room.datasets.model import About
from room.people import People
from room.plans.book import Plans
from tests.utils.published import contents
from tests.utils.publishing_agent import PublishingAgent, publishing_agent
from tests.utils.signed_console import FakeHub
from tests.utils.wait import wait_until

ROOT = Path(__file__).parents[2]
#: A console that is killed at the moment at which it would call a function.
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from console.agent import Agent
from console.announcer import Announcer
from room.datasets import catalog
from tests.unit.test_console_announcer import desk_of
from tests.utils.publishing_agent import publishing_agent

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

of, name = {
    "row": (catalog.Catalog, "publish"),
    "commit": (catalog, "note"),
    "forget": (Agent, "forget"),
}[sys.argv[2]]
setattr(of, name, kill)
with publishing_agent(Path(sys.argv[1])) as made:
    asyncio.run(Announcer(made.agent(), desk_of(made)).look())
"""


def desk_of(made: PublishingAgent) -> Desk:
    store = made.library.catalog.store
    return Desk(store, Plans(store), FakeHub())  # type: ignore[arg-type]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[PublishingAgent]:
    with publishing_agent(tmp_path) as agent:
        people = People(agent.library.catalog.store)
        people.add("root", admin=True)
        people.add("tina", ["a"], role="instructor")
        people.add("otto", ["b"], role="instructor")
        agent.folder("tina", "cats")
        agent.folder("otto", "cats")
        yield agent


def stored(made: PublishingAgent, user: str = "tina", class_name: str = "a") -> str:
    """Publish a folder of somebody's home up to the point at which its files are there."""
    source = {"kind": "home", "user": user, "path": "cats"}
    wanted = Wanted("cats", user, source, (class_name,), About("Cats", "CC0", None))
    begun = asyncio.run(made.agent().begin(wanted))

    def whole() -> bool:
        (job,) = [one.job for one in made.publications.all() if one.job.id == begun.id]
        assert job.state != "failed", job.why
        return job.state == "stored"

    wait_until(whole, timeout=60)
    return begun.id


def look(made: PublishingAgent, agent: Agent | None = None) -> bool:
    return asyncio.run(Announcer(agent or made.agent(), desk_of(made)).look())


def test_what_is_stored_becomes_a_version_in_its_publisher_s_name(made: PublishingAgent) -> None:
    stored(made)
    assert look(made) is False
    (known,) = made.library.catalog.all()
    assert (known.owner, known.classes, known.licence) == ("tina", ("a",), "CC0")
    tree = made.library.shelf.tree("cats", known.versions[0].digest)
    assert contents(tree) == contents(made.root / "homes/tina/cats")
    with made.library.catalog.store.read() as connection:
        noted = read(connection, "dataset publish")[0]
    assert [(each.actor, each.origin) for each in noted] == [("tina", "console")]
    assert made.library.leaked() == made.library.broken() == []


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("row", id="between-stored-and-the-row"),
        pytest.param("commit", id="amid-the-transaction"),
        pytest.param("forget", id="between-the-row-and-forgetting"),
    ],
)
def test_a_console_that_is_killed_on_the_way_is_gone_on_with(
    made: PublishingAgent, before: str
) -> None:
    stored(made)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, made.root, before], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(made.publications.all()) == 1
    assert len(made.library.catalog.all()) == (before == "forget")
    if before != "forget":
        look(made)
    assert len(made.library.catalog.get("cats").versions) == 1
    # Meanwhile an admin gives it to another class, too: its publisher may not do this any more.
    made.library.catalog.share("cats", ["b"])
    look(made)
    assert made.publications.all() == []
    assert len(made.library.catalog.get("cats").versions) == 1
    assert made.library.leaked() == made.library.broken() == []


def test_a_database_that_is_away_for_a_while_is_written_to_later(
    made: PublishingAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "QUIET", 0.05)
    stored(made)
    there = made.root / "state/room.sqlite"
    away = there.rename(there.with_suffix(".away"))
    there.mkdir()
    made.library.catalog.store.engine.dispose()

    async def publish() -> None:
        announcing = Announcer(made.agent(), desk_of(made))
        task = asyncio.create_task(announcing.run())
        asked = made.asked
        # Each time it asks the agent, and then in vain the database.
        await asyncio.to_thread(wait_until, lambda: made.asked > asked + 2, timeout=60)
        there.rmdir()
        away.rename(there)
        await asyncio.to_thread(wait_until, lambda: not made.publications.all(), timeout=60)
        task.cancel()

    asyncio.run(publish())
    assert len(made.library.catalog.get("cats").versions) == 1
    assert made.library.leaked() == made.library.broken() == []


def test_an_agent_that_is_gone_between_the_two_steps_is_asked_again(
    made: PublishingAgent,
) -> None:
    stored(made)
    agent = made.agent()
    forget = agent.forget

    async def down(identity: str) -> None:
        made.down = True
        await forget(identity)

    agent.forget = down  # type: ignore[method-assign]
    with pytest.raises(AgentError):
        look(made, agent)
    made.down = False
    look(made)
    assert made.publications.all() == []
    assert len(made.library.catalog.get("cats").versions) == 1


def test_of_two_who_begin_one_name_the_second_does_not_get_into_the_first_s_dataset(
    made: PublishingAgent,
) -> None:
    stored(made)
    second = stored(made, "otto", "b")
    look(made)
    known = made.library.catalog.get("cats")
    assert (known.owner, known.classes, len(known.versions)) == ("tina", ("a",), 1)
    assert [each.job.id for each in made.publications.all()] == [second]


def test_who_lost_the_class_meanwhile_does_not_publish_for_it(made: PublishingAgent) -> None:
    stored(made)
    People(made.library.catalog.store).revoke("tina")
    look(made)
    assert made.library.catalog.all() == []
    assert len(made.publications.all()) == 1


def test_what_a_command_publishes_is_the_command_s_to_announce(made: PublishingAgent) -> None:
    desk, job = made.library.desk, made.library.begin("dogs", made.root / "homes/tina/cats")
    with desk.held(job):
        gather(desk, job, desk.note(job))
    look(made)
    assert made.library.catalog.all() == []
    assert [each.job.state for each in made.publications.all()] == ["stored"]


@pytest.mark.parametrize("down", [False, True])
def test_it_looks_at_once_when_it_is_woken_and_soon_after_what_failed(
    made: PublishingAgent, monkeypatch: pytest.MonkeyPatch, down: bool
) -> None:
    monkeypatch.setattr(lookout, "BUSY", 0.05)
    monkeypatch.setattr(lookout, "QUIET", 3600)

    async def until(condition: Callable[[], object]) -> None:
        await asyncio.to_thread(wait_until, condition, timeout=60)

    async def publish() -> None:
        made.down = down
        announcing = Announcer(made.agent(), desk_of(made))
        task = asyncio.create_task(announcing.run())
        await until(lambda: made.asked)
        made.publications.begin("cats", "tina", made.home("tina", "cats"), about={}, classes=())
        made.down = False
        if not down:
            announcing.wake()
        await until(made.library.catalog.all)
        task.cancel()

    asyncio.run(publish())
