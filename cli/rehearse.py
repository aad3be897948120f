"""``room rehearse``: a lesson with throwaway students, before the class has it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from cli import context, interrupts, lesson, smoke, steps
from cli.dataset import ClassName, Which
from cli.errors import OK, WARNINGS, Problem
from room.guests import MOST, is_guest

if TYPE_CHECKING:
    from cli.rehearsal.way import Lesson
    from room.datasets.names import Reference
    from room.gpus.requests import GPURequest
    from room.rehearsal.model import Rehearsal
    from room.settings import Settings


#: What to do about a file that is no lesson.
REMEDY = "Name a notebook (.ipynb) that has code."


class Duration(click.ParamType):
    """A length of time, as room.yaml has it: 90s, 5m, 1h30m."""

    name = "time"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from room.values import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


@click.command()
@click.argument("class_name", type=ClassName(), metavar="CLASS")
@click.option(
    "--students", type=click.IntRange(1, MOST), metavar="N", help="Else as many as the class has."
)
@click.option(
    "--notebook",
    default=lesson.PATH,
    metavar="FILE",
    help="A file here, or one in the class's folder, as /class/ml101/lesson.ipynb; else the "
    "image's first lesson.",
)
@click.option("--profile", default="", metavar="SLUG", help="Profile to start; else the default.")
@click.option(
    "--datasets", type=Which(), multiple=True, metavar="NAME", help="With this dataset; else all."
)
@click.option("--at-once", is_flag=True, help="They all come together. So it is unless --over.")
@click.option("--over", type=Duration(), metavar="TIME", help="They come one by one, within 5m.")
@click.option(
    "--lesson", "lasts", type=Duration(), default=0.0, metavar="TIME",
    help="How long the class works on it, as 45m: what cores are reckoned by.",
)  # fmt: skip
@click.option(
    "--cell-timeout", type=Duration(), default=600.0, metavar="TIME", help="For one cell; else 10m."
)
@click.option("--keep-going", is_flag=True, help="After a cell that fails go on with the next.")
@click.option("--yes", is_flag=True, help="Also while other people have servers running.")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the page here, too."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def rehearse(
    class_name: str,
    students: int | None,
    notebook: str,
    profile: str,
    datasets: tuple[Reference, ...],
    at_once: bool,
    over: float | None,
    lasts: float,
    cell_timeout: float,
    keep_going: bool,
    yes: bool,
    report: Path | None,
    as_json: bool,
) -> None:
    """Let throwaway students of CLASS do a lesson, and say how many seats this host holds.

    They log in, start servers, and run the notebook's cells as a class does. Measured
    are starts, memory, shared memory and GPU memory of each, and every cell. They are
    students of the class meanwhile, with its plan, its datasets and its folder. Then
    everything of them is removed, their homes too; what they used counts for nobody.

    \b
    Exit status:  0  everybody came to the end
                  1  somebody did not
                  2  it could not begin, or not everything was removed
    """
    from cli.rehearsal import clearing
    from cli.rehearsal import report as reports
    from cli.rehearsal.rehearsing import Wanted
    from cli.rehearsal.rehearsing import rehearse as go
    from room.rehearsal.shelf import Shelf

    if at_once and over is not None:
        raise Problem("--at-once and --over exclude each other.", "Leave one of them out.")
    steps.console.quiet = as_json
    settings, store = context.settings(), context.store()
    slug, request = _profile(settings, profile)
    read = _lesson(notebook, class_name, cell_timeout, keep_going)
    count = _count(class_name, students)
    others = asyncio.run(_others(settings))
    _ask(others, count, yes)
    if report is not None and not report.absolute().parent.is_dir():
        raise Problem(f"There is no directory {report.parent} for the page.", "Name another file.")
    wanted = Wanted(
        class_name,
        count,
        slug,
        request,
        tuple(map(str, datasets)),
        read,
        over or 0.0,
        lasts,
        others,
    )
    with clearing.place(settings) as directory:
        found: Rehearsal = interrupts.run(
            go(settings, store, context.internal_ca(settings), directory, wanted)
        )
        pages = reports.pages(found, settings)
        kept = Shelf(directory).keep(found, reports.figures(found), pages)
    if report is not None:
        report.write_text(pages[settings.language], "utf-8")
    if as_json:
        click.echo(reports.figures(found), nl=False)
    else:
        reports.print_summary(found, report or kept / f"report.{settings.language}.html")
    raise SystemExit(OK if found.fine else WARNINGS)


def _profile(settings: Settings, slug: str) -> tuple[str, GPURequest | None]:
    """Return a profile's name, and the GPUs that it asks for."""
    from room.gpus import asking, inventory
    from room.values import parse_size

    units = inventory.file_reader(settings.data_root / "state" / "inventory.json")().units
    chosen = smoke.choose(settings.profile_list(has_gpus=bool(units)), slug, gpus=False)
    override: Mapping[str, Any] = chosen.get("spawner_override") or {}
    request = asking.request(
        count=int(override.get("gpus") or 0),
        kind=str(override.get("gpu_kind") or "any"),
        model=str(override.get("gpu_model") or ""),
        memory=parse_size(override.get("gpu_memory") or 0),
        mig_profile=str(override.get("mig_profile") or ""),
    )
    return str(chosen["slug"]), request


