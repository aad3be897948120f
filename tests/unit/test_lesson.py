"""What the first lesson proves about a server."""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli import lesson
from cli.errors import Problem
from cli.lesson import Facts, Promise


def notebook(*cells, kind="notebook"):
    return {"type": kind, "content": {"cells": [{"cell_type": k, "source": s} for k, s in cells]}}


def test_code_cells_in_order_without_text_and_blanks():
    model = notebook(
        ("markdown", "# A"), ("code", "a = 1"), ("code", " \n"), ("code", ["b", "= 2"])
    )

    assert lesson.code_cells(model) == ["a = 1", "b= 2"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        pytest.param({"type": "file", "content": "x"}, "no notebook", id="a file"),
        pytest.param({"type": "notebook", "content": None}, "no notebook", id="no content"),
        pytest.param(notebook(("markdown", "# A")), "no code", id="only text"),
    ],
)
def test_what_is_no_lesson_is_told_with_a_remedy(model, words):
    with pytest.raises(Problem, match=words) as caught:
        lesson.code_cells(model)
    assert "room-smoke-2" in caught.value.remedy


@pytest.mark.parametrize(
    ("losses", "ok"),
    [
        pytest.param([1.0, 0.1], True, id="falls"),
        pytest.param([2.0 - i / 100 for i in range(100)], True, id="falls slowly"),
        pytest.param([1.0, 0.95], False, id="falls too little"),
        pytest.param([0.1, 1.0], False, id="rises"),
        pytest.param([0.5] * 100, False, id="stays"),
        pytest.param([1.0, math.nan], False, id="not a number"),
        pytest.param([1.0, math.inf], False, id="infinite"),
        pytest.param([1.0], False, id="only one"),
        pytest.param([], False, id="none"),
    ],
)
def test_loss(losses, ok):
    assert lesson.judge_loss(losses).ok is ok


def test_loss_is_told_in_numbers():
    assert lesson.judge_loss([2.0, 1.0, 0.5]).words == "2.000 → 0.500 in 3 steps"


CPU = Facts((), "cpu", (), (), ())
CARD = Facts((), "cuda", ("H200",), ("/dev/nvidia0",), ("GPU-1",))
SIMULATED = Facts((), "cpu", (), ("/dev/nvidia2",), ("GPU-2",))


@pytest.mark.parametrize(
    ("promise", "seen", "ok"),
    [
        pytest.param(Promise(0), CPU, True, id="cpu"),
        pytest.param(Promise(0, simulated=True), CPU, True, id="cpu where GPUs are simulated"),
        pytest.param(Promise(0), CARD, False, id="cpu profile with a GPU"),
        pytest.param(Promise(0), SIMULATED, False, id="cpu profile with a node"),
        pytest.param(
            Promise(0), Facts((), "cuda", ("H200",), (), ()), False, id="cpu profile that computes"
        ),
        pytest.param(Promise(1), CARD, True, id="gpu"),
        pytest.param(Promise(1), CPU, False, id="gpu profile without a GPU"),
        pytest.param(Promise(1), SIMULATED, False, id="gpu that computes nothing"),
        pytest.param(
            Promise(1), Facts((), "cpu", ("H200",), ("n",), ("u",)), False, id="trained beside it"
        ),
        pytest.param(
            Promise(1), Facts((), "cuda", ("a", "b"), ("n", "m"), ("u",)), False, id="one too many"
        ),
        pytest.param(Promise(2), CARD, False, id="one too few"),
        pytest.param(Promise(1, simulated=True), SIMULATED, True, id="simulated gpu"),
        pytest.param(Promise(1, simulated=True), CPU, False, id="simulated gpu without a node"),
    ],
)
def test_device(promise, seen, ok):
    assert lesson.judge_device(promise, seen).ok is ok


def test_a_bad_verdict_demanded_is_a_problem_and_a_good_one_its_words():
    assert lesson.Verdict(True, "fine").demand() == "fine"
    with pytest.raises(Problem, match=r"^Not so\.$") as caught:
        lesson.Verdict(False, "not so", "do this").demand()
    assert caught.value.remedy == "do this"


def test_probe_says_what_the_lesson_left_behind(monkeypatch):
    """The probe runs in a student's kernel: here in a namespace of the same shape."""
    cuda = SimpleNamespace(
        is_available=lambda: True, device_count=lambda: 1, get_device_name=lambda i: "H200"
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    monkeypatch.setenv("ROOM_GPU_UUIDS", "GPU-1,GPU-2")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(lesson.PROBE, {"losses": [1, 0.5], "device": "cuda"})

    seen = lesson.facts("lesson's own output\n" + printed.getvalue())
    assert (seen.losses, seen.device, seen.cuda) == ((1.0, 0.5), "cuda", ("H200",))
    assert seen.uuids == ("GPU-1", "GPU-2")


def test_the_next_start_gives_the_lesson_anew(tmp_path, monkeypatch):
    from server.examples import give

    image, home = tmp_path / "image", tmp_path / "home"
    (image / Path(lesson.PATH).name).parent.mkdir()
    (image / Path(lesson.PATH).name).write_text("new")
    give(image, home)
    (home / lesson.PATH).write_text("old")
    monkeypatch.setenv("HOME", str(home))
    exec(lesson.FORGET, {})
    give(image, home)

    assert (home / lesson.PATH).read_text() == "new"


def test_probe_that_says_nothing_is_a_problem():
    with pytest.raises(Problem, match="did not say"):
        lesson.facts(json.dumps({"losses": []}))
