"""What the agent counts of containers: what it sees, what it does not, and how often it looks."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import accounting as agent_accounting
from agent.accounting import KEEP, Accountant
from room import accounting
from room.accounting import DAYS, EVERY, GAP, LEAST, STEP, Count, Look, Reading

NOON = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
SHANGHAI = ZoneInfo("Asia/Shanghai")
GIB = 1024**3


def after(seconds: float, cpu: float = 0.0, memory: int | None = None) -> Look:
    return Look(NOON + timedelta(seconds=seconds), seconds, cpu, memory)


def counted(*looks: Look) -> Count:
    count = accounting.begin("c1", "1@boot", "epoch", looks[0])
    for look in looks[1:]:
        count = accounting.step(count, look, SHANGHAI)
    return count


@pytest.mark.parametrize(
    ("looks", "cpu", "memory", "seen"),
    [
        pytest.param([after(0, 3.5, GIB)], 3.5, 0, 0, id="first"),
        pytest.param([after(0, 0, GIB), after(2, 1, GIB)], 1, 2 * GIB, 2, id="level"),
        pytest.param([after(0, 0, 0), after(2, 0, GIB)], 0, GIB, 2, id="grows"),
        pytest.param(
            [after(0, 0, GIB), after(1, 4), after(2, 5, GIB)], 5, 2 * GIB, 2, id="cpu-in-between"
        ),
        pytest.param([after(0, 0, GIB), after(2, 7)], 7, 0, 0, id="cpu-alone"),
        pytest.param(
            [after(0, 0, GIB), after(GAP, 0, GIB)], 0, GAP * GIB, GAP, id="as-late-as-is-believed"
        ),
        pytest.param(
            [after(0, 0, GIB), after(GAP + 1, 9, GIB), after(GAP + 3, 10, GIB)],
            10, 2 * GIB, 2, id="a-gap-is-not-made-up",
        ),
        pytest.param([after(0, 1), after(2, 2)], 2, 0, 0, id="memory-is-never-told"),
    ],
)  # fmt: skip
def test_what_looks_add_up_to(looks: list[Look], cpu: float, memory: float, seen: float) -> None:
    reading = counted(*looks).reading
    assert (reading.cpu, reading.memory, reading.seen) == (cpu, memory, seen)
    assert reading.at == looks[-1].at


def test_the_last_reading_of_each_day_is_kept_for_who_was_away() -> None:
    # Midnight in Shanghai is 16:00 UTC.
    late = 4 * 3600
    count = counted(after(0), after(late - 1, 10), after(late + 1, 11), after(late + 5, 12))
    assert [each.cpu for each in count.days] == [10]
    days = [after(day * 86400, day) for day in range(DAYS + 5)]
    kept = [each.cpu for each in counted(*days).days]
    assert kept == list(range(4, DAYS + 4))


@pytest.mark.parametrize(
    ("pace", "seconds"),
    [
        pytest.param(0.0, EVERY, id="nothing"),
        pytest.param(0.003, EVERY, id="idle"),
        pytest.param(1.0, STEP, id="one-core"),
        pytest.param(10.0, STEP / 10, id="ten-cores"),
        pytest.param(1000.0, LEAST, id="more-than-can-be-followed"),
    ],
)
def test_who_computes_is_looked_at_more_often(pace: float, seconds: float) -> None:
    assert accounting.pause(replace(counted(after(0)), pace=pace)) == seconds


@given(
    st.lists(
        st.builds(
            Reading,
            st.text(max_size=5),
            st.text(max_size=5),
            st.text(max_size=5),
            st.datetimes(timezones=st.just(timezone.utc)),
            *(st.floats(0, 1e15) for _ in range(3)),
        )
    )
)
def test_what_the_agent_says_is_what_the_hub_hears(readings: list[Reading]) -> None:
    assert list(accounting.loads(json.dumps(accounting.as_dict(readings)))) == readings


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"readings": [{}]}', '{"readings": [1]}'])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        accounting.loads(text)


# -- the agent's own ---------------------------------------------------------------------------


@dataclass
class Host:
    """Containers that use so many cores each; the clock moves only when a test moves it."""

    seconds: float = 100.0
    groups: dict[str, FakeGroup] = field(default_factory=dict)
    file: Path | None = None

    def __post_init__(self) -> None:
        self.accountant = Accountant(
            lambda: list(self.groups.values()),
            SHANGHAI,
            self.file,
            boot="boot",
            now=lambda: NOON + timedelta(seconds=self.seconds),
            clock=lambda: self.seconds,
        )

    def run(self, container: str, cores: float, memory: int = GIB) -> FakeGroup:
        group = FakeGroup(container, 1000 + len(self.groups), self, cores, self.seconds, memory)
        self.groups[f"{container}{group.number}"] = group
        return group

    def end(self, group: FakeGroup) -> float:
        """Let a container end now; return what it has used."""
        used = group.used
        group.gone = True
        self.groups = {name: each for name, each in self.groups.items() if each is not group}
        return used

    def look(self) -> None:
        """Let the agent look once, and wait until the next look is due."""
        self.seconds += self.accountant.look()

    def until(self, seconds: float) -> None:
        end = self.seconds + seconds
        while True:
            wait = self.accountant.look()
            if self.seconds + wait >= end:
                break
            self.seconds += wait
        self.seconds = end

    def told(self) -> dict[str, Reading]:
        return {each.container: each for each in self.accountant.readings()}


@dataclass
class FakeGroup:
    container: str
    number: int
    host: Host
    cores: float
    began: float
    held: int
    gone: bool = False
    reads: int = 0

    @property
    def used(self) -> float:
        return self.cores * (self.host.seconds - self.began)

    def cpu(self) -> float | None:
        self.reads += 1
        return None if self.gone else self.used

    def memory(self) -> int | None:
        return None if self.gone else self.held


@pytest.mark.parametrize("cores", [0.001, 0.2, 1.0, 7.5, 24.0])
def test_of_who_ends_no_more_is_lost_than_said(cores: float) -> None:
    host = Host()
    group = host.run("c1", cores)
    host.until(30.1)
    used = host.end(group)
    host.until(5)
    lost = used - host.told()["c1"].cpu
    assert 0 <= lost <= STEP + 0.01
    assert group.reads <= 30.1 * max(1 / EVERY, cores / STEP) * 1.5 + 20


def test_one_that_goes_while_it_is_due_is_not_looked_at_for_ever() -> None:
    host = Host()
    group = host.run("c1", 8.0)
    host.until(10)
    group.gone = True
    looks, began = group.reads, host.seconds
    for _ in range(6):
        host.look()
    assert group.reads - looks <= 6
    assert host.seconds - began >= 2, "one that is still listed is tried with each list"
    assert host.told()["c1"].cpu > 70


def test_one_that_ends_soon_is_counted_too() -> None:
    host = Host()
    host.until(10)
    group = host.run("c1", 1.0)
    host.until(1.2)
    used = host.end(group)
    host.until(EVERY)
    assert 0 <= used - host.told()["c1"].cpu <= STEP


def test_one_that_ended_is_told_of_for_a_day() -> None:
    host = Host()
    host.look()
    host.end(host.run("never-seen", 1.0))
    group = host.run("c1", 1.0)
    host.until(10)
    host.end(group)
    host.until(EVERY)
    assert host.accountant.cpu(["c1"]) == host.accountant.memory(["c1"]) == {}
    host.seconds += KEEP - 10
    host.look()
    assert set(host.told()) == {"c1"}
    host.seconds += 20
    host.look()
    assert host.told() == {}


def test_of_too_many_that_ended_the_latest_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_accounting, "MOST", 3)
    host = Host()
    for number in range(5):
        group = host.run(f"c{number}", 0.1)
        host.until(EVERY)
        host.end(group)
    host.until(EVERY)
    assert set(host.told()) == {"c2", "c3", "c4"}


def test_one_that_is_started_again_is_another_life() -> None:
    host = Host()
    group = host.run("c1", 1.0)
    host.until(10)
    host.end(group)
    host.run("other", 0.0)
    host.run("c1", 0.5)
    host.until(10)
    lives = [each for each in host.accountant.readings() if each.container == "c1"]
    assert len({each.life for each in lives}) == 2
    assert sorted(each.cpu for each in lives) == pytest.approx([5, 10], abs=STEP)


def test_what_runs_is_told_to_those_who_ask_for_it() -> None:
    host = Host()
    host.run("c1", 0.5, 3 * GIB)
    host.until(4)
    told = host.accountant.cpu(["c1", "c2"])
    assert told.keys() == {"c1"}
    assert told["c1"] == pytest.approx(2, abs=1)
    assert host.accountant.memory(["c1", "c2"]) == {"c1": 3 * GIB}
    assert host.told()["c1"].memory == pytest.approx(2 * 3 * GIB)


def test_an_agent_that_is_told_to_end_leaves_its_readings_to_the_next(tmp_path: Path) -> None:
    file = tmp_path / "accounting.json"
    host = Host(file=file)
    ends, goes_on = host.run("ends", 1.0), host.run("goes-on", 0.5)
    host.until(10)
    host.accountant.stop()
    left = host.told()
    host.end(ends)
    following = Host(seconds=host.seconds + 1, file=file)
    following.groups = {"goes-on": goes_on}
    following.look()
    told = following.accountant.readings()
    assert [each for each in told if each.container == "ends"] == [left["ends"]]
    before, now = (each for each in told if each.container == "goes-on")
    assert (before, before.life) == (left["goes-on"], now.life)
    assert before.epoch != now.epoch
    following.seconds += KEEP
    following.look()
    assert {each.epoch for each in following.accountant.readings()} == {now.epoch}


@pytest.mark.parametrize("text", [None, "", "{", '{"readings": [1]}'])
def test_what_was_left_broken_is_nothing(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "accounting.json"
    if text is not None:
        file.write_text(text)
    assert Host(file=file).accountant.readings() == []
    Host(file=tmp_path / "nowhere" / "accounting.json").accountant.stop()


def test_epochs_differ_and_lives_do_not() -> None:
    host, other = Host(), Host()
    host.run("c1", 1.0)
    other.groups = host.groups
    host.until(1)
    other.until(1)
    (one,), (two,) = host.accountant.readings(), other.accountant.readings()
    assert one.life == two.life == "1000@boot"
    assert one.epoch != two.epoch
