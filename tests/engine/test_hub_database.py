"""JupyterHub's own database: a write-ahead log, and nothing lost when the hub is killed."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.engine.conftest import Room

pytestmark = pytest.mark.engine


def test_the_hubs_database_has_a_write_ahead_log_and_survives_a_kill(room: Room) -> None:
    hub = room.open()
    hub.add("alice")
    hub.kill()
    with closing(sqlite3.connect(room.directory / "hub.sqlite")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert ("alice",) in database.execute("SELECT name FROM users").fetchall()
    hub.start()
    assert hub.http.get("/users/alice").status_code == 200
