"""What tests of several folders share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.utils.room import ComposedRoom

#: Folders whose tests share one composed room.
OF_THE_ROOM = ("tests/browser/", "tests/room/")


@pytest.fixture(scope="session")
def running_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposedRoom]:
    """A room with four simulated GPUs, up for the whole run. Take students of your own in it."""
    room = ComposedRoom(tmp_path_factory.mktemp("room"), gpus=4)
    try:
        room.up()
        yield room
        print(room.logs())
    finally:
        room.close()


class Schedule(LoadScopeScheduling):
    """What a worker takes at once: a whole file, or all tests of the running room."""

    def _split_scope(self, nodeid: str) -> str:
        return "the running room" if nodeid.startswith(OF_THE_ROOM) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    """Fixtures of a module or of the session are not made again by each worker."""
    return Schedule(config, log)
