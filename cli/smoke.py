"""``room smoke``: go a student's whole way through the running room, and say how it went."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import context, guests, interrupts, steps
from cli.errors import OK, Problem
from cli.lesson import Promise

if TYPE_CHECKING:
    from cli.smokeway import Report, Room
    from room.models import Inventory

#: The way does not work: what this command is for to find out. 2 is for a way not gone.
BROKEN = 1


@click.command()
@click.option("--profile", default="", metavar="SLUG", help="Profile to start; else the default.")
@click.option("--user", "name", default=guests.NAME, show_default=True, help="The guest's login.")
@click.option("--gpus", is_flag=True, help="Instead: a student for each free GPU, and one more.")
@click.option("--keep", is_flag=True, help="Leave the server running and print its login link.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trust this certificate authority too.",
)
def smoke(
    profile: str, name: str, gpus: bool, keep: bool, as_json: bool, ca_file: Path | None
) -> None:
    """Go a student's whole way through the running room.

    Log in with a token, start a server, run the first lesson, see the loss
    fall, write a file, stop, start again, find the file, stop. Exit status 0:
    all of it worked; 1: a step failed; 2: it could not begin.

    The guest room-smoke is forgotten afterwards. Its home stays and is used
    again, as every home does: only an admin's explicit command deletes one.
    """
    from cli.smokeway import Report

    if gpus and keep:
        raise Problem("--keep has no meaning with --gpus.", "Leave one of them out.")
    steps.console.quiet = as_json
    report = Report()
    room, inventory = _room(profile, gpus, ca_file)
    guests.check_name(name)
    if gpus:
        interrupts.run(_gpu_check(room, inventory, name, report))
        token = ""
    else:
        from cli.smokeway import walk

        token = interrupts.run(walk(room, name, report, keep=keep))
    _tell(report, room.profile, as_json, _link(token) if keep and report.ok else "")
    raise SystemExit(OK if report.ok else BROKEN)


def _room(slug: str, gpus: bool, ca_file: Path | None) -> tuple[Room, Inventory]:
    """Return the running room, the profile to start in it, and its GPUs."""
    from cli.smokeway import Room
    from cli.student import Student
    from room.gpus.inventory import file_reader

    settings = context.settings()
    inventory = file_reader(settings.data_root / "state" / "inventory.json")()
    if gpus and not inventory.units:
        raise Problem(
            "This room has no GPU.", "Simulate some to try it: ROOM_SIMULATE_GPUS=4 make up"
        )
    profiles = settings.profile_list(has_gpus=bool(inventory.units))
    chosen = choose(profiles, slug, gpus)
    room = Room(
        store=context.store(),
        browser=partial(
            Student, settings.address, ca_file=ca_file or context.internal_ca(settings)
        ),
        profile=str(chosen["slug"]),
        promise=promise(chosen, inventory),
    )
    return room, inventory


def choose(profiles: Sequence[Mapping[str, Any]], slug: str, gpus: bool) -> Mapping[str, Any]:
    """Return the profile called ``slug``; without one the default, or the first with one GPU."""
    if slug:
        found = next((p for p in profiles if p["slug"] == slug), None)
        if found is None:
            known = ", ".join(str(p["slug"]) for p in profiles)
            raise Problem(f"There is no profile {slug} in this room.", f"Choose one of: {known}.")
        if gpus and _gpus(found) != 1:
            raise Problem(
                f"The profile {slug} has {_gpus(found)} GPUs; --gpus needs one with exactly 1.",
                "Leave --profile out to take the first that has.",
            )
        return found
    if gpus:
        found = next((p for p in profiles if _gpus(p) == 1), None)
        if found is None:
            raise Problem(
                "No profile of this room has exactly one GPU.",
                "Give a profile spawner_override: {gpus: 1} in room.yaml, then run make up.",
            )
        return found
    return next((p for p in profiles if p.get("default")), profiles[0])


def promise(profile: Mapping[str, Any], inventory: Inventory) -> Promise:
    """Return what the profile promises, on the GPUs that this room has."""
    simulated = any(unit.simulated for unit in inventory.units)
    return Promise(gpus=_gpus(profile), simulated=simulated)


def _gpus(profile: Mapping[str, Any]) -> int:
    return int((profile.get("spawner_override") or {}).get("gpus") or 0)


async def _gpu_check(room: Room, inventory: Inventory, name: str, report: Report) -> None:
    from cli.smokegpus import check, free_units
    from room.gpus.broker import Broker

    names = [f"{name}-{n}" for n in range(1, len(inventory.units) + 2)]
    leases = Broker(room.store).leases()
    free = free_units(inventory, leases, names)
    if not free:
        raise Problem(
            f"None of this room's {len(inventory.units)} GPUs is free.",
            "Wait until a server stops: room status",
        )
    await check(room, names[: len(free) + 1], free, report)


def _link(token: str) -> str:
    return f"{context.settings().address.rstrip('/')}/hub/login#token={token}"


def _tell(report: Report, profile: str, as_json: bool, link: str) -> None:
    if as_json:
        click.echo(json.dumps(_as_dict(report, profile, link), ensure_ascii=False, indent=2))
        return
    steps.console.print()
    steps.console.print(_table(report))
    for left in report.left:
        steps.console.print(f"! Still there: {left}", style="yellow", markup=False)
    if report.problem is not None:
        report.problem.show()
        return
    if report.ok:
        seconds = sum(done.seconds for done in report.done)
        steps.console.print(
            f"The room works: profile {profile}, {len(report.done)} steps in {seconds:.1f} s.",
            style="bold green",
            markup=False,
        )
    if link:
        steps.console.print(f"The server goes on; log in with: {link}", markup=False)


def _table(report: Report) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("seen")
    for done in report.done:
        mark = Text("✓", style="green") if done.ok else Text("✗", style="red")
        table.add_row(mark, Text(done.step), f"{done.seconds:.2f}", Text(done.note))
    return table


def _as_dict(report: Report, profile: str, link: str) -> dict[str, Any]:
    problem = report.problem
    return {
        "ok": report.ok,
        "profile": profile,
        "steps": [asdict(done) for done in report.done],
        "problem": {"message": problem.message, "remedy": problem.remedy} if problem else None,
        "left": report.left,
        "link": link,
    }
