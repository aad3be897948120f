"""What tests of several folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.utils.room import ComposedRoom


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
