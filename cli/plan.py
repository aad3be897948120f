"""``room plan``: who may have how much: shown, set, granted, and taken back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import click

from cli import context
from cli.errors import Problem, from_os_error
from cli.people import actor

if TYPE_CHECKING:
    from room.people import People
    from room.plans.authority import Actor
    from room.plans.book import Plans
    from room.plans.model import Setting, Subject
    from room.plans.rows import Entry


@click.group()
def plan() -> None:
    """Say who may have how much, and see why.

    A limit belongs to everyone (room), to a class (class/ml101) or to a person
    (user/alice, or just alice). It holds from the next start on.

    \b
    room plan show alice                           what holds for alice, and why
    room plan set class/ml101 gpu_hours=20/week    set a limit
    room plan grant alice gpu_hours=+5 --until friday
    room plan undo 17                              take a change of the history back
    """


@plan.command()
@click.argument("who")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def show(who: str, as_json: bool) -> None:
    """Show each limit of WHO, and where it comes from.

    WHO is a person, a class as class/NAME, or room for what holds for everyone.
    """
    from room.plans import wording

    with _opened() as here:
        whose = _subject(who)
        rows = list(_effective(here, whose))
        if not as_json:
            _note_unknown(here, [whose])
    if as_json:
        limits = {name: {"value": value, "origin": why} for name, value, why in rows}
        click.echo(json.dumps({"who": str(whose), "limits": limits}, indent=2))
        return
    click.echo(f"What holds for {wording.whose(whose)}:")
    _table(["Limit", "Value", "Because of"], rows)


@plan.command("set")
@click.argument("who")
@click.argument("limits", nargs=-1, required=True, metavar="LIMIT=VALUE...")
@click.option("--until", "until", metavar="TIME", help="Let it end: friday, 2027-02-15, 3d.")
@click.option("--now", is_flag=True, help="Stop what runs and has more than is allowed now.")
def set_(who: str, limits: Sequence[str], until: str | None, now: bool) -> None:
    """Set limits of WHO. They count more than what room.yaml says of the same.

    Nobody's running server ends because of it, but with --now: a limit holds from the
    next start on.
    """
    from room.plans.model import Setting

    with _opened() as here:
        whose, ends = _subject(who), None if until is None else _moment(here, until)
        wanted = []
        for each in limits:
            name, equals, text = each.partition("=")
            if not equals:
                raise Problem(f"{each!r} sets nothing.", "Write LIMIT=VALUE, like gpus=2.")
            wanted.append(Setting(whose, _key(name), text.strip(), ends))
        _check(here, wanted)
        _done(here, here.plans.set(wanted, here.actor))
        _note_unknown(here, [whose])
        concerned = _members(here, whose)
    if now:
        _end_over(concerned)


@plan.command()
@click.argument("who")
@click.argument("limits", nargs=-1, required=True, metavar="LIMIT...")
def unset(who: str, limits: Sequence[str]) -> None:
    """Take away what was set for WHO, so that room.yaml and classes count again."""
    from room.plans.model import Setting

    with _opened() as here:
        whose = _subject(who)
        _done(here, here.plans.set([Setting(whose, _key(n)) for n in limits], here.actor))


@plan.command()
@click.argument("who")
@click.argument("amount", metavar="LIMIT=+AMOUNT")
@click.option(
    "--until",
    "until",
    metavar="TIME",
    help="friday, 2027-02-15, 3d. Of gpu_hours: the window's end, where nothing is said.",
)
def grant(who: str, amount: str, until: str | None) -> None:
    """Give WHO more of a limit until some time, on top of what they have."""
    from room.plans import budget

    with _opened() as here:
        whose = _subject(who)
        name, _equals, text = amount.partition("=")
        key = _key(name)
        value = key.amount(text)
        if until is None and key.name != "gpu_hours":
            raise Problem(
                "A grant ends at some time.", "Say when with --until, or use room plan set."
            )
        if until is None:
            ends = budget.window(_budget(here, whose), here.plans.clock(), here.plans.zone)[1]
        else:
            ends = _moment(here, until)
        here.plans.grant(whose, key, value, ends, here.actor)
        _print_history(here, here.plans.history([whose], 1))
        _note_unknown(here, [whose])


@plan.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--encoding", default="", help="How the file is encoded, if it is not UTF-8.")
def import_(file: IO[bytes], dry_run: bool, encoding: str) -> None:
    """Set what the CSV FILE says, or, if a line is wrong, nothing.

    Columns: who (or class), a column for each limit, and until. An empty cell
    leaves a limit as it is, and - takes away what was set.
    """
    from room.plans import table
    from room.sheet import SheetError

    with _opened() as here:
        try:
            wanted = table.parse(file.read(), lambda text: _moment(here, text), encoding)
        except SheetError as error:
            raise Problem(
                "The plans were not imported; nothing was changed:\n"
                + "\n".join(f"  {problem}" for problem in error.problems),
                "Correct the lines and import the file again.",
            ) from error
        _check(here, wanted)
        if dry_run:
            _preview(here, wanted)
        else:
            _done(here, here.plans.set(wanted, here.actor))
        _note_unknown(here, [each.subject for each in wanted])


@plan.command()
@click.argument("number", type=int)
def undo(number: int) -> None:
    """Take the change NUMBER of the history back."""
    with _opened() as here:
        here.plans.undo(number, here.actor)
        _print_history(here, here.plans.history(None, 1))


@plan.command()
@click.argument("who", required=False)
@click.option("--last", "limit", default=20, show_default=True, help="How many changes.")
def history(who: str | None, limit: int) -> None:
    """Show who changed which limit, when, and from where; newest first."""
    with _opened() as here:
        found = here.plans.history(None if who is None else [_subject(who)], limit)
        if found:
            _print_history(here, found)
        else:
            click.echo("Nothing was changed yet. room.yaml is no part of the history.")


@dataclass(frozen=True, slots=True)
class _Here:
    plans: Plans
    people: People
    actor: Actor
    profiles: tuple[str, ...]


@contextmanager
def _opened() -> Iterator[_Here]:
    """Give the room's plans, and say what goes wrong with them in words."""
    from room.people import People
    from room.plans.authority import Actor
    from room.plans.opening import open_plans

    settings = context.settings()
    store = context.store()
    profiles = tuple(str(each["slug"]) for each in settings.profile_list(has_gpus=True))
    try:
        yield _Here(open_plans(store, settings), People(store), Actor(actor(), "command"), profiles)
    except OSError as error:
        raise from_os_error(error) from error
    except (ValueError, LookupError) as error:
        raise Problem(_sentence(str(error))) from error
    finally:
        store.close()


