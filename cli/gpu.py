"""``room gpu``: what there is to lease, who has it, who waits; and how to take a card out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from cli import hubapi
from cli.errors import Problem

#: An answer of the hub's, or a part of one.
Row = Mapping[str, Any]

#: The least of a UUID that may stand for it. ``GPU-`` and ``MIG-`` say nothing.
_PREFIX = 8


@click.group()
def gpu() -> None:
    """Show who has which GPU and who waits, and take a GPU out of use.

    A unit is named by its UUID, or by the beginning of it where only one begins
    so: 8 characters or more. The whole UUID of a GPU with seats or instances
    names all of them.

    \b
    room gpu list                     every unit, its health, and who holds it
    room gpu drain GPU-5f1c           give it to nobody else; who has it keeps it
    room gpu release alice            stop alice's server and free its GPUs
    room gpu dequeue alice            take alice's start out of the queue
    """


_JSON = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")


@gpu.command("list")
@_JSON
def list_(as_json: bool) -> None:
    """Show every GPU, MIG instance and seat: its health, who holds it, since when, its use.

    A seat is cooperative: those on one GPU share its memory by agreement. Its use is
    that of the whole GPU, and "holder's" is what the server on the seat uses of it.
    """
    found = _gpus("The GPUs")
    units, problem = found["units"], found.get("use_problem", "")
    if as_json:
        _dump({"units": units, "use_problem": problem})
    elif units:
        _print_units(units, time.time())
        if unknown := unknown_use(units, problem):
            click.echo(unknown)
    else:
        click.echo("This room has no GPU. Simulate some to try it: ROOM_SIMULATE_GPUS=4 make up")


@gpu.command()
@_JSON
def queue(as_json: bool) -> None:
    """Show who waits for a GPU, in the order in which they will be served."""
    waiting = _gpus("Who waits")["queue"]
    if as_json:
        _dump({"queue": waiting})
    elif waiting:
        _print_queue(waiting, time.time())
    else:
        click.echo("Nobody waits for a GPU.")


@gpu.command()
@click.argument("unit")
def drain(unit: str) -> None:
    """Give UNIT to nobody else. Who has it keeps it until their server ends."""
    units = _units()
    found = named(unit, units)
    hubapi.post(f"Draining {found['uuid']}", "drain", {"unit": found["uuid"], "why": ""})
    click.echo(f"{found['uuid']} is drained: {_after(found, units)}")


@gpu.command()
@click.argument("unit")
def undrain(unit: str) -> None:
    """Give UNIT out again, after drain or quarantine.

    A unit that is still sick is given out once it is well.
    """
    found = named(unit, _units())
    hubapi.post(f"Undraining {found['uuid']}", "undrain", {"unit": found["uuid"], "why": ""})
    click.echo(f"{found['uuid']} {undrained(named(found['uuid'], _units()))}")


@gpu.command()
@click.argument("unit")
@click.option("--why", required=True, metavar="TEXT", help="What is wrong with it, for the list.")
def quarantine(unit: str, why: str) -> None:
    """Take UNIT out of use because something is wrong with it.

    Like drain, with a reason. The room does it by itself after two starts that
    failed on the unit, or a fatal Xid of its card.
    """
    if not why.strip():
        raise Problem("A quarantine needs a reason.", 'Say what is wrong: --why "fan broken"')
    units = _units()
    found = named(unit, units)
    body = {"unit": found["uuid"], "why": why.strip()}
    hubapi.post(f"The quarantine of {found['uuid']}", "quarantine", body)
    click.echo(f"{found['uuid']} is in quarantine: {_after(found, units)}")


@gpu.command()
@click.argument("holder", metavar="LEASE|USER")
@click.option("--yes", is_flag=True, help="Do not ask.")
def release(holder: str, yes: bool) -> None:
    """Stop the server that has a lease, and free its GPUs.

    Give the lease's number, or the user when they have only one; user/server
    names a server. The home stays, what is not saved is lost. The room keeps a
    record of it.
    """
    units = _units()
    lease = chosen(holder, units)
    held = [unit["uuid"] for unit in units if (unit["lease"] or {}).get("id") == lease["id"]]
    if not yes:
        click.confirm(
            f"Stop the server of {_owner(lease)} and free {', '.join(held)}? "
            "What is not saved is lost",
            abort=True,
        )
    hubapi.post(f"Releasing the lease of {_owner(lease)}", "release", {"lease": lease["id"]})
    click.echo(f"The server of {_owner(lease)} is stopped, then its GPUs are free.")


@gpu.command()
@click.argument("waiter", metavar="TICKET|USER")
@click.option("--yes", is_flag=True, help="Do not ask.")
def dequeue(waiter: str, yes: bool) -> None:
    """Take a start that waits for a GPU out of the queue.

    Give the ticket's number (room gpu queue --json), or the user when only one
    server of theirs waits; user/server names a server. The start ends and says
    why; the room keeps a record of it.
    """
    ticket = chosen_waiter(waiter, _gpus("Who waits")["queue"])
    if not yes:
        click.confirm(f"Take {_owner(ticket)} out of the queue?", abort=True)
    hubapi.post(f"Taking {_owner(ticket)} out", "dequeue", {"ticket": ticket["id"]})
    click.echo(f"{_owner(ticket)} is out of the queue.")


# --- which unit and which lease is meant --------------------------------------------------------


def named(text: str, units: Sequence[Row]) -> Row:
    """Return the unit that ``text`` names: its UUID, or enough of it. Raises ``Problem``.

    A GPU that is leased in parts only is named by its whole UUID, and is as its first part is.
    """
    exact = [unit for unit in units if unit["uuid"] == text] or [
        {**unit, "uuid": text, "parent": ""} for unit in units if unit["parent"] == text
    ][:1]
    near = [unit for unit in units if len(text) >= _PREFIX and unit["uuid"].startswith(text)]
    found = exact or near
    if len(found) == 1:
        return found[0]
    if found:
        raise Problem(
            f"{text} can be each of {len(found)} units.",
            "Name one: " + ", ".join(unit["uuid"] for unit in found),
        )
    raise Problem(f"This room has no GPU unit {text}.", "See: room gpu list")


def chosen(text: str, units: Iterable[Row]) -> Row:
    """Return the lease that ``text`` names: its number, its user, or user/server.

    Raises ``Problem`` when there is none, or when a user has several.
    """
    leases = {unit["lease"]["id"]: unit["lease"] for unit in units if unit["lease"]}
    return _one(text, list(leases.values()), "holds", "lease", "room gpu list")


def chosen_waiter(text: str, queue: Sequence[Row]) -> Row:
    """Return the ticket that ``text`` names, by the same rule."""
    return _one(text, queue, "waits with", "ticket", "room gpu queue")


def _one(text: str, rows: Sequence[Row], verb: str, what: str, command: str) -> Row:
    found = [row for row in rows if row["id"] == text] or [
        row for row in rows if text in (row["user"], _owner(row).rstrip("/"))
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Problem(
            f"Nobody called {text} {verb} a {what}, and no {what} has that number.",
            f"See: {command}",
        )
    raise Problem(
        f"{text} {verb} {len(found)} {what}s.",
        "Name one: " + ", ".join(f"{row['id']} ({_owner(row)})" for row in found),
    )


def _owner(row: Row) -> str:
    return f"{row['user']}/{row['server']}" if row["server"] else str(row["user"])


def _after(marked: Row, units: Iterable[Row]) -> str:
    parts = [unit for unit in units if marked["uuid"] in (unit["uuid"], unit["parent"])]
    holders = sorted({_owner(unit["lease"]) for unit in parts if unit["lease"]})
    if not holders:
        return "nobody gets it."
    verb = "keeps" if len(holders) == 1 else "keep"
    return f"{', '.join(holders)} {verb} it until their server ends, then nobody gets it."


def undrained(unit: Row) -> str:
    """Return what became of a unit whose mark was taken back."""
    if unit["health"] == "ok":
        return "can be leased again."
    if unit["parent"] and unit["health"] in ("drained", "quarantined"):
        gpu = unit["parent"]
        return f"is a part of {gpu}, which is {_health(unit)}. See: room gpu undrain {gpu}"
    return f"is {unit['health']} still, and nobody gets it before it is well: {unit['why']}"


# --- the hub ------------------------------------------------------------------------------------


def _gpus(what: str) -> dict[str, Any]:
    return hubapi.get(what, "gpus")


def _units() -> list[Row]:
    found: list[Row] = _gpus("The GPUs")["units"]
    return found


# --- what a person sees -------------------------------------------------------------------------


def _dump(what: Mapping[str, Any]) -> None:
    click.echo(json.dumps(what, indent=2, ensure_ascii=False))


def _print_units(units: Sequence[Row], now: float) -> None:
    rows = [
        (
            unit["uuid"],
            _model(unit),
            _health(unit),
            _holder(unit["lease"]),
            since(unit["lease"] and unit["lease"]["granted"], now),
            until(unit["lease"] and unit["lease"]["ends"], now),
            use(unit["use"], held=unit["lease"] is not None),
        )
        for unit in units
    ]
    _table(("GPU", "model", "health", "held by", "for", "ends in", "use"), rows)


def _print_queue(waiting: Sequence[Row], now: float) -> None:
    rows = [
        (
            str(one["position"]),
            _owner(one),
            one["class"],
            str(one["request"]),
            since(one["arrived"], now),
            until(one["at"], now) or "not known",
            f"{one['basis']}{' Waits longer than the rule allows.' if one['overdue'] else ''}",
        )
        for one in waiting
    ]
    _table(("place", "who", "class", "wants", "waits for", "served in", "because"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, box=None, pad_edge=False)
    # A UUID that is cut off cannot be copied into the next command.
    table.columns[0].no_wrap = True
    table.columns[0].overflow = "ignore"
    for row in rows:
        # Text, not markup: a login may hold square brackets.
        table.add_row(*map(Text, row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no edge
    console.print(table)


def _model(unit: Row) -> str:
    part = {"mig": ", MIG instance", "seat": ", seat (cooperative)"}.get(unit["kind"], "")
    return f"{unit['model']}, {unit['memory_mib'] / 1024:.0f} GiB{part}"


def _health(unit: Row) -> str:
    return f"{unit['health']}: {unit['why']}" if unit["why"] else str(unit["health"])


def _holder(lease: Row | None) -> str:
    if lease is None:
        return "free"
    return _owner(lease) if lease["ready"] else f"{_owner(lease)} (starting)"


def since(when: str | None, now: float) -> str:
    """Return how long ago the ISO time ``when`` was, in words; nothing without one."""
    from cli.status import age

    return age(max(0.0, now - datetime.fromisoformat(when).timestamp())) if when else ""


def until(when: str | None, now: float) -> str:
    """Return how long it is until the ISO time ``when``, in words; nothing without one."""
    from cli.status import age

    if not when:
        return ""
    left = datetime.fromisoformat(when).timestamp() - now
    return age(left) if left > 0 else "now"


def use(found: Row | None, held: bool = False) -> str:
    """Return a unit's use in words; what the driver does not tell is left out.

    ``held``: somebody holds the unit, and what their own server uses is told too.
    """
    if not found:
        return ""
    parts = []
    if found.get("utilisation") is not None:
        parts.append(f"{found['utilisation']:.0f} %")
    if found.get("memory_used_mib") is not None:
        total = found.get("memory_total_mib")
        of = f" of {total / 1024:.1f}" if total is not None else ""
        parts.append(f"{found['memory_used_mib'] / 1024:.1f}{of} GiB")
    if found.get("temperature") is not None:
        parts.append(f"{found['temperature']:.0f} °C")
    if held:
        own = found.get("held_mib")
        parts.append("holder's not told" if own is None else f"holder's {own / 1024:.1f} GiB")
    return ", ".join(parts)


def unknown_use(units: Iterable[Row], problem: str) -> str:
    """Say what is not known of the use, for the ``problem`` that the hub names; nothing if all is.

    The cards may tell how they are used while nobody tells the servers on them apart.
    """
    if not problem:
        return ""
    what = "How" if not any(unit["use"] for unit in units) else "By whom"
    return f"{what} the GPUs are used is not known: {problem}. See: room status"
