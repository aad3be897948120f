"""The benchmarks' arithmetic: turns, rows, targets and the README's table. Nothing is timed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from bench import bars, boot, class_start, harness, hub_costs, many_starts, report
from bench.class_start import Storm
from bench.hub_costs import Costs
from bench.seats import Times
from bench.stub_hubs import Starts
from cli.errors import Problem

MACHINE = {
    "processor": "Some CPU",
    "cores": 2,
    "memory_gib": 23.5,
    "kernel": "6.1",
    "engine": "26.1.5",
    "python": "3.11.7",
    "load_before": 0.1,
    "packages": {"jupyterhub": "6.1.1"},
}


def test_everyone_is_first_and_last_equally_often():
    rounds = list(harness.turns(["ours", "peer", "limit"], 6))

    for place in (0, 1, 2):
        assert Counter(order[place] for order in rounds) == {"ours": 2, "peer": 2, "limit": 2}
    assert {tuple(order) for order in rounds} == {tuple(order) for order in rounds[:6]}
    assert len({tuple(order) for order in rounds}) == 6


def row(ours=(2.0,), peer=(4.0,), limit=(1.0,), **more):
    runs = {"ours": ours, "peer": peer, "limit": limit}
    return harness.summarize("a start", "s", runs, MACHINE, **more)


def test_row_has_medians_and_how_many_times_the_peer_takes_longer():
    made = row(ours=(1.0, 9.0, 2.0), peer=(4.0, 6.0))

    assert (made.ours, made.peer, made.ratio) == (2.0, 5.0, 2.5)
    assert made.runs["ours"] == [1.0, 9.0, 2.0]


@pytest.mark.parametrize(
    ("more", "target", "met"),
    [
        pytest.param({"times_limit": 2.0}, 2.0, True, id="a multiple of the floor, met"),
        pytest.param({"times_limit": 1.9}, 1.9, False, id="a multiple of the floor, missed"),
        pytest.param({"target": 2.5}, 2.5, True, id="a figure"),
        pytest.param({"target": 2.0, "ours": (1, 3), "of": max}, 2.0, False, id="the worst"),
        pytest.param({}, None, None, id="none"),
        pytest.param({"limit": (), "times_limit": 2.0}, None, None, id="no floor to multiply"),
        pytest.param({"ours": (), "target": 1.0}, 1.0, None, id="no figure of ours"),
    ],
)
def test_target(more, target, met):
    made = row(**more)
    assert (made.target, made.met) == (target, met)


def test_nothing_of_ours_to_divide_by_gives_no_ratio():
    assert row(ours=(0.0,), peer=(3.0,)).ratio is None


def test_class_start_counts_failures_and_times_only_who_got_there():
    ones = {who: [Storm([Times(1.0, 2.0)], cpu=3.0)] for who in ("ours", "peer", "limit")}
    good = Storm([Times(1.0, 2.0), Times(2.0, 4.0), Times(3.0, 9.0)])
    bad = Storm([Times(5.0, 6.0)], ["too slow", "too slow"])
    none = Storm([], ["too slow"] * 3)
    many = {"ours": [good], "peer": [bad, none], "limit": [good]}

    made = {r.name: r for r in class_start.rows(ones, many, 3, MACHINE)}

    last = made["3 at once, last student until 1+1"]
    assert (last.ours, last.peer, last.runs["peer"]) == (9.0, 6.0, [6.0])
    middle = made["3 at once, median student until 1+1"]
    assert middle.ours == 4.0
    lost = made["3 at once, left without a server in the worst run"]
    assert (lost.ours, lost.peer, lost.runs["peer"], lost.met) == (0.0, 3.0, [2.0, 3.0], True)


@pytest.mark.parametrize(
    ("peer", "floor", "cpu", "one", "many"),
    [
        pytest.param(10.0, 9.0, 9.0, 3.0, 4.0, id="stock decides both"),
        pytest.param(10.0, 2.0, 1.0, 2.8, 1.2, id="the floor and the cores decide"),
    ],
)
def test_class_start_has_to_reach_the_stricter_of_two_targets(peer, floor, cpu, one, many):
    ones = {
        "ours": [Storm([Times(1.0, 1.0)], cpu=cpu)],
        "peer": [Storm([Times(1.0, peer)])],
        "limit": [Storm([Times(1.0, floor)])],
    }
    # Two students on two cores need as long as one takes CPU.
    made = {r.name: r for r in class_start.rows(ones, ones, 2, MACHINE)}

    assert made["one start, until 1+1"].target == pytest.approx(one)
    assert made["2 at once, last student until 1+1"].target == pytest.approx(many)


def test_bars_have_every_contender_with_its_runs_and_the_target(tmp_path):
    runs = {"ours": [1.0, 2.0], "peer": [8.0], "peer, our image": [4.0], "limit": []}
    bars.draw(tmp_path / "a.svg", harness.summarize("a <start>", "s", runs, MACHINE, target=3.0))

    drawn = ElementTree.parse(tmp_path / "a.svg").getroot()
    said = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert said[0] == "a <start>, s"
    assert {"Stock, our image", "target 3.00"} <= set(said)
    assert "Floor" not in said
    wide = [float(r.get("width")) for r in drawn.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert wide == pytest.approx([wide[1] * 1.5 / 8, wide[1], wide[1] / 2], rel=0.01)
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}circle"))) == 4


class Stack:
    """A contender whose seats take no time; some of them fail."""

    def __init__(self, key, failing=0, closes=True):
        self.key, self.failing, self.closes = key, failing, closes
        self.opened = self.closed = False
        self.left = 0

    async def open(self):
        self.opened = True

    async def seats(self, count):
        return [Chair(self, number < self.failing) for number in range(count)]

    def close(self):
        self.closed = True
        if not self.closes:
            raise Problem("it stays")


class Chair:
    def __init__(self, stack, fails):
        self.stack, self.fails = stack, fails

    async def go(self):
        if self.fails:
            raise Problem("no server")
        return Times(0.1, 0.2)

    async def leave(self):
        self.stack.left += 1


def test_a_run_measures_everyone_alike_and_closes_everything(monkeypatch, tmp_path):
    monkeypatch.setattr(class_start, "REST", 0)
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    stacks = [Stack("ours"), Stack("peer", failing=1, closes=False), Stack("limit")]

    made = class_start.measure(stacks, singles=2, storms=1, students=3, say=lambda words: None)

    assert all(stack.closed for stack in stacks)
    assert {stack.left for stack in stacks} == {3 + 2 + 3}
    assert [len(r.runs["ours"]) for r in made] == [2, 2, 2, 1, 1, 1]
    assert made[-1].runs == {"ours": [0.0], "peer": [1.0], "limit": [0.0]}
    assert made[0].machine["packages"]["jupyterhub"]


def test_results_survive_the_file_and_become_a_table(tmp_path):
    rows = [row(ours=(2.0, 2.5), times_limit=2.0), row(peer=(), ours=(1.0,))]
    path = harness.write("class_start", rows, tmp_path / "results")

    keys = ["name", "unit", "ours", "peer", "limit", "ratio", "target", "met", "runs", "machine"]
    assert [list(found) for found in json.loads(path.read_text())] == [keys] * 2
    assert report.table(report.load(tmp_path / "results")).splitlines()[2:] == [
        "| a start | 2.25 s (2.00 to 2.50) | 4.00 s | - | 1.00 s | 1.78 | ≤ 2.00 s | no |",
        "| a start | 1.00 s | - | - | 1.00 s | - | - | - |",
        "",
        "Measured on 2 cores of Some CPU, 24 GiB, Docker Engine 26.1.5, Python 3.11.7, "
        "jupyterhub 6.1.1; load before the run 0.1.",
    ]


def test_without_results_the_table_says_how_to_get_some(tmp_path):
    assert "make bench" in report.table(report.load(tmp_path))


def test_table_goes_between_the_marks_and_nowhere_else(tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")

    assert report.main(["--write", str(readme)]) == 0
    lines = readme.read_text().splitlines()
    assert (lines[0], lines[1], lines[-2], lines[-1]) == (
        "before",
        report.BEGIN,
        report.END,
        "after",
    )
    assert "old" not in lines

    readme.write_text("no marks")
    assert report.main(["--write", str(readme)]) == 1
    assert "no marks" in capsys.readouterr().err


def test_a_boots_target_is_a_share_of_the_peers_median() -> None:
    slow, fast = boot.Cost(2.0, 3.0, 1.0, 2.0), boot.Cost(0.5, 1.0, 0.3, 0.6)
    rows = boot.rows({"ours": [fast], "peer": [slow, slow], "other": [slow]})
    assert [row.target for row in rows] == [0.6, 0.9, 0.3, 0.6]
    assert [row.met for row in rows] == [True, False, True, True]
    assert rows[0].runs["other"] == [2.0]


def test_many_starts_counts_who_was_refused_and_who_failed():
    starts = {
        "ours": Starts([1.0, 2.0, 4.0], [], []),
        "peer": Starts([8.0], ["429 too many"], ["it ended"]),
    }

    made = {r.name.split(", ")[1]: r for r in many_starts.rows(3, starts, MACHINE)}

    assert (made["refused"].ours, made["refused"].peer, made["refused"].met) == (0.0, 1.0, True)
    assert (made["failed"].ours, made["failed"].peer) == (0.0, 1.0)
    last = made["seconds of the last who got one"]
    assert (last.ours, last.peer) == (4.0, 8.0)


def test_hub_costs_are_those_of_servers_and_not_of_the_hub_alone():
    costs = Costs(
        restart_none=[2.0, 2.0],
        restart_all=[2.0, 3.0],
        restart_cpu_none=[1.0],
        restart_cpu_all=[1.1],
        idle_none=10.0,
        idle_all=13.0,
        memory=100 * 1024**2,
        start_calls=4.0,
        idle_calls=0.0,
        pages={"the page": [0.1]},
    )
    stock = replace(costs, idle_all=40.0, idle_calls=120.0)

    made = hub_costs.rows({"ours": costs, "peer": stock}, 300, MACHINE)
    found = {row.name: row for row in made}

    cpu = found["hub CPU of an idle user-hour, 300 servers"]
    assert (cpu.ours, cpu.peer, cpu.target, cpu.met) == (10.0, 100.0, 20.0, True)
    grown = found["hub restart with 300 servers, times one with none"]
    assert (grown.ours, grown.runs["ours"], grown.met) == (1.25, [1.0, 1.5], False)
    calls = found["engine calls of a start, and after it"]
    assert (calls.ours, calls.target, calls.met) == (4.0, 3, False)


def test_lists_of_all_are_no_calls_of_a_server():
    calls = [
        "GET /containers/json?all=1",
        "GET /events?x",
        "GET /version",
        "GET /containers/a/json",
    ]
    assert hub_costs._of_servers(calls) == ["GET /containers/a/json"]
