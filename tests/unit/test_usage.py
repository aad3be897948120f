"""What the ledger has of servers' containers, and ``room usage``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from cli import context
from cli.usage import usage as command
from room import usage, used
from room.accounting import Reading
from room.gpus.broker import Broker
from room.gpus.inventory import simulated
from room.gpus.requests import GPURequest
from room.models import Lease, Owner
from room.settings import parse
from room.store import Store, migrate
from room.store.usage_tables import lease_history, sessions
from room.usage import Ran

NOON = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
SHANGHAI, GIB = ZoneInfo("Asia/Shanghai"), 1024**3
#: Ran for three hours, of which memory was seen for two and a half.
ANN = "ann,0.0000,1.5000,6.0000,3.0000,12.0000,0.5000"
RAN = Ran("c1", Owner("ann"), "dl", "gpu", 2.0, 4 * 1024**3, NOON)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    migrate.upgrade(store)
    yield store
    store.close()


def noted(store: Store, *rans: Ran) -> None:
    for ran in rans:
        with store.decide() as connection:
            usage.note(connection, ran)


def ends(store: Store) -> dict[str, datetime | None]:
    with store.read() as connection:
        return {row.container: row.to_at for row in connection.execute(select(sessions))}


def after(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def test_a_container_is_written_once_and_ends_once(store: Store) -> None:
    noted(store, RAN, RAN)
    assert ends(store) == {"c1": None}
    noted(store, replace(RAN, end=after(1)), replace(RAN, end=after(2)), RAN)
    assert ends(store) == {"c1": after(1)}


def test_one_that_is_seen_only_when_it_is_over_is_written_whole(store: Store) -> None:
    noted(store, replace(RAN, end=after(1)))
    assert ends(store) == {"c1": after(1)}


def test_one_whose_end_nobody_saw_is_closed_and_others_are_left(store: Store) -> None:
    noted(store, RAN, replace(RAN, container="c2"), replace(RAN, container="c3", end=after(1)))
    with store.decide() as connection:
        assert usage.running(connection).keys() == {"c1", "c2"}
        usage.close(connection, {"c2", "c3"}, after(5))
    assert ends(store) == {"c1": None, "c2": after(5), "c3": after(1)}


def test_a_lease_counts_by_its_units_rates_and_by_why_it_ended(store: Store) -> None:
    clock = [NOON.timestamp()]
    broker = Broker(store, now=lambda: clock[0], rates={"simulated": 0.5})
    broker.survey(simulated(2))
    owner = Owner("ann")

    def leased() -> Lease:
        found = broker.submit(owner, GPURequest(2), groups=("dl",))
        assert isinstance(found, Lease)
        return found

    lease = leased()
    clock[0] += 10
    broker.requeue(lease.id)
    (again,) = (each for each in broker.leases())
    broker.ready(again.id)
    clock[0] += 100.25
    with store.read() as connection:
        # Two at half each are one; a start that came to nothing is in the ledger all the same.
        begin, end = NOON, NOON + timedelta(days=1)
        now = NOON + timedelta(seconds=110.25)
        spans = usage.gpu_spans(connection)
        assert usage.total(spans, begin, end, now) == pytest.approx(110.25)
        charged = usage.gpu_spans(connection, charged=True)
        assert usage.total(charged, begin, end, now) == pytest.approx(100.25)
    assert broker.release(again.id, "lost")
    assert not broker.release(again.id), "it ends once"
    with store.read() as connection:
        rows = connection.execute(select(lease_history).order_by(lease_history.c.id)).all()
        charged = usage.gpu_spans(connection, charged=True, user="ann")
        assert usage.total(charged, begin, end, after(9)) == pytest.approx(100.25)
        assert usage.gpu_spans(connection, user="bob") == ()
        assert usage.gpu_spans(connection, since=now) == ()
    assert [(row.why, row.units, row.rate, row.class_name) for row in rows] == [
        ("start-failed", 2, 1.0, "dl"),
        ("lost", 2, 1.0, "dl"),
    ]


@pytest.fixture
def room(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    noted(
        store,
        replace(RAN, end=after(3)),
        # Midnight in Shanghai is 16:00 UTC.
        replace(RAN, container="c2", owner=Owner("bob"), group="", begin=after(3), end=after(5)),
    )
    read = Reading("c1", "1", "e", after(3), 1.5 * 3600, 3 * GIB * 3600, 2.5 * 3600)
    late = replace(read, container="c2", at=after(4), cpu=3600.0, memory=0.0, seen=3600.0)
    with store.decide() as connection:
        used.record(
            connection, [read, late, replace(late, at=after(5), cpu=7200.0, seen=7200.0)], SHANGHAI
        )
    monkeypatch.setattr(context, "store", lambda: Store(store.url))
    settings = parse(b"timezone: Asia/Shanghai\n").settings
    monkeypatch.setattr(context, "settings", lambda: settings)
    return store


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], [ANN, "bob,0.0000,2.0000,4.0000,0.0000,8.0000,0.0000"], id="everyone"),
        pytest.param(
            ["--user", "bob"], ["bob,0.0000,2.0000,4.0000,0.0000,8.0000,0.0000"], id="one"
        ),
        pytest.param(["--class", "dl"], [ANN], id="class"),
        pytest.param(
            ["--since", "2026-11-27"], ["bob,0.0000,2.0000,2.0000,0.0000,4.0000,0.0000"], id="since"
        ),
        pytest.param(["--since", "0001-01-01", "--class", "dl"], [ANN], id="since-ever"),
        pytest.param(["--since", "9999-12-31"], [], id="since-never"),
        pytest.param(
            ["--user", "bob", "--daily"],
            [
                "2026-11-26,,bob,0.0000,0.0000,2.0000,0.0000,4.0000,1.0000",
                "2026-11-27,,bob,0.0000,2.0000,2.0000,0.0000,4.0000,0.0000",
            ],
            id="daily",
        ),
    ],
)
def test_room_usage(room: Store, arguments: list[str], expected: list[str]) -> None:
    result = CliRunner().invoke(command, [*arguments, "--csv"])
    assert result.exit_code == 0, result.output
    head, *rows = result.output.splitlines()
    assert rows == expected
    assert head.endswith(
        "User,GPU-hours,CPU-hours used,CPU-hours reserved,GiB-hours used,GiB-hours reserved,"
        "Hours unseen"
    )


def test_room_usage_as_a_table(room: Store) -> None:
    lines = CliRunner().invoke(command, []).output.splitlines()
    assert lines[0].split("  ")[0] == "User"
    assert lines[1].split() == ["ann", "0.00", "1.50", "6.00", "3.00", "12.00", "0.50"]
    assert "Nothing was used." in CliRunner().invoke(command, ["--user", "eve"]).output


def test_a_slip_in_a_day_is_said_in_words(room: Store) -> None:
    result = CliRunner().invoke(command, ["--since", "friday"])
    assert "'friday' is no day" in result.output
