"""The console's pages in a large room: the time to the first byte, and what the database is asked.

A thousand people in fifty classes, over HTTP on loopback; the hub only says who somebody is.

    python -m bench console_pages
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import uvicorn
from sqlalchemy import event

from bench.harness import OURS, Result, machine, summarize
from console.app import make_app
from console.desk import Desk
from console.render import Pages
from room.people import People
from room.plans.authority import Actor
from room.plans.book import Plans
from room.plans.keys import KEYS
from room.plans.model import Setting, Subject
from room.roster import Entry
from room.store import Store
from room.store.migrate import upgrade
from tests.utils.hub import free_port
from tests.utils.signed_console import FakeHub
from tests.utils.wait import wait_until

NAME = "console_pages"
PEOPLE, CLASSES, TIMES = 1000, 50, 20
PREFIX = "/services/console/"
#: Page → seconds to the first byte at most, at the median, and questions to the database.
PAGES = {
    "admin": "the admin's page of all plans",
    "admin?q=class07": "the admin's search",
    "class/class07": "a class's board",
    "admin/limits/class/class07": "a class's limits and history",
    "admin/cell/user/student0500/gpus/shown": "a cell of the table",
    "": "one's own page",
}
FIRST_BYTE, QUESTIONS = 0.3, 20.0


def furnish(store: Store) -> None:
    """Fill a room: each class has limits, every tenth person some of their own and a grant."""
    people, plans, admin = People(store), Plans(store), Actor("root")
    people.add("root", admin=True)
    roster = [
        Entry(f"student{n:04}", (f"class{n % CLASSES:02}",), f"Student {n}") for n in range(PEOPLE)
    ]
    people.import_roster(roster, links="none")
    settings = [
        Setting(Subject("class", f"class{n:02}"), KEYS[key], text)
        for n in range(CLASSES)
        for key, text in (("gpu_hours", "20/week"), ("gpus", "2"), ("memory", "16G"))
    ]
    settings += [
        Setting(Subject("user", entry.login), KEYS["servers"], "2") for entry in roster[::10]
    ]
    plans.set(settings, admin)
    ends = plans.clock() + timedelta(days=30)
    hours = KEYS["gpu_hours"]
    for entry in roster[::10]:
        subject = Subject("user", entry.login)
        plans.grant(subject, hours, hours.amount("+5"), ends, admin)


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """Yield the list of what the database is asked from now on, but transactions' beginnings."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if not statement.startswith("BEGIN"):
            asked.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(store.engine, "before_cursor_execute", note)


def measure(say: Callable[[str], None]) -> list[Result]:
    """Return the time to the first byte of each page, and how often the database was asked."""
    with TemporaryDirectory() as directory:
        store = Store(f"sqlite:///{Path(directory) / 'room.sqlite'}")
        upgrade(store)
        furnish(store)
        say(f"{PEOPLE} people in {CLASSES} classes")
        desk = Desk(store, Plans(store), FakeHub())  # type: ignore[arg-type]
        app = make_app(desk, Pages(PREFIX, "Torchroom", "en", timezone.utc))
        with _served(app) as address:
            found = [result for path in PAGES for result in _page(store, address, path)]
        store.close()
    return found


def _page(store: Store, address: str, path: str) -> list[Result]:
    figures: list[float] = []
    asked: list[float] = []
    with httpx.Client(headers={"Authorization": "token t-root"}, timeout=60) as client:
        for _time in range(TIMES):
            with statements(store) as here:
                began = time.perf_counter()
                with client.stream("GET", f"{address}{PREFIX}{path}") as answer:
                    next(answer.iter_raw())
                    figures.append(time.perf_counter() - began)
                    assert answer.status_code == 200, path
            asked.append(float(len(here)))
    where, title = machine("torchroom", "fastapi", "sqlalchemy"), PAGES[path]
    return [
        summarize(f"{title}: first byte", "s", {OURS: figures}, where, target=FIRST_BYTE),
        summarize(
            f"{title}: questions to the database", "", {OURS: asked}, where, target=QUESTIONS
        ),
    ]


@contextmanager
def _served(app: object) -> Iterator[str]:
    port = free_port()
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, timeout=20)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
