"""Our database: one engine, one transaction a decision, never on the hub's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url

T = TypeVar("T")

#: How long a writer waits for another process's transaction, in milliseconds.
BUSY_TIMEOUT_MS = 10_000
#: Any fixed number: PostgreSQL's advisory lock that makes our decisions one after the other.
ADVISORY_LOCK = 0x70_6F_6F_6D


class Store:
    """An engine with our pragmas, and a thread of its own for asynchronous callers.

    ``url`` is SQLAlchemy's: ``sqlite:////path/torchroom.sqlite`` or ``postgresql+psycopg://…``.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: Engine = create_engine(url)
        if make_url(url).get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _sqlite_pragmas)
            event.listen(self.engine, "begin", _sqlite_begin)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    @contextmanager
    def decide(self) -> Iterator[Connection]:
        """One writing transaction that sees no other decision half done.

        SQLite takes its write lock at BEGIN, PostgreSQL an advisory lock: what is
        read inside still holds when it is written, with any number of processes.
        """
        with self.engine.begin() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": ADVISORY_LOCK})
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, and waits for no writer."""
        with self.engine.connect().execution_options(room_read=True) as connection:
            yield connection

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call ``function`` on the store's thread, one call after the other."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        self.engine.dispose()


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes too late and is deferred: _sqlite_begin sends ours instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # A granted lease must survive a power cut: NORMAL could lose the last transactions.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("room_read", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
