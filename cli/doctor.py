"""``room doctor``: what this machine is like, what that means for a room, and the remedies."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any, Literal

import click

from cli import context
from cli.errors import Problem

if TYPE_CHECKING:
    from rich.console import Console

    from room.doctor import Facts, Finding
    from room.settings import Settings

_SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "fatal": ("✗", "bold red")}


def examine(settings: Settings, simulate_gpus: int | None = None) -> list[Finding]:
    """Look at this machine and return every finding. Changes nothing."""
    from room.doctor import check

    return check(look(settings, simulate_gpus), settings)


def leave(facts: Facts, settings: Settings, by: Literal["doctor", "up"]) -> None:
    """Leave what root saw for the console, where there is a room to leave it in.

    On a full or read-only disk nothing is left: the findings themselves say so.
    """
    from cli import state
    from room.doctor import report

    place = state.directory(settings)
    if not facts.machine.root or not place.is_dir():
        return
    with contextlib.suppress(OSError):
        text = report.dumps(report.Report(facts.machine.now, by, facts))
        state.write_private(place / report.NAME, text)


def look(settings: Settings, simulate_gpus: int | None = None) -> Facts:
    """Return what this machine is like. Changes nothing."""
    from cli import doctor_probe

    wanted = _simulated() if simulate_gpus is None else simulate_gpus
    return doctor_probe.gather(settings, wanted)


def _simulated() -> int:
    said = os.environ.get("ROOM_SIMULATE_GPUS") or "0"
    if not said.isdigit():
        raise Problem(
            f"ROOM_SIMULATE_GPUS is {said!r}, and must be a number of GPUs.",
            "Write ROOM_SIMULATE_GPUS=4, or leave it out.",
        )
    return int(said)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="Leave out what is as it should be.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, quiet: bool) -> None:
    """Look at this machine and say what is wrong, what that means, and the remedy.

    Changes nothing of it. Without room.yaml the defaults are looked at. Every
    finding is explained in docs/how-to/troubleshooting.md under the name behind it.
    Run by root, it leaves what it saw for the console's page Doctor.

    \b
    Exit status:  0  everything is as it should be
                  1  the room works; read the warnings
                  2  the room cannot work on this machine as it is
    """
    from room.doctor import check_groups, status

    settings = context.settings(or_defaults=True)
    facts = look(settings)
    groups = check_groups(facts, settings)
    result = status(finding for group in groups.values() for finding in group)
    leave(facts, settings, "doctor")
    if as_json:
        click.echo(json.dumps(_as_json(result, groups, facts), indent=2, ensure_ascii=False))
    else:
        _print(groups, result, quiet)
    ctx.exit(result)


def _as_json(result: int, groups: dict[str, list[Finding]], facts: Facts) -> dict[str, Any]:
    findings = [
        {"group": name, **dataclasses.asdict(finding), "fixable_by_up": finding.fixable_by_up}
        for name, group in groups.items()
        for finding in group
    ]
    return {"status": result, "findings": findings, "facts": _plain(dataclasses.asdict(facts))}


def _plain(value: Any) -> Any:
    """Return a value as JSON can say it."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _print(groups: dict[str, list[Finding]], result: int, quiet: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for name, group in groups.items():
        shown = [finding for finding in group if not (quiet and finding.level == "ok")]
        if shown:
            console.print(Text(name, style="bold"))
        for finding in shown:
            _print_finding(console, finding)
    console.print(Text(_summary(groups, result), style="bold"), soft_wrap=True)


def _print_finding(console: Console, finding: Finding) -> None:
    from textwrap import wrap

    from rich.text import Text

    sign, style = _SIGNS[finding.level]
    name = Text("" if finding.level == "ok" else f"  [{finding.id}]", style="dim")
    # The terminal wraps titles and remedies itself: a command is copied whole.
    console.print(Text(f"  {sign} ", style=style) + Text(finding.title) + name, soft_wrap=True)
    for line in wrap(finding.meaning, max(40, console.width - 4)):
        console.print(Text(f"    {line}", style="dim"), soft_wrap=True)
    if finding.remedy:
        arrow = Text("    → ", style="cyan")
        console.print(arrow + Text(finding.remedy), soft_wrap=True)


def _summary(groups: dict[str, list[Finding]], result: int) -> str:
    found = [finding for group in groups.values() for finding in group]
    warnings = sum(finding.level == "warning" for finding in found)
    fatal = [finding for finding in found if finding.level == "fatal"]
    if result == 0:
        return "This machine is ready for a room."
    said = f"{warnings} warning{'s' * (warnings != 1)}"
    if result == 1:
        return f"The room works on this machine; {said}."
    reasons = f"{len(fatal)} reason{'s' * (len(fatal) != 1)}"
    by_up = " make up takes care of it." if all(f.fixable_by_up for f in fatal) else ""
    return f"The room cannot work on this machine as it is: {reasons}, {said}.{by_up}"
