"""Durable grants a second: the broker against its own statements through the same engine, alone.

What the broker sends is recorded with its values, and sent again in the same transactions to a
database that starts the same: SQLite with WAL and synchronous FULL, both on the same disk.

    python -m bench.queue_durable
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bench.harness import LIMIT, OURS, Result, machine, summarize, turns, write
from room.gpus.broker import Broker
from room.gpus.inventory import simulated
from room.gpus.requests import GPURequest
from room.models import Lease, Owner
from room.store import Store
from room.store.migrate import upgrade

NAME = "queue_durable"
GRANTS, UNITS, ROUNDS = 64, 64, 12
#: Of the rate of the bare statements.
TARGET = 0.8


def measure(say: Callable[[str], None], rounds: int = ROUNDS) -> list[Result]:
    """Return the milliseconds of a durable grant: the broker's, and its statements' alone."""
    runs: dict[str, list[float]] = {OURS: [], LIMIT: []}
    with tempfile.TemporaryDirectory() as directory:
        recorded = _record(_opened(Path(directory) / "recorded"))
        for number, order in enumerate(turns((OURS, LIMIT), rounds)):
            for who in order:
                store = _opened(Path(directory) / f"{who}{number}")
                act = _broker(store) if who == OURS else _bare(store, recorded)
                began = time.perf_counter()
                act()
                runs[who].append((time.perf_counter() - began) * 1000 / GRANTS)
                store.close()
    found = summarize("durable grant", "ms", runs, machine("sqlalchemy"), times_limit=1 / TARGET)
    if found.ours and found.limit:
        say(f"{1000 / found.ours:.0f} durable grants/s, {found.limit / found.ours:.0%} of the bare")
    return [found]


def _opened(path: Path) -> Store:
    store = Store(f"sqlite:///{path}")
    upgrade(store)
    return store


def _broker(store: Store) -> Callable[[], None]:
    broker = Broker(store)
    broker.survey(simulated(UNITS))

    def act() -> None:
        for number in range(GRANTS):
            if not isinstance(broker.submit(Owner(f"u{number}"), GPURequest()), Lease):
                raise RuntimeError("the broker granted nothing")

    return act


def _record(store: Store) -> list[list[tuple[Any, Any]]]:
    """Return the statements of each decision, as the broker sends them."""
    decisions: list[list[tuple[Any, Any]]] = []
    act = _broker(store)

    def on_execute(_connection: Any, clause: Any, many: Any, one: Any, _options: Any) -> None:
        decisions[-1].append((clause, many or one or None))

    event.listen(store.engine, "begin", lambda _connection: decisions.append([]))
    event.listen(store.engine, "before_execute", on_execute)
    act()
    store.close()
    return [statements for statements in decisions if statements]


def _bare(store: Store, decisions: list[list[tuple[Any, Any]]]) -> Callable[[], None]:
    # The row of the queue is there before the first grant, as it is for the broker.
    Broker(store).survey(simulated(UNITS))

    def act() -> None:
        for statements in decisions:
            with store.decide() as connection:
                for clause, values in statements:
                    found = connection.execute(clause, values)
                    if found.returns_rows:
                        found.all()

    return act


if __name__ == "__main__":
    print(write(NAME, measure(print)))
