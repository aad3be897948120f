"""A rehearsal as a page of its own, as JSON, and in a few lines on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from room.languages import LANGUAGES, catalogue
from room.rehearsal import figures as of
from room.rehearsal import model, plots
from room.rehearsal import seats as seats_of
from room.rehearsal.figures import Spread
from room.rehearsal.model import Rehearsal
from room.said import translated
from room.values import readable_size

if TYPE_CHECKING:
    from room.settings import Settings

PACKAGE = Path(__file__).parents[1]
TEMPLATES, LOCALE = PACKAGE / "templates", PACKAGE / "locale"


def pages(rehearsal: Rehearsal, settings: Settings) -> dict[str, str]:
    """Return the report in each language: HTML that loads nothing from anywhere."""
    zone = ZoneInfo(settings.timezone)
    return {language: page(rehearsal, language, zone) for language in LANGUAGES}


def page(rehearsal: Rehearsal, language: str, zone: ZoneInfo) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    words = catalogue(LOCALE, language)
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        extensions=["jinja2.ext.i18n"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]
    made.filters["said"] = lambda text: translated(text, words.gettext)
    made.filters["size"] = lambda size: "-" if size is None else readable_size(int(size))
    made.filters["seconds"] = seconds
    made.filters["when"] = lambda moment: f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
    return made.get_template("rehearsal.html").render(
        html_language=LANGUAGES[language][0], **_values(rehearsal)
    )


def _values(rehearsal: Rehearsal) -> dict[str, Any]:
    """Return what the page shows."""
    found, cells = seats_of.seats(rehearsal), of.cells(rehearsal)
    begun = [each.start for each in rehearsal.students if each.start is not None]
    return {
        "it": rehearsal,
        "seats": found,
        "bounds": seats_of.order(found.bounds),
        "resources": seats_of.RESOURCES,
        "verdict": seats_of.verdict(found),
        "usable": of.spread(start.usable for start in begun),
        "ready": of.spread(start.ready for start in begun),
        "waited": of.spread(start.waited for start in begun),
        "queued": sum(start.queued for start in begun),
        "stages": of.starts(rehearsal.students),
        "peaks": _peaks(rehearsal),
        "cells": cells,
        "failed": [each for each in rehearsal.students if not each.fine],
        "plots": {
            "starts": plots.starts(rehearsal),
            "memory": plots.memory(rehearsal),
            "peaks": plots.peaks(rehearsal),
            "cells": plots.cells(cells),
            "busy": plots.busy(rehearsal),
        },
    }


def _peaks(rehearsal: Rehearsal) -> dict[str, Spread | None]:
    students = rehearsal.students
    return {
        "memory": of.spread(each.peaks.memory for each in students),
        "charged": of.spread(each.peaks.charged for each in students),
        "shm": of.spread(each.peaks.shm for each in students),
        "gpu": of.spread(each.peaks.gpu for each in students),
    }


def figures(rehearsal: Rehearsal) -> str:
    """Return everything that was measured as JSON, and what it comes to."""
    found = seats_of.seats(rehearsal)
    begun = [each.start for each in rehearsal.students if each.start is not None]
    return model.dumps(
        rehearsal,
        summary={
            "usable": _spread(of.spread(start.usable for start in begun)),
            "ready": _spread(of.spread(start.ready for start in begun)),
            "waited": _spread(of.spread(start.waited for start in begun)),
            "queued": sum(start.queued for start in begun),
            "peaks": {name: _spread(each) for name, each in _peaks(rehearsal).items()},
            "seats": found.count,
            "bounds": [
                {"resource": each.resource, "seats": each.seats, "hard": each.hard,
                 "words": each.words}
                for each in seats_of.order(found.bounds)
            ],
        },
    )  # fmt: skip


def _spread(found: Spread | None) -> dict[str, float] | None:
    if found is None:
        return None
    return {"count": found.count, "p50": found.p50, "p95": found.p95, "most": found.most}


def seconds(number: float | None) -> str:
    """Return seconds as people read them: ``0.42 s``, ``12.3 s``, ``2 min 5 s``."""
    if number is None:
        return "-"
    if number < 10:
        return f"{number:.2f} s"
    return f"{number:.1f} s" if number < 120 else f"{number // 60:.0f} min {number % 60:.0f} s"


# -- on the terminal ---------------------------------------------------------------------------


def print_summary(rehearsal: Rehearsal, page_at: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.steps import console

    table = Table("", "p50", "p95", "most", box=None, pad_edge=False)
    for title, row in _rows(rehearsal):
        table.add_row(Text(title), *map(Text, row))
    console.print()
    console.print(table)
    for words in _about_gpus(rehearsal):
        console.print(words, markup=False)
    for each in rehearsal.students:
        for words in _failures(each):
            console.print(f"✗ student {each.number}: {words}", style="red", markup=False)
    found = seats_of.seats(rehearsal)
    console.print()
    console.print(str(seats_of.verdict(found)), style="bold", markup=False)
    for bound in seats_of.order(found.bounds):
        told = f"  {seats_of.RESOURCES[bound.resource]}: {bound.seats} seats. {bound.words}"
        console.print(told, markup=False)
    console.print(f"The report: {page_at}", markup=False, soft_wrap=True)


def _rows(rehearsal: Rehearsal) -> list[tuple[str, tuple[str, str, str]]]:
    begun = [each.start for each in rehearsal.students if each.start is not None]
    peaks = _peaks(rehearsal)
    times = [
        ("start until a kernel answers", of.spread(start.usable for start in begun)),
        ("of it in a line", of.spread(start.waited for start in begun)),
        ("the lesson", of.spread(each.lesson for each in rehearsal.students if each.cells)),
    ]
    sizes = [
        ("memory at most", peaks["memory"]),
        ("shared memory at most", peaks["shm"]),
        ("GPU memory at most", peaks["gpu"]),
    ]
    return [
        (title, (write(each.p50), write(each.p95), write(each.most)))
        for rows, write in ((times, seconds), (sizes, lambda size: readable_size(int(size))))
        for title, each in rows
        if each is not None
    ]


def _about_gpus(rehearsal: Rehearsal) -> list[str]:
    if not rehearsal.host.gpus_each:
        return []
    waited = sum(each.start is not None and each.start.queued for each in rehearsal.students)
    told = [f"{waited} of {len(rehearsal.students)} had to wait for a GPU."]
    if rehearsal.host.simulated:
        told.append("The GPUs are simulated: there is no memory of theirs to measure.")
    return told


def _failures(student: model.Student) -> list[str]:
    cells = [
        f"cell {place}: {cell.error}" for place, cell in enumerate(student.cells, 1) if cell.error
    ]
    killed = ["a program was ended: no more memory"] if student.peaks.killed else []
    # What a cell said ended it is said once.
    said = [cell.error for cell in student.cells]
    rest = [student.problem] if student.problem and student.problem not in said else []
    return [*cells, *killed, *rest]
