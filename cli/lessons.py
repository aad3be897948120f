"""``room lesson``: links that start what a lesson needs, bring its files, and open it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cli import context
from cli.dataset import ClassName
from cli.errors import Problem
from cli.people import actor

if TYPE_CHECKING:
    from room.lessons.book import Lessons
    from room.lessons.model import Lesson


@click.group()
def lesson() -> None:
    """Make links for a class that start, bring and open a lesson.

    \b
    room lesson add ml101 "Week 1" --repository https://git.example.org/course/week-1
    room lesson add ml101 "Week 2" --folder week-2 --page lesson.ipynb
    room lesson list ml101       the class's links
    room lesson retire ID        let nobody follow a link any more
    """


@lesson.command()
@click.argument("class_name", metavar="CLASS", type=ClassName())
@click.argument("title")
@click.option("--repository", default="", metavar="URL", help="Where every student can read it.")
@click.option("--branch", default="", help="The repository's usual one where none is named.")
@click.option("--folder", metavar="PATH", help="A folder of the class's own, from it on; . is all.")
@click.option("--page", default="", metavar="PATH", help="What opens: a notebook of these files.")
@click.option("--profile", default="", help="What is started; the usual one where none is named.")
@click.option("--dataset", "datasets", multiple=True, help="What it is started with; repeatable.")
def add(
    class_name: str,
    title: str,
    repository: str,
    branch: str,
    folder: str | None,
    page: str,
    profile: str,
    datasets: Sequence[str],
) -> None:
    """Make a lesson of CLASS, and print its link."""
    from room.datasets.catalog import Catalog
    from room.lessons import rules
    from room.lessons.model import Content, Source
    from room.said import reason

    if bool(repository) == (folder is not None):
        raise click.UsageError("Say where the files are: --repository or --folder, one of the two.")
    source = (
        Source("git", repository, branch) if repository else Source("folder", path=folder or "")
    )
    known = [str(each["slug"]) for each in context.settings().profile_list(has_gpus=True)]
    with opened() as book:
        try:
            content = rules.content(Content(title, source, profile, tuple(datasets), page))
        except ValueError as error:
            raise Problem(str(reason(error)), "See: room lesson add --help") from error
        visible = Catalog(book.store, actor=book.actor).of([class_name])
        refused = rules.needs(content, known, visible)
        if refused is not None:
            raise Problem(refused.message, "See: room lesson add --help")
        made = book.add(class_name, content)
    click.echo(f"{made.content.title} is a lesson of {class_name}. Its link:\n{_link(made)}")


@lesson.command("list")
@click.argument("class_name", metavar="[CLASS]", type=ClassName(), required=False)
def list_(class_name: str | None) -> None:
    """List the lessons of CLASS, or of all classes."""
    with opened() as book:
        found = book.of(None if class_name is None else [class_name])
    if not found:
        click.echo('There is no lesson yet. Make one: room lesson add ml101 "Week 1" --folder .')
        return
    for each in found:
        state = f"retired {each.retired_at:%Y-%m-%d}" if each.retired_at else _link(each)
        click.echo(f"{each.id}  {each.class_name}  {each.content.title}: {state}")


@lesson.command()
@click.argument("identity", metavar="ID")
def retire(identity: str) -> None:
    """Let nobody follow a link any more; what was brought to homes stays."""
    with opened() as book:
        found = _in_words(book, "retire", identity)
    click.echo(
        f"{found.content.title} is retired. To take that back: room lesson restore {found.id}"
    )


@lesson.command()
@click.argument("identity", metavar="ID")
def restore(identity: str) -> None:
    """Let a link be followed again."""
    with opened() as book:
        found = _in_words(book, "restore", identity)
    click.echo(f"{found.content.title} can be followed again: {_link(found)}")


@contextmanager
def opened() -> Iterator[Lessons]:
    from room.lessons.book import Lessons

    store = context.store()
    try:
        yield Lessons(store, actor=actor(), origin="command")
    finally:
        store.close()


def _in_words(book: Lessons, act: str, identity: str) -> Lesson:
    from room.lessons.model import NoSuchLessonError

    change = book.retire if act == "retire" else book.restore
    try:
        return change(identity)
    except NoSuchLessonError as error:
        raise Problem(str(error), "See: room lesson list") from error


def _link(lesson: Lesson) -> str:
    return f"{context.settings().address.rstrip('/')}/hub/room/lesson/{lesson.id}"
