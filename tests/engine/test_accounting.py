"""CPU-seconds in the ledger are those of the containers' own control groups, whoever is killed.

Hub, agent, containers and their control groups are real; JupyterLab is a stub.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from agent.accounting import Accountant
from engine import cgroups
from room import used
from room.accounting import Reading
from room.used import Amounts
from tests.engine.conftest import Room, running_agent
from tests.utils.hub import Hub
from tests.utils.wait import wait_until

pytestmark = pytest.mark.engine

BURN = ["python3", "-c", "while True: pass"]
HOLD = ["python3", "-c", "import time; held = b'x' * 200_000_000; time.sleep(600)"]
HELD = 200e6


class Agent:
    """The agent's accounting, which can be killed: the next one knows nothing of before."""

    def __init__(self) -> None:
        self._accountant = self._begin()

    def _begin(self) -> Accountant:
        made = Accountant(cgroups.groups)
        made.start()
        return made

    def readings(self) -> Iterable[Reading]:
        return self._accountant.readings()

    def restart(self) -> None:
        self.stop()
        self._accountant = self._begin()

    def stop(self) -> None:
        self._accountant.stop()


class Truth:
    """Reads a container's own counter until it goes, far more often than the agent does."""

    def __init__(self, container: str) -> None:
        self.seconds = 0.0
        self._container = container
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while (found := cgroups.cpu_seconds(self._container)) is not None:
            self.seconds = found
            time.sleep(0.01)

    def wait(self, seconds: float) -> None:
        """Wait until it has used so much."""
        wait_until(lambda: self.seconds >= seconds, timeout=60)

    def at_its_end(self) -> float:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.seconds


def ledger(room: Room, user: str) -> Amounts:
    with room.store.read() as connection:
        days = used.by_day(connection)
    return sum((each for (of, _, _), each in days.items() if of == user), Amounts())


def begin(room: Room, hub: Hub, user: str, *, work: list[str] = BURN) -> Truth:
    hub.start_server(user)
    container = room.container(user)
    container.exec_run(work, detach=True)
    return Truth(container.id)


@pytest.fixture
def agent() -> Iterator[Agent]:
    made = Agent()
    yield made
    made.stop()


@pytest.fixture
def hub(room: Room, agent: Agent) -> Iterator[Hub]:
    with running_agent(room.directory, counts=agent) as traits:
        yield room.open(traits=traits)


def test_the_ledger_has_what_control_groups_counted_though_hub_and_agent_were_killed(
    room: Room, hub: Hub, agent: Agent
) -> None:
    hub.add("alice", "bob", "carol")
    alice, bob = begin(room, hub, "alice"), begin(room, hub, "bob", work=HOLD)
    carol = begin(room, hub, "carol")
    carol.wait(3)
    hub.kill()
    # It computes when it is killed, and nobody is there to be told.
    room.container("carol").kill()
    burned = carol.at_its_end()
    hub.start()
    wait_until(lambda: ledger(room, "carol").cpu, timeout=60, explain=hub.tail)
    assert abs(ledger(room, "carol").cpu - burned) < 1.0
    wait_until(lambda: ledger(room, "bob").memory, timeout=60, explain=hub.tail)

    agent.restart()
    alice.wait(alice.seconds + 3)
    hub.stop_server("alice")
    burned = alice.at_its_end()
    wait_until(lambda: ledger(room, "alice").cpu > burned - 1, timeout=60, explain=hub.tail)
    assert ledger(room, "alice").cpu <= burned + 0.001

    hub.stop_server("bob")
    idled = bob.at_its_end()
    wait_until(lambda: ledger(room, "bob").cpu > idled - 1, timeout=60, explain=hub.tail)
    assert ledger(room, "bob").cpu <= idled + 0.001
    found = ledger(room, "bob")
    # While it was held; the stub's own is a tenth of it.
    assert 0.9 * HELD < found.memory / found.seen < 1.5 * HELD
    # Nothing is told twice by those that come back.
    hub.kill()
    hub.start()
    before = ledger(room, "carol").cpu
    begin(room, hub, "carol").wait(3)
    hub.stop_server("carol")
    wait_until(lambda: ledger(room, "carol").cpu > before + 2, timeout=60, explain=hub.tail)
    assert ledger(room, "alice").cpu <= burned + 0.001
    assert ledger(room, "bob").cpu <= idled + 0.001
    room.wait_nothing_left()
