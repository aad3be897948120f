"""On a PostgreSQL server of Debian's packages: two brokers as in the unit tests, and the ledger."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from room import usage, used, used_table
from room.accounting import Reading
from room.models import Owner
from room.store import Store
from room.store.migrate import upgrade
from room.usage import Ran
from tests.unit.broker_machine import Brokers
from tests.utils.hub import free_port
from tests.utils.wait import wait_until

#: PostgreSQL refuses to run as root; its package makes this user.
USER = "postgres"


def programs() -> Path:
    """Return where Debian has the server's programs, of the newest version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    assert found, "PostgreSQL is missing: python -m tests.prepare installs it"
    return found[-1].parent


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run a server of its own on a free port; yield the URL of its database."""
    as_user = {"user": USER} if os.geteuid() == 0 else {}
    directory = Path(tempfile.mkdtemp(prefix="postgres-"))
    if as_user:
        os.chown(directory, pwd.getpwnam(USER).pw_uid, -1)
    data, port = directory / "data", free_port()
    init = [programs() / "initdb", "--username=room", "--auth=trust", "--pgdata", data]
    subprocess.run(init, check=True, capture_output=True, cwd=directory, **as_user)
    start = [programs() / "postgres", "-D", data, "-k", directory, "-p", str(port)]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(start, stdout=log, stderr=log, cwd=directory, **as_user)
    url = f"postgresql+psycopg://room@127.0.0.1:{port}/postgres"
    try:
        wait_until(lambda: answers(url), timeout=30)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        shutil.rmtree(directory)


def answers(url: str) -> bool:
    engine = create_engine(url)
    try:
        with engine.connect():
            return True
    except OperationalError:
        return False
    finally:
        engine.dispose()


def empty(store: Store) -> None:
    """Let the database have the tables, and nothing in them."""
    with store.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    upgrade(store)


def test_what_servers_used_is_counted_once_on_postgresql(server: str) -> None:
    store, noon = Store(server), datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
    empty(store)
    read = Reading("c1", "1@boot", "e1", noon, 1800.0, 1024.0**3 * 3600, 3600.0)
    later = replace(read, epoch="e2", at=noon + timedelta(days=1), cpu=3600.0)
    with store.decide() as connection:
        ran = Ran("c1", Owner("ann"), "dl", "cpu", 2.0, 0, noon - timedelta(hours=1))
        usage.note(connection, ran)
    for answer in ([read], [read], [later, read], [replace(later, cpu=4500.0)]):
        with store.decide() as connection:
            used.record(connection, answer, timezone.utc)
    with store.read() as connection:
        days = used_table.by_day(connection, later.at, timezone.utc)
    store.close()
    assert {day: (hours.cpu, hours.memory) for (_who, _of, day), hours in days.items()} == {
        date(2026, 11, 27): (0.5, 1.0),
        date(2026, 11, 28): (0.75, 1.0),
    }


def test_whatever_happens_on_postgresql(server: str) -> None:
    class OnPostgreSQL(Brokers):
        def open_stores(self) -> tuple[Store, Store]:
            stores = Store(server), Store(server)
            empty(stores[0])
            return stores

    run_state_machine_as_test(
        OnPostgreSQL,
        settings=settings(
            max_examples=int(os.environ.get("ROOM_TEST_EXAMPLES", "10")),
            stateful_step_count=int(os.environ.get("ROOM_TEST_STEPS", "25")),
            deadline=None,
            # What lands is judged by the same examples each time.
            derandomize="CI" in os.environ,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
