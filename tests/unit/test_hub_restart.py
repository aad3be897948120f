"""A hub that comes back reads what it knows of its servers in a few statements, however many."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.auth import DummyAuthenticator
from jupyterhub.spawner import SimpleLocalProcessSpawner, Spawner
from jupyterhub.user import User, UserDict
from sqlalchemy import event

from spawner.app import RoomHub


class Running(SimpleLocalProcessSpawner):
    """A spawner whose servers all run, where the database says."""

    async def poll(self) -> None:
        return None

    async def get_url(self) -> str:
        return str(self.server.url)

    def start_polling(self) -> None:
        pass


@contextmanager
def statements(session: Any) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    yield seen
    event.remove(session.get_bind(), "before_cursor_execute", note)


def restarted(path: Path, servers: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Return how many servers a hub finds again, and with how many statements."""

    async def answers(_user: User, _spawner: Spawner) -> None:
        return None

    monkeypatch.setattr(User, "_wait_up", answers)
    make = orm.new_session_factory(f"sqlite:///{path}")
    before = make()
    for number in range(servers):
        user = orm.User(name=f"student{number}")
        server = orm.Server(ip="10.0.0.1", port=8888, base_url=f"/user/student{number}/")
        before.add_all([user, orm.Spawner(name="", user=user, server=server)])
    before.add(orm.User(name="away"))
    before.commit()
    before.close()

    app = RoomHub()
    app.session_factory = make
    app.db = make()
    app.authenticator = DummyAuthenticator()
    monkeypatch.setattr(app, "_services", lambda: SimpleNamespace(serving=asyncio.Event()))
    settings = {"spawner_class": Running, "authenticator": app.authenticator, "config": app.config}
    app.users = UserDict(lambda: app.db, settings)
    with statements(app.db) as seen:
        found = asyncio.run(app.init_spawners())
    assert all(user.running for user in app.users.values())
    app.db.close()
    return found, len(seen)


def test_a_restart_asks_as_little_of_the_database_for_sixty_servers_as_for_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = restarted(tmp_path / "few.sqlite", 2, monkeypatch)
    many = restarted(tmp_path / "many.sqlite", 60, monkeypatch)
    assert (few[0], many[0]) == (2, 60)
    assert many[1] == few[1] < 20
