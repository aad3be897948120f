"""RoomSpawner is put together from parts: what one calls its own, another does not replace."""

from __future__ import annotations

from collections import defaultdict
from types import FunctionType

from spawner.spawner import RoomSpawner

#: What a part adds to, each by asking the next one, too.
ADDED_TO = {"__init__", "_card", "create_with_what_is_there", "load_profiles"}


def test_no_part_replaces_what_another_one_calls_its_own() -> None:
    found = defaultdict(list)
    for part in RoomSpawner.__mro__:
        if part.__module__.startswith("spawner."):
            for name, what in vars(part).items():
                if isinstance(what, FunctionType):
                    found[name].append(part.__name__)
    assert {name for name, parts in found.items() if len(parts) > 1} == ADDED_TO
