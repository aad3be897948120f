"""What a rehearsal's figures come to, where they are drawn, and that they are kept as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.rehearsal import figures, model, plots
from room.rehearsal.figures import Spread
from room.rehearsal.model import Cell, Start
from room.rehearsal.shelf import Shelf
from tests.utils.rehearsed import MIB, REHEARSAL, STAGES


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        pytest.param([], None, id="none"),
        pytest.param([None], None, id="nothing-known"),
        pytest.param([2.0], Spread(1, 2.0, 2.0, 2.0), id="one"),
        pytest.param([3.0, 1.0, None, 2.0], Spread(3, 2.0, 3.0, 3.0), id="three-and-an-unknown"),
        pytest.param(range(1, 101), Spread(100, 50, 95, 100), id="a-hundred"),
        pytest.param(range(1, 31), Spread(30, 15, 29, 30), id="thirty"),
    ],
)
def test_percentiles_are_figures_that_were_measured(numbers, found) -> None:
    assert figures.spread(numbers) == found


def test_cells_that_failed_are_counted_with_the_first_words() -> None:
    first, second = figures.cells(REHEARSAL)
    assert (first.failed, first.error) == (0, "")
    assert (second.failed, second.error) == (1, "ZeroDivisionError: <b>by zero")
    assert second.seconds == Spread(3, 4.0, 6.0, 6.0)


def test_a_cell_that_nobody_came_to_has_no_time() -> None:
    stopped = tuple(replace(each, cells=(Cell(1.0),)) for each in REHEARSAL.students)
    assert figures.cells(replace(REHEARSAL, students=stopped))[1].seconds is None


def test_stages_come_in_the_order_of_a_start() -> None:
    assert [stage for stage, _ in figures.starts(REHEARSAL.students)] == list(STAGES)


@pytest.mark.parametrize(
    ("queued", "waited"), [pytest.param(False, 0.5, id="turn"), pytest.param(True, 9.5, id="gpu")]
)
def test_finding_a_gpu_is_waiting_only_for_who_was_in_the_queue(queued, waited) -> None:
    start = Start({**STAGES, "gpu": 9.0}, 12.0, 13.0, queued)
    assert start.waited == pytest.approx(waited)


def test_what_is_kept_is_read_back_as_it_was() -> None:
    assert model.loads(model.dumps(REHEARSAL, summary={"more": 1})) == REHEARSAL
    nobody = replace(REHEARSAL, students=(replace(REHEARSAL.students[0], start=None),), looks=())
    assert model.loads(model.dumps(nobody)) == nobody


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "students": 3}'], ids=range(5)
)
def test_what_is_no_rehearsal_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r".+"):
        model.loads(text)


# -- plots -------------------------------------------------------------------------------------


@given(st.floats(0.001, 1e9))
def test_ticks_are_round_rise_and_reach_the_most(most) -> None:
    ticks = plots.ticks(most)
    assert ticks[0] == 0
    assert ticks == sorted(set(ticks))
    assert ticks[-1] >= most * 0.998
    assert 2 <= len(ticks) <= 12


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=40))
def test_nothing_is_drawn_outside_the_plot(times) -> None:
    students = tuple(
        replace(REHEARSAL.students[0], number=place, start=Start({}, ready, ready + 1.0))
        for place, ready in enumerate(times, 1)
    )
    plot = plots.starts(replace(REHEARSAL, students=students))
    assert plot is not None
    assert len(plot.dots) == 2 * len(times)
    for dot in plot.dots:
        assert plots.LEFT <= dot.x <= plots.RIGHT
        assert plots.TOP <= dot.y <= plots.BOTTOM


def test_a_bar_is_as_high_as_its_figure_and_shared_memory_is_inside_it() -> None:
    plot = plots.peaks(REHEARSAL)
    assert plot is not None
    memory, shm = plot.bars[:2]
    assert (memory.kind, shm.kind) == ("memory", "shm")
    assert memory.height / shm.height == pytest.approx(600 / 64, rel=0.02)
    (limit,) = plot.level
    assert limit.at == plots.TOP  # 4 GiB, the last tick
    assert limit.text == "4 GiB"


@pytest.mark.parametrize("draw", [plots.starts, plots.memory, plots.busy, plots.peaks])
def test_without_figures_there_is_no_plot(draw) -> None:
    assert draw(replace(REHEARSAL, students=(), looks=())) is None


# -- the shelf ---------------------------------------------------------------------------------


def keep(shelf: Shelf, **changed) -> None:
    made = replace(REHEARSAL, **changed)
    shelf.keep(made, model.dumps(made), {"en": "<p>Hello", "zh_CN": "<p>你好"})


def test_a_class_has_its_own_rehearsals_the_newest_first(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    later = "20261128-090000-0a1b2c"
    keep(shelf)
    keep(shelf, id=later)
    keep(shelf, id="20261129-090000-0a1b2c", class_name="b")
    assert [each.id for each in shelf.all("a")] == [later, REHEARSAL.id]
    assert shelf.find("a", "20261129-090000-0a1b2c") is None
    assert shelf.report(REHEARSAL, "zh_CN") == "<p>你好"
    assert json.loads(shelf.figures(REHEARSAL))["looks"][1]["students"] == 1900 * MIB


@pytest.mark.parametrize("identity", ["..", "../a", "", "20261127-090000-0a1b2", ".lock"])
def test_what_is_no_name_of_a_rehearsal_is_not_looked_for(tmp_path: Path, identity: str) -> None:
    keep(Shelf(tmp_path))
    assert Shelf(tmp_path).find("a", identity) is None


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    keep(Shelf(tmp_path))
    (tmp_path / REHEARSAL.id / "figures.json").write_text("{")
    (tmp_path / "under-way.json").write_text("{}")
    assert Shelf(tmp_path).all("a") == []
    assert Shelf(tmp_path / "missing").all("a") == []
