"""Two brokers on one SQLite file: whatever ends or fails, and in whatever order.

``ROOM_TEST_EXAMPLES`` and ``ROOM_TEST_STEPS`` let it run longer.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

from room.store import Store
from room.store.migrate import upgrade
from tests.unit.broker_machine import Brokers


class OnSQLite(Brokers):
    def open_stores(self) -> tuple[Store, Store]:
        self.directory = tempfile.TemporaryDirectory()
        url = f"sqlite:///{Path(self.directory.name) / 'torchroom.sqlite'}"
        stores = Store(url), Store(url)
        upgrade(stores[0])
        return stores

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "directory"):
            self.directory.cleanup()


TestOnSQLite = OnSQLite.TestCase
TestOnSQLite.settings = settings(
    max_examples=int(os.environ.get("ROOM_TEST_EXAMPLES", "20")),
    stateful_step_count=int(os.environ.get("ROOM_TEST_STEPS", "25")),
    deadline=None,
    # What lands is judged by the same examples each time.
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
