"""Limits as people write them, budgets, and until when something holds."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.plans import until
from room.plans.budget import MAX_HOURS, NO_BUDGET, WINDOWS, Budget, parse, window
from room.plans.keys import KEYS, key
from room.plans.model import ROOM, Subject, subject

GIB = 1024**3
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)


@pytest.mark.parametrize(
    ("name", "text", "value", "written"),
    [
        ("cpu", "2", 2.0, "2"),
        ("cpu", "0.5", 0.5, "0.5"),
        ("cpu", 1.5, 1.5, "1.5"),
        ("cpu", "none", math.inf, "none"),
        ("memory", "10GiB", 10 * GIB, "10G"),
        ("memory", "10 GB", 10 * GIB, "10G"),
        ("memory", 10 * GIB, 10 * GIB, "10G"),
        ("memory", "1.5G", 3 * GIB // 2, "1536M"),
        ("home_hard", "none", math.inf, "none"),
        ("servers", "0", 0, "0"),
        ("gpus", 3, 3, "3"),
        ("session", "1h30m", 5400, "90m"),
        ("idle", "none", math.inf, "none"),
        ("profiles", "gpu, cpu", frozenset({"cpu", "gpu"}), "cpu, gpu"),
        ("profiles", ["cpu"], frozenset({"cpu"}), "cpu"),
        ("profiles", "any", None, "any"),
        ("images", "torchroom/pytorch:*", frozenset({"torchroom/pytorch:*"}), None),
        ("gpu_kinds", "seat,1g.10gb", frozenset({"seat", "1g.10gb"}), "1g.10gb, seat"),
        ("gpu_hours", "20/week", Budget(20), "20/week"),
        ("gpu_hours", "20h per week", Budget(20), "20/week"),
        ("gpu_hours", "20/week@thu", Budget(20, "week", 3), "20/week@thursday"),
        ("gpu_hours", "100/month@15", Budget(100, "month", 15), "100/month@15"),
        ("gpu_hours", "8/day", Budget(8, "day"), "8/day"),
        ("gpu_hours", "300", Budget(300, "total"), "300"),
        ("gpu_hours", 300, Budget(300, "total"), "300"),
        ("gpu_hours", "0/week", Budget(0), "0/week"),
        ("gpu_hours", "none", NO_BUDGET, "none"),
        ("priority", "2.5", 2.5, "2.5"),
    ],
)
def test_a_limit_is_read_and_written_back(
    name: str, text: object, value: object, written: str | None
) -> None:
    assert KEYS[name].parse(text) == value
    assert KEYS[name].text(value) == (written or text)
    assert KEYS[name].parse(KEYS[name].text(value)) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cpu", "-1"),
        ("cpu", "0"),
        ("cpu", "nan"),
        ("cpu", math.nan),
        ("cpu", "1e309"),
        ("cpu", math.inf),
        ("cpu", "inf"),
        ("cpu", True),
        ("cpu", ""),
        ("cpu", "2 cores"),
        ("cpu", "\u0661"),
        ("memory", "-1G"),
        ("memory", "10 XB"),
        ("memory", "1M"),
        ("memory", math.nan),
        ("memory", "9999999T"),
        ("memory", None),
        ("pids", "1.5"),
        ("pids", "15"),
        ("servers", "2.5"),
        ("gpus", "-1"),
        ("gpus", "1e3"),
        ("session", "8x"),
        ("session", "1m"),
        ("session", math.inf),
        ("gpu_hours", "-3/week"),
        ("gpu_hours", "20/fortnight"),
        ("gpu_hours", "20/total"),
        ("gpu_hours", "20/week@noday"),
        ("gpu_hours", "20/month@31"),
        ("gpu_hours", "20/month@0"),
        ("gpu_hours", "20/day@monday"),
        ("gpu_hours", "none/week"),
        ("gpu_hours", "1e309/week"),
        ("gpu_hours", "9" * 400),
        ("gpu_hours", math.nan),
        ("gpu_hours", math.inf),
        ("profiles", ""),
        ("profiles", []),
        ("profiles", "a b"),
        ("profiles", [1]),
        ("profiles", "<b>"),
        ("images", "a b"),
    ],
)
def test_what_is_no_limit_is_refused_with_its_name_and_the_rule(name: str, text: object) -> None:
    with pytest.raises(ValueError, match=f"^{name}: ") as refused:
        KEYS[name].parse(text)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("text", ["-5", "+-5", "0", "none", "+none", "much", "", "+5/week"])
def test_a_grant_only_gives(text: str) -> None:
    for name in ("gpu_hours", "gpus", "memory"):
        with pytest.raises(ValueError, match=f"^{name}: "):
            KEYS[name].amount(text)


def test_of_names_nothing_is_granted() -> None:
    with pytest.raises(ValueError, match="set it instead"):
        KEYS["profiles"].amount("+gpu")
    assert KEYS["gpu_hours"].amount("+5") == Budget(5, "total")
    assert KEYS["home_hard"].amount("2G") == 2 * GIB


def test_a_name_that_is_no_limit_says_which_is_near() -> None:
    assert key("GPU-hours") is KEYS["gpu_hours"]
    with pytest.raises(ValueError, match="did you mean memory"):
        key("memmory")
    with pytest.raises(ValueError, match="there are cpu, memory"):
        key("zzz")


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("room", ROOM),
        ("class/ML101", Subject("class", "ml101")),
        ("user/Alice", Subject("user", "alice")),
        ("alice", Subject("user", "alice")),
        ("user/room", Subject("user", "room")),
    ],
)
def test_whom_a_text_means(text: str, who: Subject) -> None:
    assert subject(text) == who
    assert subject(str(who)) == who


@pytest.mark.parametrize("text", ["", "class/", "group/x", "user/a/b", "a b", "class/../x", "/x"])
def test_who_is_nobody(text: str) -> None:
    with pytest.raises(ValueError, match=r"is nobody|is no login|is no class"):
        subject(text)


@pytest.mark.parametrize(
    ("budget", "moment", "begins", "ends"),
    [
        ("8/day", "2026-11-26T12:00", "2026-11-26T00:00", "2026-11-27T00:00"),
        ("8/week", "2026-11-26T12:00", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("8/week", "2026-11-23T00:00", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("8/week@fri", "2026-11-26T12:00", "2026-11-20T00:00", "2026-11-27T00:00"),
        ("8/month", "2026-11-26T12:00", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("8/month@28", "2026-11-26T12:00", "2026-10-28T00:00", "2026-11-28T00:00"),
        ("8/month@15", "2026-12-20T12:00", "2026-12-15T00:00", "2027-01-15T00:00"),
        ("8/month@15", "2027-01-02T12:00", "2026-12-15T00:00", "2027-01-15T00:00"),
        # The day on which clocks go back has 25 hours.
        ("8/day", "2026-10-25T12:00", "2026-10-25T00:00", "2026-10-26T00:00"),
    ],
)
def test_a_window_begins_at_midnight_by_the_zone_s_clocks(
    budget: str, moment: str, begins: str, ends: str
) -> None:
    found = window(parse(budget), at(moment, "Europe/Berlin"), BERLIN)
    assert found == (at(begins, "Europe/Berlin"), at(ends, "Europe/Berlin"))


@given(
    st.sampled_from(WINDOWS),
    st.integers(0, 28),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(timezone.utc)),
)
def test_windows_follow_each_other_without_a_gap(name: str, reset: int, moment: datetime) -> None:
    budget = Budget(1, name, {"week": reset % 7, "month": max(1, reset)}.get(name, 0))  # type: ignore[arg-type]
    begins, ends = window(budget, moment, BERLIN)
    assert begins <= moment < ends
    if name != "total":
        assert window(budget, ends, BERLIN)[0] == ends


@given(st.sampled_from(WINDOWS), st.integers(0, int(MAX_HOURS)), st.integers(0, 28))
def test_a_budget_s_text_means_the_budget(name: str, hours: int, reset: int) -> None:
    valid = {"week": reset % 7, "month": max(1, reset)}.get(name, 0)
    budget = Budget(float(hours), name, valid)  # type: ignore[arg-type]
    assert parse(str(budget)) == budget


NOW = at("2026-11-26T15:00")  # a Thursday


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("friday", "2026-11-28T00:00"),
        ("thu", "2026-11-27T00:00"),
        ("wednesday", "2026-12-03T00:00"),
        ("today", "2026-11-27T00:00"),
        ("Tomorrow", "2026-11-28T00:00"),
        ("2027-02-15", "2027-02-16T00:00"),
        ("2027-02-15 18:00", "2027-02-15T18:00"),
        ("12h", "2026-11-27T03:00"),
        ("3d", "2026-11-29T15:00"),
        ("2w", "2026-12-10T15:00"),
    ],
)
def test_until_when(text: str, ends: str) -> None:
    assert until.parse(text, NOW, timezone.utc) == at(ends)


def test_a_day_ends_at_the_zone_s_midnight() -> None:
    assert until.parse("today", NOW, BERLIN) == at("2026-11-26T23:00")


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-11-25", "2026-11-26 14:00", "2026-02-30", "0h", "-3d", "99999d", "25:00"],
)
def test_what_says_no_time_or_one_that_is_over(text: str) -> None:
    with pytest.raises(ValueError, match=r"over already|says no time"):
        until.parse(text, NOW, timezone.utc)
