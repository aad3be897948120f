"""Plans in the database: changes, conflicts, grants out of a pot, undo, history, import."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from room.people import People
from room.plans import table, until, wording
from room.plans.authority import Actor, NotAllowedError
from room.plans.book import ChangedMeanwhileError, Plans
from room.plans.budget import Budget
from room.plans.keys import KEYS
from room.plans.model import Limit, Setting, subject
from room.plans.opening import open_plans
from room.roster import Entry
from room.settings import Settings
from room.sheet import SheetError
from room.store import Store
from room.store.migrate import upgrade

START = datetime(2026, 11, 26, 15, tzinfo=timezone.utc)
ADMIN = Actor("root")
TEACHER = Actor("tina", "page 10.0.0.7", "a")
HOURS = KEYS["gpu_hours"]


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'room.sqlite'}")
    upgrade(made)
    yield made
    made.close()


@pytest.fixture
def plans(store: Store) -> Plans:
    with store.decide() as connection:
        for name in ("plan_limits", "plan_grants", "audit", "people_classes", "people"):
            connection.exec_driver_sql(f"DELETE FROM {name}")
    People(store).import_roster([Entry("alice", ("a",)), Entry("bob", ("b",))], links="none")
    return Plans(store, clock=Clock())


def put(who: str, key: str, text: str | None, until: datetime | None = None) -> Setting:
    return Setting(subject(who), KEYS[key], text, until)


def holds(plans: Plans, key: str, user: str = "alice", classes: tuple[str, ...] = ("a",)) -> str:
    return plans.effective(user, classes).limits[key].text


def test_what_is_set_holds_and_what_is_taken_away_no_longer(plans: Plans) -> None:
    plans.set([put("class/a", "gpus", "1"), put("alice", "memory", "8 GiB")], ADMIN)
    assert holds(plans, "gpus") == "1"
    assert holds(plans, "memory") == "8G"
    assert holds(plans, "gpus", "bob", ("b",)) == "none"
    plans.set([put("class/a", "gpus", None)], ADMIN)
    assert holds(plans, "gpus") == "none"


def test_a_value_ends_by_itself(plans: Plans) -> None:
    plans.set([put("alice", "gpus", "2", START + timedelta(hours=1))], ADMIN)
    assert holds(plans, "gpus") == "2"
    plans.clock.now = START + timedelta(hours=1)  # type: ignore[attr-defined]
    assert holds(plans, "gpus") == "none"


def test_several_changes_come_together_or_not_at_all(plans: Plans) -> None:
    with pytest.raises(ValueError, match="limit of class"):
        plans.set([put("alice", "gpus", "1"), put("alice", "gpu_pot", "5")], ADMIN)
    assert holds(plans, "gpus") == "none"
    assert plans.history() == ()


def test_what_changes_nothing_is_not_in_the_history(plans: Plans) -> None:
    assert len(plans.set([put("alice", "gpus", "1")], ADMIN)) == 1
    assert plans.set([put("alice", "gpus", " 1 ")], ADMIN) == ()
    assert plans.set([put("alice", "cpu", None)], ADMIN) == ()


def test_the_history_says_who_when_what_from_where(plans: Plans) -> None:
    plans.set([put("class/a", "gpu_hours", "20/week")], ADMIN)
    plans.set([put("class/a", "gpu_hours", "30/week")], Actor("eve", "api 10.0.0.9"))
    newest, oldest = plans.history()
    assert (newest.actor, newest.origin, newest.at) == ("eve", "api 10.0.0.9", START)
    assert (str(newest.subject), newest.key) == ("class/a", "gpu_hours")
    assert newest.old is not None
    assert newest.new is not None
    assert (newest.old["value"], newest.new["value"]) == ("20/week", "30/week")
    assert oldest.old is None
    assert plans.history([subject("bob")]) == ()


def test_who_saw_an_older_value_overwrites_nothing(plans: Plans) -> None:
    plans.set([put("alice", "gpus", "1")], ADMIN)
    seen: dict[tuple[object, str], str | None] = {(subject("alice"), "gpus"): "1"}
    plans.set([put("alice", "gpus", "2")], Actor("eve"), expected=seen)  # type: ignore[arg-type]
    with pytest.raises(ChangedMeanwhileError, match="is 2 now, and was 1"):
        plans.set([put("alice", "gpus", "3")], ADMIN, expected=seen)  # type: ignore[arg-type]
    assert holds(plans, "gpus") == "2"


def test_two_at_the_same_moment_lose_neither(plans: Plans) -> None:
    """Twenty threads: ten change limits of one subject each, ten the same one."""
    names = [name for name in KEYS if KEYS[name].subjects[-1] == "user"][:10]
    ready = threading.Barrier(20)

    def change(setting: Setting, actor: str) -> None:
        ready.wait()
        plans.set([setting], Actor(actor))

    own = [put("class/a", "servers", str(n)) for n in range(10)]
    texts = {"gpu_kinds": "gpu", "gpu_hours": "1/day", "session": "1h", "idle": "1h"}
    sizes = {"memory": "1G", "shm": "1G", "home_soft": "1G", "home_hard": "1G", "pids": "100"}
    other = [put("alice", name, {**texts, **sizes}.get(name, "1")) for name in names]
    threads = [
        threading.Thread(target=change, args=(setting, f"p{n}"))
        for n, setting in enumerate([*own, *other])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = plans.effective("alice", ())
    assert [found.limits[name].text for name in names] == [each.text for each in other]
    said = plans.history([subject("class/a")])
    assert len(said) == 10
    # Each came after another, and the last one holds.
    for later, earlier in itertools.pairwise(said):
        assert later.old == earlier.new
    assert holds(plans, "servers", "carol") == (said[0].new or {})["value"]


def test_undo_puts_back_what_was_there(plans: Plans) -> None:
    plans.set([put("alice", "gpus", "1", START + timedelta(days=1))], ADMIN)
    (number,) = plans.set([put("alice", "gpus", "2")], ADMIN)
    undone = plans.undo(number, ADMIN)
    assert holds(plans, "gpus") == "1"
    plans.clock.now = START + timedelta(days=1)  # type: ignore[attr-defined]
    assert holds(plans, "gpus") == "none"
    assert plans.history()[0].undoes == number
    plans.undo(undone, ADMIN)
    assert holds(plans, "gpus") == "2"


def test_undo_takes_nothing_of_others_back(plans: Plans) -> None:
    (number,) = plans.set([put("alice", "gpus", "1")], ADMIN)
    plans.set([put("alice", "gpus", "2")], Actor("eve"))
    with pytest.raises(ChangedMeanwhileError, match="changed again since: it is 2 now"):
        plans.undo(number, ADMIN)
    with pytest.raises(LookupError, match="no change 999"):
        plans.undo(999, ADMIN)


def test_a_grant_is_on_top_until_it_ends_or_is_taken_back(plans: Plans) -> None:
    plans.set([put("class/a", "gpu_hours", "20/week")], ADMIN)
    plans.grant(subject("alice"), HOURS, Budget(5, "total"), START + timedelta(hours=2), ADMIN)
    plans.grant(subject("alice"), HOURS, Budget(3, "total"), START + timedelta(hours=4), ADMIN)
    assert holds(plans, "gpu_hours") == "28/week"
    plans.undo(plans.history()[0].id, ADMIN)
    assert holds(plans, "gpu_hours") == "25/week"
    with pytest.raises(ChangedMeanwhileError, match="taken back already"):
        plans.undo(plans.history()[1].id, ADMIN)
    plans.clock.now = START + timedelta(hours=2)  # type: ignore[attr-defined]
    assert holds(plans, "gpu_hours") == "20/week"
    with pytest.raises(ValueError, match="over already"):
        plans.grant(subject("alice"), HOURS, Budget(1, "total"), START, ADMIN)


def test_an_instructor_divides_the_class_s_pot_and_no_more(plans: Plans) -> None:
    ends = START + timedelta(days=30)
    give = [subject("alice"), HOURS, Budget(6, "total"), ends, TEACHER]
    with pytest.raises(NotAllowedError, match="0 of its 0 GPU-hours"):
        plans.grant(*give)  # type: ignore[arg-type]
    plans.set([put("class/a", "gpu_pot", "10/week")], ADMIN)
    plans.grant(*give)  # type: ignore[arg-type]
    with pytest.raises(NotAllowedError, match="4 of its 10 GPU-hours left to give, and not 6"):
        plans.grant(*give)  # type: ignore[arg-type]
    assert plans.pot("a") == (Budget(10, "week"), 6.0)
    # What is taken back is in the pot again; and it fills on Monday.
    plans.undo(plans.history()[0].id, TEACHER)
    plans.grant(*give)  # type: ignore[arg-type]
    plans.clock.now = START + timedelta(days=4)  # type: ignore[attr-defined]
    assert plans.pot("a") == (Budget(10, "week"), 0.0)
    # What an admin gives is not the pot's.
    plans.grant(subject("alice"), HOURS, Budget(50, "total"), ends, ADMIN)
    assert plans.pot("a")[1] == 0.0


def test_classes_have_the_shares_that_were_set(plans: Plans, store: Store) -> None:
    written = [
        Limit(subject("class/a"), KEYS["priority"], 2.0, written=True),
        Limit(subject("class/b"), KEYS["priority"], 3.0, written=True),
        Limit(subject("class/c"), KEYS["priority"], 9.0, written=True, until=START),
        Limit(subject("class/d"), KEYS["gpus"], 1, written=True),
    ]
    mine = Plans(store, written, clock=Clock())
    plans.set([put("class/b", "priority", "0.5"), put("class/e", "priority", "4")], ADMIN)
    assert mine.weights() == {"a": 2.0, "b": 0.5, "e": 4.0}


def test_an_instructor_changes_own_students_only(plans: Plans) -> None:
    ends = START + timedelta(days=1)
    plans.set([put("class/a", "gpu_pot", "10/week"), put("class/a", "gpus", "2")], ADMIN)
    for who in ("bob", "class/a", "room", "nobody"):
        with pytest.raises(NotAllowedError, match="not yours to change"):
            plans.set([put(who, "gpus", "1")], TEACHER)
        with pytest.raises(NotAllowedError, match="not yours to change"):
            plans.grant(subject(who), HOURS, Budget(1, "total"), ends, TEACHER)
    with pytest.raises(NotAllowedError, match="memory is the admin's"):
        plans.grant(subject("alice"), KEYS["memory"], 2**30, ends, TEACHER)
    plans.set([put("alice", "gpus", "7")], TEACHER)
    assert holds(plans, "gpus") == "2"
    plans.set([put("alice", "gpus", "1")], ADMIN)
    with pytest.raises(NotAllowedError, match="was set by the admin"):
        plans.set([put("alice", "gpus", "2")], TEACHER)
    with pytest.raises(NotAllowedError, match="was set by the admin"):
        plans.undo(plans.history()[0].id, TEACHER)


def test_what_room_yaml_says_of_a_student_is_the_admin_s(store: Store, plans: Plans) -> None:
    written = Limit(subject("alice"), KEYS["gpus"], 0, written=True)
    mine = Plans(store, [written], clock=Clock())
    with pytest.raises(NotAllowedError, match="was set by the admin"):
        mine.set([put("alice", "gpus", "2")], TEACHER)
    mine.set([put("alice", "gpus", "3")], ADMIN)
    assert holds(mine, "gpus") == "3"
    assert holds(plans, "gpus") == "3"


def test_what_this_release_does_not_know_is_as_if_not_there(plans: Plans, store: Store) -> None:
    plans.set([put("alice", "gpus", "1")], ADMIN)
    with store.decide() as connection:
        connection.exec_driver_sql("UPDATE plan_limits SET value = 'a dozen'")
    assert holds(plans, "gpus") == "none"
    plans.set([put("alice", "gpus", "2")], ADMIN)
    assert holds(plans, "gpus") == "2"


def test_a_value_says_where_it_comes_from(store: Store, plans: Plans) -> None:
    written = Limit(subject("class/a"), HOURS, Budget(20), written=True)
    mine = Plans(store, [written], {"cpu": 2.0}, clock=Clock())
    mine.grant(subject("alice"), HOURS, Budget(5, "total"), START + timedelta(hours=9), ADMIN)
    mine.set([put("alice", "gpus", "9"), put("class/a", "gpu_pot", "5")], ADMIN)
    mine.set([put("alice", "memory", "9G", START + timedelta(hours=1))], TEACHER)
    mine.set([put("class/a", "memory", "4G")], ADMIN)
    found = {
        name: (value, why) for name, value, why in wording.lines(mine.effective("alice", ["a"]))
    }
    assert found["cpu"] == ("2", "default")
    assert found["gpu_hours"] == ("25/week", "class a (room.yaml), +5 by root until 2026-11-26")
    assert found["gpus"] == ("9", "alice (set by root)")
    assert found["memory"] == (
        "4G",
        "alice (set by tina for class a, until 2026-11-26 16:00), cut to what class a has",
    )


def moment(text: str) -> datetime:
    return until.parse(text, START, timezone.utc)


def test_a_csv_from_a_spreadsheet() -> None:
    text = "﻿Who;GPU_hours;memory;Until\r\nclass/ML101;20/week;;friday\r\nalice;-;8G;\r\n\r\n"
    assert table.parse(text.encode(), moment) == (
        Setting(subject("class/ml101"), HOURS, "20/week", moment("friday")),
        Setting(subject("alice"), HOURS),
        Setting(subject("alice"), KEYS["memory"], "8G"),
    )
    assert table.parse(b"class,gpus\nml101,2\n", moment)[0].subject == subject("class/ml101")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["needs a header"]),
        ("gpus,memory\n1,2\n", ["line 1: the first row must name the columns"]),
        ("who,gpuz\na,1\n", ["line 1: there is no limit 'gpuz': did you mean gpus?"]),
        ("who,gpus,gpus\na,1,2\n", ["two columns"]),
        ("who\na\n", ["no column is a limit"]),
        (
            "who,gpus,memory,until\nalice,-1,10 XB,\nbob,1,,yesterday\n,1,,\nal ice,1,,\n"
            "eve,1,,\nEve,2,,\n",
            [
                "line 2: gpus:",
                "line 2: memory:",
                "line 3: 'yesterday' says no time",
                "line 4: nobody is named",
                "line 5: 'al ice' is no login",
                "line 7: gpus of user/eve is in line 6 already",
            ],
        ),
        ('who,gpus\n"alice,1\n', ["quote that is not closed"]),
    ],
)
def test_a_csv_that_is_wrong_says_every_line(text: str, problems: list[str]) -> None:
    with pytest.raises(SheetError) as refused:
        table.parse(text.encode(), moment)
    found = [str(problem) for problem in refused.value.problems]
    assert len(found) == len(problems)
    for said, expected in zip(found, problems, strict=True):
        assert expected in said


def test_a_database_of_before_gets_its_tables(tmp_path: Path) -> None:
    """Migrated to what there was before plans, with a row in the audit, then to now."""
    from alembic import command

    from room.store.migrate import _config

    old = Store(f"sqlite:///{tmp_path / 'old.sqlite'}")
    command.upgrade(_config(old), "0003")
    with old.decide() as connection:
        connection.exec_driver_sql(
            "INSERT INTO audit (at, actor, action, subject, detail) "
            "VALUES ('2026-01-01 00:00:00', 'root', 'gpu-drained', 'GPU-1', '')"
        )
    upgrade(old)
    mine = Plans(old)
    mine.set([put("alice", "gpus", "1")], ADMIN)
    assert [entry.key for entry in mine.history()] == ["gpus"]
    old.close()


@pytest.mark.parametrize(
    ("said", "set_to", "weight", "origin"),
    [
        pytest.param({}, None, 2, "class a (room.yaml)", id="the-queue-s-own-list"),
        pytest.param({"priority": "3"}, None, 3, "class a (room.yaml)", id="a-plan-of-room.yaml"),
        pytest.param({"priority": "3"}, "4", 4, "class a (set by root)", id="the-running-room"),
    ],
)
def test_a_share_has_one_value_and_one_origin_wherever_it_is_said(
    plans: Plans, store: Store, said: dict[str, str], set_to: str | None, weight: float, origin: str
) -> None:
    settings = Settings.model_validate(
        {
            "gpus": {"queue": {"weights": {"a": 2}}},
            "plans": [{"who": ["class/a"], "limits": said}] if said else [],
        }
    )
    room = open_plans(store, settings)
    if set_to:
        room.set([put("class/a", "priority", set_to)], ADMIN)
    found = room.of_class("a", KEYS["priority"])
    assert (found.value, wording.origin(found)) == (weight, origin)
    assert room.weights() == {"a": weight}
