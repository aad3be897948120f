"""Budgets of GPU-hours: tables, and any leases against a simulation step by step."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from room.models import Reject
from room.plans.budget import Budget, parse, window
from room.plans.spending import (
    Account,
    Outlook,
    look_again,
    may_run,
    no_longer,
    over,
    runs_out_at,
    used_up,
    warning_due,
)
from room.usage import Span, by_day, total

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
#: A Thursday.
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def at(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def ran(begin: float, end: float | None, rate: float = 1.0, user: str = "ann") -> Span:
    return Span(user, "dl", at(begin), None if end is None else at(end), rate)


@pytest.mark.parametrize(
    ("text", "spans", "more", "expected"),
    [
        pytest.param("20/week", [], 0.0, None, id="nothing-runs"),
        pytest.param("20/week", [], 1.0, 20.0, id="all-of-it"),
        pytest.param("20/week", [ran(-5, -1)], 1.0, 16.0, id="some-used"),
        pytest.param("20/week", [ran(-5, None)], 0.0, 15.0, id="used-by-what-runs"),
        pytest.param("20/week", [ran(-5, None)], 2.0, 5.0, id="others-burn-it-faster"),
        pytest.param("20/week", [ran(-30, -1)], 1.0, 0.0, id="more-than-all-used"),
        pytest.param("20/week", [ran(-200, -100)], 1.0, 20.0, id="last-week-is-over"),
        pytest.param("20/week", [ran(-5, None, 0.5)], 0.0, 35.0, id="half-a-card"),
        pytest.param("8/day", [ran(-12, -8)], 0.5, 8.0, id="day"),
        pytest.param("8/day", [ran(-12, -8)], 0.25, None, id="never-in-a-day"),
        # Five hours are left, at a third: the day ends first.
        pytest.param("8/day", [ran(-12, -9)], 0.34, 12 + 8 / 0.34, id="after-a-reset"),
        pytest.param("13/week@friday", [ran(-5, -1)], 1.0, 9.0, id="before-the-reset"),
        pytest.param("17/week@friday", [ran(-5, -1)], 1.0, 12 + 17.0, id="over-the-reset"),
        pytest.param("300", [ran(-2000, -1800)], 1.0, 100.0, id="for-all-time"),
        pytest.param("100000000", [], 0.001, None, id="later-than-any-date"),
        pytest.param("none", [ran(-5, None)], 9.0, None, id="no-budget"),
        pytest.param("0/week", [], 1.0, 0.0, id="none-at-all"),
    ],
)
def test_runs_out_at(text: str, spans: list[Span], more: float, expected: float | None) -> None:
    found = runs_out_at(Account(parse(text), tuple(spans)), NOW, more)
    if expected is None or found is None:
        assert found == expected
    else:
        assert abs(found - at(expected)) < timedelta(seconds=1)


def test_a_day_in_summer_time_is_the_zone_s_own() -> None:
    # The night of 25 October has 25 hours in Berlin: the budget of 24 is used up in it.
    now = datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert runs_out_at(Account(Budget(24, "day"), (), BERLIN), now, 1.0) == now + timedelta(
        hours=24
    )
    assert runs_out_at(Account(Budget(25, "day"), (), BERLIN), now, 1.0) is None


windows = st.sampled_from(["day", "week", "month", "total"])


@settings(deadline=None)
@given(
    hours=st.integers(0, 60),
    kind=windows,
    reset=st.integers(1, 6),
    runs=st.lists(
        st.tuples(st.integers(-900, -1), st.integers(0, 300), st.sampled_from([0.5, 1.0, 2.0])),
        max_size=6,
    ),
    now_on=st.lists(st.tuples(st.integers(-50, 0), st.sampled_from([0.5, 1.0, 2.0])), max_size=3),
    more=st.sampled_from([0.0, 1.0, 3.0]),
    zone=st.sampled_from([UTC, BERLIN]),
)
def test_any_leases_run_out_when_they_do_step_by_step(
    hours: int,
    kind: str,
    reset: int,
    runs: list[tuple[int, int, float]],
    now_on: list[tuple[int, float]],
    more: float,
    zone: ZoneInfo,
) -> None:
    budget = Budget(hours, kind, 0 if kind in ("day", "total") else reset)  # type: ignore[arg-type]
    spans = [ran(begin, min(0, begin + length), rate) for begin, length, rate in runs]
    spans += [ran(begin, None, rate) for begin, rate in now_on]
    rate = more + sum(rate for _begin, rate in now_on)
    # Windows begin on full hours, so that each step is in one of them.
    step = timedelta(minutes=30)

    def used(moment: datetime) -> float:
        begin, end = window(budget, moment, zone)
        return total(spans, begin, end, NOW)

    expected, moment = None, NOW
    first = window(budget, NOW, zone)
    left = hours * 3600 - used(NOW)
    for _step in range(2 * 24 * 70):
        if not rate:
            break
        if left < 1800 * rate:
            expected = moment + timedelta(seconds=max(0.0, left) / rate)
            break
        left -= 1800 * rate
        moment += step
        if window(budget, moment, zone) != first:
            first, left = window(budget, moment, zone), hours * 3600.0
    found = runs_out_at(Account(budget, tuple(spans), zone), NOW, more)
    if expected is not None:
        assert found is not None
        assert abs(found - expected) < timedelta(milliseconds=1)
    else:
        assert found is None or found >= moment


@given(
    st.lists(
        st.tuples(
            st.integers(-5_000_000, 0), st.integers(0, 900_000), st.sampled_from(["ann", "bob"])
        ),
        max_size=20,
    ),
    st.sampled_from([UTC, BERLIN]),
)
def test_days_add_up_to_the_whole_to_the_second(
    runs: list[tuple[int, int, str]], zone: ZoneInfo
) -> None:
    spans = [
        Span(user, "dl", NOW + timedelta(seconds=b), NOW + timedelta(seconds=b + length), 1.0)
        for b, length, user in runs
    ]
    days = by_day(spans, NOW + timedelta(days=30), zone)
    for user in ("ann", "bob"):
        whole = sum(length for _b, length, of in runs if of == user)
        assert sum(n for (of, _class, _day), n in days.items() if of == user) == whole


def test_a_day_ends_at_midnight_in_the_zone() -> None:
    days = by_day([ran(10, 13)], at(24), BERLIN)
    # 22:00 UTC is 23:00 in Berlin: one hour, then two.
    assert days == {
        ("ann", "dl", date(2026, 11, 26)): 3600.0,
        ("ann", "dl", date(2026, 11, 27)): 7200.0,
    }


def test_what_runs_counts_until_now() -> None:
    assert total([ran(-3, None, 2.0), ran(-1, -0.5)], at(-2), at(99), NOW) == 2 * 7200.0 + 1800.0


@pytest.mark.parametrize(
    ("used", "ends"),
    [
        pytest.param(0.0, 20.0, id="fresh"),
        pytest.param(19.9, 0.1, id="six-minutes"),
        pytest.param(19.95, None, id="three-minutes"),
        pytest.param(30.0, None, id="nothing"),
    ],
)
def test_less_than_five_minutes_are_refused(used: float, ends: float | None) -> None:
    account = Account(parse("20/week"), (ran(-used, 0),))
    found = may_run(account, NOW, 1.0)
    if ends is None:
        assert isinstance(found, Reject)
        assert f"{used:.1f} of your 20 GPU-hours." in found.message
        assert "New ones come each week, next at 2026-11-30 00:00." in found.message
    else:
        assert isinstance(found, datetime)
        assert abs(found - at(ends)) < timedelta(seconds=1)


def test_what_never_comes_anew_says_so() -> None:
    account = Account(Budget(3, "total"), (ran(-4, -1),))
    for said in (used_up(account, NOW), over(account, NOW), no_longer(account, NOW)):
        assert "3 GPU-hours" in said.message
        assert "No new ones come by themselves." in said.message


def outlook(hours: float, before: Outlook | None, now: datetime = NOW) -> Outlook:
    return look_again(before, Account(Budget(hours, "total"), (ran(-10, None),)), now)


def test_a_raised_budget_prolongs_at_once() -> None:
    before = outlook(12, None)
    assert before.ends == at(2)
    assert outlook(15, before).ends == at(5)


def test_a_lowered_budget_leaves_half_an_hour_and_no_more_by_looking_again() -> None:
    cut = outlook(8, outlook(15, None))
    assert cut.ends == at(0.5)
    assert outlook(8, cut, at(0.25)).ends == at(0.5)
    assert outlook(8, outlook(8, cut, at(0.25)), at(1)).ends == at(1)


def test_a_lowered_budget_prolongs_nothing() -> None:
    assert outlook(9, outlook(10.25, None)).ends == at(0.25)


def test_a_second_server_ends_the_first_earlier_without_notice() -> None:
    before = outlook(12, None)
    faster = Account(Budget(12, "total"), (ran(-10, None), ran(0, None, 7.0)))
    assert look_again(before, faster, NOW).ends == at(0.25)


@pytest.mark.parametrize(
    ("left", "due"),
    [(1801.0, None), (1800.0, 1800.0), (601.0, 1800.0), (600.0, 600.0), (1.0, 600.0), (0.0, None)],
)
def test_warnings(left: float, due: float | None) -> None:
    assert warning_due(left) == due
