"""The rule by which plans combine, as a table: who says what, and what holds."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.plans import combine
from room.plans.budget import Budget
from room.plans.keys import KEYS
from room.plans.model import EffectivePlan, Grant, Limit, subject

NOW = datetime(2026, 11, 26, 15, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def said(
    who: str,
    key: str,
    value: Any,
    *,
    written: bool = False,
    since: int | None = None,
    until: int | None = None,
    behalf: str = "",
) -> Limit:
    """Return a limit; ``since`` and ``until`` are hours from now."""
    return Limit(
        subject(who),
        KEYS[key],
        KEYS[key].parse(value),
        written,
        None if since is None else NOW + since * HOUR,
        None if until is None else NOW + until * HOUR,
        behalf=behalf,
    )


def given_(who: str, key: str, amount: str, *, until: int = 1, behalf: str = "") -> Grant:
    return Grant(
        1, subject(who), KEYS[key], KEYS[key].amount(amount), NOW + until * HOUR, "", behalf
    )


def plan(
    limits: list[Limit], grants: list[Grant] | None = None, classes: tuple[str, ...] = ("a", "b")
) -> EffectivePlan:
    defaults = {"cpu": 2.0, "gpus": 4}
    return combine.effective("alice", classes, limits, grants or [], defaults, NOW)


@pytest.mark.parametrize(
    ("limits", "gpus"),
    [
        pytest.param([], 4, id="the default"),
        pytest.param([said("room", "gpus", 3)], 3, id="the room's before the default"),
        pytest.param([said("class/a", "gpus", 1)], 1, id="a class may have less than the room"),
        pytest.param(
            [said("room", "gpus", 3), said("class/a", "gpus", 1)], 1, id="a class before the room"
        ),
        pytest.param(
            [said("class/a", "gpus", 1), said("class/b", "gpus", 2)],
            2,
            id="of two classes the more generous",
        ),
        pytest.param(
            [said("class/a", "gpus", "none"), said("class/b", "gpus", 2)],
            math.inf,
            id="no limit is the most generous",
        ),
        pytest.param(
            [said("class/a", "gpus", 1), said("class/c", "gpus", 9)], 1, id="another class is none"
        ),
        pytest.param(
            [said("class/a", "gpus", 2), said("alice", "gpus", 0)], 0, id="one's own, also lower"
        ),
        pytest.param(
            [said("class/a", "gpus", 2), said("alice", "gpus", 8)], 8, id="one's own, also higher"
        ),
        pytest.param([said("bob", "gpus", 9)], 4, id="another's is not one's own"),
        pytest.param(
            [said("class/a", "gpus", 1, written=True), said("class/a", "gpus", 2)],
            2,
            id="set in the room before room.yaml",
        ),
        pytest.param(
            [said("class/a", "gpus", 2), said("class/a", "gpus", 1, written=True)],
            2,
            id="set in the room before room.yaml, in any order",
        ),
        pytest.param(
            [said("alice", "gpus", 2, written=True), said("class/a", "gpus", 7)],
            2,
            id="a user's in room.yaml before a class's in the room",
        ),
        pytest.param(
            [said("room", "gpus", 1, written=True), said("room", "gpus", 2, written=True)],
            2,
            id="of room.yaml the last",
        ),
        pytest.param([said("alice", "gpus", 9, until=0)], 4, id="what is over"),
        pytest.param([said("alice", "gpus", 9, until=1)], 9, id="what is not over"),
        pytest.param([said("alice", "gpus", 9, since=1)], 4, id="what has not begun"),
        pytest.param([said("alice", "gpus", 9, since=0)], 9, id="what begins now"),
        pytest.param(
            [said("class/a", "gpus", 1), said("class/a", "gpus", 3, until=0)],
            1,
            id="what is over hides nothing",
        ),
        pytest.param(
            [said("class/a", "gpus", 2), said("alice", "gpus", 1, behalf="a")],
            1,
            id="an instructor gives less than the class has",
        ),
        pytest.param(
            [said("class/a", "gpus", 2), said("alice", "gpus", 9, behalf="a")],
            2,
            id="an instructor gives no more than the class has",
        ),
        pytest.param([said("alice", "gpus", 9, behalf="a")], 4, id="nor more than the room has"),
        pytest.param(
            [
                said("class/a", "gpus", 1),
                said("class/b", "gpus", 8),
                said("alice", "gpus", 9, behalf="a"),
            ],
            1,
            id="nor more than another class has",
        ),
        pytest.param(
            [said("alice", "gpus", 0, written=True), said("alice", "gpus", 3, behalf="a")],
            0,
            id="nor changes what the admin wrote of the student",
        ),
        pytest.param(
            [said("class/a", "gpus", 1), said("alice", "gpus", 9, behalf="c")],
            1,
            id="an instructor of a class that the student left says nothing",
        ),
    ],
)
def test_what_holds(limits: list[Limit], gpus: float) -> None:
    assert plan(limits)["gpus"] == gpus


@pytest.mark.parametrize(
    ("limits", "grants", "gpus"),
    [
        pytest.param([], [given_("alice", "gpus", "+1")], 5, id="on top of the default"),
        pytest.param(
            [said("alice", "gpus", 1)],
            [given_("alice", "gpus", "+1"), given_("alice", "gpus", "+2")],
            4,
            id="several add up",
        ),
        pytest.param([], [given_("alice", "gpus", "+1", until=0)], 4, id="what is over"),
        pytest.param([], [given_("bob", "gpus", "+1")], 4, id="another's"),
        pytest.param(
            [said("class/a", "gpus", 1)], [given_("class/a", "gpus", "+2")], 3, id="a class's"
        ),
        pytest.param([], [given_("class/a", "gpus", "+2")], 6, id="a class that has nothing else"),
        pytest.param(
            [said("class/a", "gpus", 1), said("class/b", "gpus", 2)],
            [given_("class/a", "gpus", "+3")],
            4,
            id="the more generous class with what it was given",
        ),
        pytest.param(
            [said("alice", "gpus", 1)],
            [given_("class/a", "gpus", "+3")],
            1,
            id="one's own is not one's class's",
        ),
        pytest.param(
            [said("class/a", "gpus", "none")],
            [given_("alice", "gpus", "+3")],
            math.inf,
            id="no limit stays none",
        ),
        pytest.param(
            [], [given_("alice", "gpus", "+3", behalf="a")], 7, id="what an instructor gave"
        ),
        pytest.param(
            [], [given_("alice", "gpus", "+3", behalf="c")], 4, id="after leaving the class"
        ),
    ],
)
def test_what_was_granted_is_added(limits: list[Limit], grants: list[Grant], gpus: float) -> None:
    assert plan(limits, grants)["gpus"] == gpus


def test_each_kind_of_limit_has_its_own_most_generous() -> None:
    found = plan(
        [
            said("class/a", "gpu_hours", "20/week"),
            said("class/b", "gpu_hours", "4/day"),
            said("class/a", "profiles", "cpu"),
            said("class/b", "profiles", "gpu"),
            said("class/a", "images", "any"),
            said("class/b", "images", "x:1"),
            said("class/a", "session", "8h"),
            said("class/b", "session", "2h"),
            said("class/a", "memory", "4G"),
            said("class/b", "memory", "4096M"),
        ]
    )
    assert found["gpu_hours"] == Budget(4, "day")
    assert found["profiles"] == {"cpu", "gpu"}
    assert found["images"] is None
    assert found["session"] == 8 * 3600
    # Both say it, and both are named.
    assert {str(each.subject) for each in found.limits["memory"].origin.limits} == {
        "class/a",
        "class/b",
    }


def test_hours_are_granted_in_the_budget_s_own_window() -> None:
    found = plan(
        [said("class/a", "gpu_hours", "20/week@fri")], [given_("alice", "gpu_hours", "+5")]
    )
    assert found["gpu_hours"] == Budget(25, "week", 4)
    assert [grant.amount for grant in found.limits["gpu_hours"].origin.grants] == [
        Budget(5, "total")
    ]


def test_every_limit_of_a_user_has_a_value() -> None:
    found = plan([])
    assert set(found.limits) == {name for name, key in KEYS.items() if "user" in key.subjects}
    assert found["cpu"] == 2
    assert found["memory"] == math.inf
    assert found["profiles"] is None
    assert found["gpu_hours"] == Budget(math.inf)


_SUBJECTS = ("room", "class/a", "class/b", "class/c", "alice")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(_SUBJECTS),
            st.integers(0, 5),
            st.booleans(),
            st.sampled_from([None, -1, 0, 1]),
            st.sampled_from([None, -1, 0, 1]),
            st.sampled_from(["", "a", "c"]),
        ),
        max_size=12,
    ),
    st.lists(st.tuples(st.sampled_from(_SUBJECTS[1:]), st.integers(1, 3)), max_size=4),
)
def test_an_instructor_raises_nobody_above_the_class(
    rows: list[tuple[str, int, bool, int | None, int | None, str]],
    gifts: list[tuple[str, int]],
) -> None:
    """With all that they say nobody has more than the admin's rules, or the class, would give."""
    limits = [
        said(
            who,
            "gpus",
            value,
            written=written,
            since=since,
            until=until,
            behalf=behalf if who == "alice" and not written else "",
        )
        for who, value, written, since, until, behalf in rows
    ]
    grants = [given_(who, "gpus", f"+{amount}") for who, amount in gifts]
    with_all = plan(limits, grants)["gpus"]
    own = sum(amount for who, amount in gifts if who == "alice")
    ceiling = combine.of_class("a", KEYS["gpus"], limits, grants, {"gpus": 4}, NOW).value
    by_admin = plan([each for each in limits if not each.behalf], grants)["gpus"]
    assert with_all <= max(by_admin, ceiling + own)


@given(st.permutations(range(6)))
def test_the_order_of_classes_and_of_what_was_set_does_not_matter(order: list[int]) -> None:
    rows = [
        said("room", "gpus", 1),
        said("class/a", "gpus", 2),
        said("class/b", "gpus", 3),
        said("class/a", "cpu", 8),
        said("class/b", "profiles", "gpu"),
        said("class/a", "profiles", "cpu"),
    ]
    shuffled = [rows[index] for index in order]
    names = tuple("ab" if order[0] % 2 else "ba")
    assert {n: e.value for n, e in plan(shuffled, classes=names).limits.items()} == {
        n: e.value for n, e in plan(rows).limits.items()
    }