def _lesson(notebook: str, class_name: str, patience: float, keep_going: bool) -> Lesson:
    """Return the lesson: a file of this machine, or one that every student has."""
    from cli.rehearsal.way import Lesson

    path, inside = Path(notebook), PurePosixPath(notebook)
    if inside.parts[:3] == ("/", "class", class_name):
        return Lesson(str(inside.relative_to("/")), None, patience, keep_going)
    if notebook == lesson.PATH:
        return Lesson(notebook, None, patience, keep_going)
    if path.is_file():
        content = _content(path)
        # What is no lesson is told before anything is made.
        lesson.code_cells({"type": "notebook", "content": content}, notebook, REMEDY)
        return Lesson(path.name, content, patience, keep_going)
    raise Problem(
        f"There is no notebook {notebook} here.",
        f"Name a file of this machine, or one in the class's folder: /class/{class_name}/…",
    )


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise Problem(f"{path} is no notebook ({error}).", REMEDY) from error
    if not isinstance(content, dict):
        raise Problem(f"{path} is no notebook.", REMEDY)
    return content


def _count(class_name: str, students: int | None) -> int:
    """Return how many are to come: as many as the class has, unless it is said."""
    from cli.people import opened
    from room.classes import Classes

    with opened() as people:
        known = next((each for each in Classes(people).all() if each.name == class_name), None)
    if known is None:
        raise Problem(f"There is no class {class_name} in this room.", "room class list")
    if known.archived_at is not None:
        raise Problem(f"The class {class_name} is archived.", f"room class restore {class_name}")
    if students is None and not known.students:
        raise Problem(f"The class {class_name} has no students yet.", "Say how many: --students 30")
    return students or min(len(known.students), MOST)


async def _others(settings: Settings) -> int:
    """Return how many servers of other people there are."""
    from engine.client import Engine, EngineUnavailableError
    from room.models import LABEL_KIND, LABEL_ROOM, LABEL_USER

    engine = Engine.at(f"unix://{settings.engine_socket}", timeout=10)
    try:
        found = await engine.containers({LABEL_ROOM: settings.name, LABEL_KIND: "server"})
    except EngineUnavailableError as error:
        raise Problem(
            f"The Docker Engine at {settings.engine_socket} does not answer.",
            "Start it, or run the same command with sudo. room doctor says which.",
        ) from error
    finally:
        engine.close()
    return sum(not is_guest(each["Labels"].get(LABEL_USER, "")) for each in found)


def _ask(others: int, students: int, yes: bool) -> None:
    """Let a person decide whether those who work now are to have company."""
    if not others or yes:
        return
    words = f"{others} {'server' if others == 1 else 'servers'} of other people"
    if not sys.stdin.isatty():
        raise Problem(
            f"There {'is' if others == 1 else 'are'} {words} running, which {students} more "
            "would slow down.",
            "Rehearse when nobody works, or add --yes.",
        )
    click.confirm(f"{words} would get the company of {students} more. Go on?", abort=True)
