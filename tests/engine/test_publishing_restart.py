"""The engine ends while the composed agent publishes, and takes the agent with it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from console.agent import Agent, Wanted
from console.announcer import Announcer
from console.desk import Desk
from room.datasets.model import About
from room.people import People
from room.plans.book import Plans
from tests.utils.private_engine import BINDS, IMAGE, PYTHON, PrivateEngine, private_engine
from tests.utils.published import Library, contents
from tests.utils.signed_console import FakeHub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
MIB = 1024**2
TOKEN = "p" * 40
URL = "http://127.0.0.1:8010"


def policy() -> str:
    """Return when the engine starts the room's containers again, as compose tells it."""
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return str(composed["services"]["agent"]["restart"])


def agent_in(engine: PrivateEngine, room: Path) -> None:
    """Run the agent as compose.yml does: in a container that is started with its engine."""
    own = {str(path): {"bind": str(path), "mode": "ro"} for path in (ROOT, Path(sys.prefix))}
    engine.client.containers.run(
        IMAGE,
        [PYTHON, "-m", "agent"],
        name="agent",
        detach=True,
        # The network of this engine: who tests is in it, too.
        network_mode="host",
        restart_policy={"Name": policy()},
        working_dir=str(ROOT),
        environment={
            "PYTHONPATH": os.pathsep.join(each for each in sys.path if each),
            "ROOM_DATA_ROOT": str(room),
            "ROOM_AGENT_STATE": str(room / "state/agent"),
        },
        volumes=BINDS | own | {str(room): {"bind": str(room), "mode": "rw"}},
    )


def test_a_publication_goes_on_whenever_the_engine_ends(tmp_path: Path) -> None:
    library = Library.at(tmp_path)
    for name in ("agent_token", "publisher_token"):
        path = tmp_path / "state/secrets" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(TOKEN if name == "publisher_token" else "h" * 40)
    (tmp_path / "state/agent").mkdir()
    store = library.catalog.store
    People(store).add("tina", ["a"], role="instructor")
    folder = tmp_path / "homes/tina/cats"
    folder.mkdir(parents=True)
    for number in range(30):
        (folder / f"{number}.png").write_bytes(os.urandom(10_000))
    with (folder / "big").open("wb") as file:
        file.truncate(150 * MIB)  # long enough to be met at it
    source = {"kind": "home", "user": "tina", "path": "cats"}
    wanted = Wanted("cats", "tina", source, ("a",), About("Cats", None, None))

    with private_engine() as engine:
        agent_in(engine, tmp_path)

        def tail() -> str:
            return str(engine.client.containers.get("agent").logs(tail=40).decode())

        def answers() -> bool:
            try:
                return httpx.get(f"{URL}/healthz").status_code == 200
            except httpx.HTTPError:
                return False

        def started() -> str:
            return str(engine.client.containers.get("agent").attrs["State"]["StartedAt"])

        wait_until(answers, timeout=60, explain=tail)
        begun = asyncio.run(Agent(URL, TOKEN).begin(wanted))
        moments = random.Random(2026)
        for how in (signal.SIGKILL, signal.SIGTERM):
            done = moments.uniform(0.05, 0.3) * 150 * MIB

            def under_way(done: float = done) -> bool:
                (job,) = library.desk.all()
                return job.state == "stored" or library.desk.progress(job).done > done

            wait_until(under_way, timeout=60, explain=tail)
            assert library.catalog.all() == []
            before = started()
            engine.end(how)
            engine.start()

            def anew(before: str = before) -> bool:
                return started() != before and answers()

            wait_until(anew, timeout=60, explain=tail)

        def announced() -> bool:
            desk = Desk(store, Plans(store), FakeHub())  # type: ignore[arg-type]
            asyncio.run(Announcer(Agent(URL, TOKEN), desk).look())
            return not library.desk.all()

        wait_until(announced, timeout=90, explain=tail)
        (known,) = library.catalog.of(["a"])
        assert library.catalog.made_by(begun.id) is not None
        tree = library.shelf.tree("cats", known.versions[0].digest)
        assert contents(tree) == contents(folder)
        assert library.leaked() == library.broken() == []
    store.close()
