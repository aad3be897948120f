"""Which datasets a start gets, and how seldom it asks the database for them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from sqlalchemy.exc import OperationalError

from room.datasets.catalog import Catalog
from room.datasets.manifest import Summary
from room.datasets.model import EVERYONE, About, Dataset
from room.datasets.names import Reference
from room.models import Owner, SpawnOptions
from room.store import Store
from room.store.migrate import upgrade
from spawner import datasetmounts
from spawner.datasetmounts import KEPT_FOR, DatasetTraits
from spawner.refusal import Refusal


class Counted(Catalog):
    """Counts how often the database is read."""

    reads: ClassVar[list[set[str]]] = []
    broken = False

    def of(self, groups: Any) -> list[Dataset]:
        self.reads.append(set(groups))
        if self.broken:
            raise OperationalError("select", {}, Exception("the disk is gone"))
        return super().of(groups)


class Spawner(DatasetTraits):
    """A start without all that has nothing to do with datasets."""

    def __init__(self, store: Store, **options: Any) -> None:
        super().__init__(datasets_directory="/data/datasets")
        self.user = SimpleNamespace(groups=[SimpleNamespace(name="ml101")])
        self.owner = Owner("alice")
        self.services = SimpleNamespace(store=store)  # type: ignore[assignment]
        self.log = SimpleNamespace(warning=lambda *_: None)
        self.resolved_profiles = lambda: ()
        self._options = SpawnOptions(**options)

    def begin(self) -> tuple[str, ...]:
        """Ask for a start and let it come to its mounts; return the datasets it has."""

        async def start() -> None:
            refused = await self.refused_datasets(self._options, ())
            if refused is not None:
                raise Refusal(refused)
            await self.pin_datasets()

        asyncio.run(start())
        return tuple(f"{each.name}@{each.number}" for each in self._pinned)


@pytest.fixture
def store(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Store(f"sqlite:///{tmp_path}/room.sqlite")
    upgrade(made)
    catalog = Catalog(made, actor="root")
    for name, class_name in (("flowers", "ml101"), ("common", EVERYONE), ("stars", "astro")):
        catalog.publish(name, Summary("d" * 64, 1, 1), About(), [class_name], job=name)
    monkeypatch.setattr(Counted, "reads", [])
    monkeypatch.setattr(Counted, "broken", False)
    monkeypatch.setattr(datasetmounts, "Catalog", Counted)
    yield made
    made.close()


@pytest.mark.parametrize("chosen", [(), ("flowers@1",)], ids=["all", "some"])
def test_a_start_reads_the_database_once(store: Store, chosen: tuple[str, ...]) -> None:
    spawner = Spawner(store, datasets=chosen)
    assert "flowers@1" in spawner.begin()
    assert Counted.reads == [{"ml101"}]


def test_the_next_start_reads_anew(store: Store) -> None:
    spawner = Spawner(store)
    assert spawner.begin() == ("common@1", "flowers@1")
    Catalog(store, actor="root").publish("flowers", Summary("e" * 64, 1, 1), About(), job="2")
    assert spawner.begin() == ("common@1", "flowers@2")


def test_a_start_gets_what_is_on_its_host_and_whole(store: Store) -> None:
    catalog = Catalog(store, actor="root")
    catalog.publish("flowers", Summary("e" * 64, 1, 1), About(), job="2")
    catalog.verified(Reference("flowers", 2), None)
    catalog.verified(Reference("common", 1), 1)
    spawner = Spawner(store)
    told: list[str] = []
    spawner.log = SimpleNamespace(warning=lambda text, *args: told.append(text % args))
    assert spawner.begin() == ("flowers@1",)
    assert ["Files of version 1 of common are damaged" in each for each in told] == [True]
    with pytest.raises(Refusal, match="Version 2 of flowers is not on the machine"):
        Spawner(store, datasets=("flowers@2",)).begin()


def test_a_start_that_waited_reads_what_holds_by_then(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(datasetmounts, "time", SimpleNamespace(monotonic=lambda: now[0]))
    spawner = Spawner(store, datasets=("flowers",))
    assert asyncio.run(spawner.refused_datasets(spawner._options, ())) is None
    now[0] += KEPT_FOR + 1
    Catalog(store, actor="root").unshare("flowers", ["ml101"])
    with pytest.raises(Refusal, match="There is no dataset 'flowers'"):
        asyncio.run(spawner.pin_datasets())


def test_who_left_a_class_meanwhile_has_it_read_at_once(store: Store) -> None:
    spawner = Spawner(store)
    assert asyncio.run(spawner.refused_datasets(spawner._options, ())) is None
    spawner.user.groups = []
    asyncio.run(spawner.pin_datasets())
    assert [each.name for each in spawner._pinned] == ["common"]
    assert Counted.reads == [{"ml101"}, set()]


def test_nothing_is_read_for_a_start_to_tidy_up_nor_without_a_shelf(store: Store) -> None:
    assert Spawner(store, rescue=True).begin() == ()
    bare = Spawner(store)
    bare.datasets_directory = ""
    assert bare.begin() == ()
    assert Counted.reads == []


def test_a_database_that_is_away_is_for_the_start_itself_to_say(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counted, "broken", True)
    spawner = Spawner(store)
    assert asyncio.run(spawner.refused_datasets(spawner._options, ())) is None
    with pytest.raises(OperationalError):
        asyncio.run(spawner.pin_datasets())