def _sentence(text: str) -> str:
    from room.plans.keys import KEYS

    named = text.split(" ")[0].rstrip(":") in KEYS
    return (text if named else f"{text[:1].upper()}{text[1:]}") + (
        "" if text.endswith((".", "?", "=…")) else "."
    )


def _subject(text: str) -> Subject:
    from room.plans.model import subject

    return subject(text)


def _key(text: str) -> Any:
    from room.plans.keys import key

    return key(text)


def _moment(here: _Here, text: str) -> Any:
    from room.plans import until

    return until.parse(text, here.plans.clock(), here.plans.zone)


def _effective(here: _Here, whose: Subject) -> Iterator[tuple[str, str, str]]:
    from room.plans import wording

    if whose.kind == "user":
        plan = here.plans.effective(whose.name, _classes(here, whose))
        yield from wording.lines(plan, here.plans.zone)
    elif whose.kind == "class":
        for name, found in here.plans.class_plan(whose.name).items():
            yield name, found.text, wording.origin(found, here.plans.zone)
    else:
        yield from wording.lines(here.plans.effective("", ()), here.plans.zone)


def _classes(here: _Here, whose: Subject) -> tuple[str, ...]:
    from room import access

    person = here.people.find(whose.name)
    return () if person is None else access.groups(person, here.people.clock())


def _note_unknown(here: _Here, subjects: Iterable[Subject]) -> None:
    """Say that a name is nobody's yet: a slip would otherwise be found out by nobody."""
    known = {person.login: person.memberships for person in here.people.all()}
    classes = {each.class_name for memberships in known.values() for each in memberships}
    for each in sorted(set(subjects)):
        if each.kind == "user" and each.name not in known:
            click.echo(f"Note: {each.name} is not in this room yet; it holds once they are.")
        elif each.kind == "class" and each.name not in classes:
            click.echo(f"Note: class {each.name} has nobody in it yet.")


def _members(here: _Here, whose: Subject) -> list[str] | None:
    """Return whom a subject's limits concern; None: everyone."""
    from room import access

    if whose.kind == "room":
        return None
    if whose.kind == "user":
        return [whose.name]
    now = here.plans.clock()
    return [
        person.login
        for person in here.people.all(whose.name)
        if whose.name in access.groups(person, now)
    ]


def _end_over(users: list[str] | None) -> None:
    """Let the hub end what runs over its plan, and say what was ended."""
    from cli import hubapi

    ended = hubapi.post("What runs over its plan", "plans", {"users": users})["ended"]
    if ended:
        click.echo(f"Stopped, because they had more: {', '.join(ended)}.")
    else:
        click.echo("Nothing that runs has more.")


def _budget(here: _Here, whose: Subject) -> Any:
    from room.plans.keys import KEYS

    if whose.kind == "user":
        return here.plans.effective(whose.name, _classes(here, whose))["gpu_hours"]
    return here.plans.of_class(whose.name, KEYS["gpu_hours"]).value


def _check(here: _Here, wanted: Sequence[Setting]) -> None:
    """Refuse profiles that this room does not have."""
    from room.settings.plans import unknown_profiles

    for setting in wanted:
        if setting.key.name == "profiles" and setting.text is not None:
            gone = unknown_profiles(setting.key.parse(setting.text), here.profiles)
            if gone:
                raise Problem(
                    f"There is no profile {gone[0]} in this room.",
                    f"There are: {', '.join(here.profiles)}.",
                )


def _done(here: _Here, numbers: Sequence[int]) -> None:
    if not numbers:
        click.echo("Nothing to change: it is so already.")
        return
    _print_history(here, here.plans.history(None, len(numbers))[::-1])


def _preview(here: _Here, wanted: Sequence[Setting]) -> None:
    from room.plans import wording
    from room.plans.model import Setting

    now = here.plans.settings()
    rows = [
        (
            wording.whose(each.subject),
            each.key.name,
            wording.setting(now.get((each.subject, each.key.name)), here.plans.zone),
            wording.setting(each, here.plans.zone),
        )
        for each in wanted
        if now.get((each.subject, each.key.name), Setting(each.subject, each.key)) != each
    ]
    if rows:
        _table(["Whose", "Limit", "Now", "Then"], rows)
    click.echo(f"{len(rows)} of {len(wanted)} would change. Nothing was changed.")


def _print_history(here: _Here, entries: Sequence[Entry]) -> None:
    from room.plans import wording

    rows = [
        (
            str(entry.id),
            f"{entry.at.astimezone(here.plans.zone):%Y-%m-%d %H:%M}",
            f"{entry.actor} ({entry.origin})",
            wording.whose(entry.subject),
            entry.key,
            wording.change(entry, here.plans.zone),
        )
        for entry in entries
    ]
    _table(["No.", "When", "Who", "Whose", "Limit", "Change"], rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
