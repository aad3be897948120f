"""A rehearsal's page of its own: in both languages, of everything that may be missing, and safe."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timezone

import pytest

from cli.rehearsal import report
from room.languages import LANGUAGES
from room.rehearsal.model import Limits, Peaks
from tests.utils.rehearsed import GIB, HOST, REHEARSAL

GPUS = replace(HOST, gpus=4, gpus_each=1)
ALONE = replace(REHEARSAL.students[0], start=None, cells=(), peaks=Peaks(), cpu=None, problem="No")
WHICH = {
    "as it is": REHEARSAL,
    "nobody came": replace(REHEARSAL, students=(ALONE,), looks=(), cells=(), limits=Limits()),
    "simulated GPUs": replace(REHEARSAL, host=replace(GPUS, simulated=True)),
    "GPUs": replace(
        REHEARSAL,
        host=replace(GPUS, cards=4, gpu_memory=80 * GIB),
        students=tuple(
            replace(each, peaks=replace(each.peaks, gpu=5 * GIB, killed=1))
            for each in REHEARSAL.students
        ),
    ),
    "spread, with datasets": replace(REHEARSAL, spread=300.0, datasets=("cats@2",), lesson=2700.0),
}


def page(rehearsal, language="en"):
    return report.page(rehearsal, language, timezone.utc)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("which", WHICH)
def test_there_is_a_page_of_whatever_was_measured(which, language):
    text = page(WHICH[which], language)
    assert f'<html lang="{LANGUAGES[language][0]}">' in text
    # Nothing is loaded from anywhere, and nothing runs.
    assert not re.search(
        r"<script|<link|<img|\bsrc=|https?://(?!www\.w3\.org)|url\(|\bon\w+=", text
    )
    # Every plot says what it is to who cannot see it.
    svgs = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert all("<title" in svg and "<desc" in svg for svg in svgs)
    assert len(set(re.findall(r'id="([^"]+)"', text))) == len(re.findall(r' id="', text))


def test_what_cells_and_errors_say_is_text():
    text = page(REHEARSAL)
    assert "Cell 2: ZeroDivisionError: &lt;b&gt;by zero" in text
    assert "<b>" not in text


def test_simulated_gpus_have_no_memory_to_measure_and_are_said_so():
    assert "The GPUs are simulated" in page(WHICH["simulated GPUs"])
    assert "GPU memory, at most" not in page(REHEARSAL)
    assert "5 GiB" in page(WHICH["GPUs"])


def test_the_figures_say_what_they_come_to():
    summary = json.loads(report.figures(REHEARSAL))["summary"]
    assert summary["usable"] == {"count": 3, "p50": 6.0, "p95": 7.0, "most": 7.0}
    assert summary["seats"] == min(each["seats"] for each in summary["bounds"] if each["hard"])
    assert json.loads(report.figures(WHICH["nobody came"]))["summary"]["seats"] is None


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "-"), (0.423, "0.42 s"), (12.34, "12.3 s"), (119.96, "120.0 s"), (125.0, "2 min 5 s")],
)
def test_seconds_are_written_as_people_read_them(number, text):
    assert report.seconds(number) == text
