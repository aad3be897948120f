"""A student's whole way through a running room, step by step, and cleaning up after it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from cli import guests, lesson, steps
from cli.errors import Problem

if TYPE_CHECKING:
    from cli.steps import Step
    from cli.student import Student
    from cli.studentserver import Server
    from room.store import Store

#: The file that must outlive its server, in the home of the guest.
FILE = "room-smoke.txt"

#: How long one cell of the lesson may take, in seconds: the first one imports PyTorch.
CELL = 600.0


@dataclass(slots=True)
class Done:
    """One step of the way, as it went."""

    step: str
    seconds: float
    ok: bool
    note: str = ""


@dataclass(slots=True)
class Report:
    """What was done so far, and what went wrong."""

    done: list[Done] = field(default_factory=list)
    problem: Problem | None = None
    #: What cleaning up could not remove, in words.
    left: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.problem is None and not self.left

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show and time one step; what it raises goes on upwards."""
        began, ok = monotonic(), False
        note = ""
        try:
            with steps.step(title) as current:
                try:
                    yield current
                    ok = True
                finally:
                    note = current.note
        finally:
            self.done.append(Done(title, round(monotonic() - began, 3), ok, note))


@dataclass(frozen=True, slots=True)
class Room:
    """Where to go, and what to expect there."""

    store: Store
    browser: Callable[[], Student]
    profile: str
    promise: lesson.Promise


class Guest:
    """A throwaway student in one room: comes in, and leaves nothing but a home."""

    def __init__(self, room: Room, name: str) -> None:
        self.room = room
        self.name = guests.check_name(name)
        self.student = room.browser()
        self.token = ""

    async def enter(self) -> Server:
        """Make the guest, log in, and return the default server, stopped."""
        self.token = guests.invite(self.room.store, self.name)
        await self.student.log_in(self.token)
        server = self.student.server()
        if await server.model() is not None:
            await server.stop()
        return server

    async def leave(self, report: Report) -> None:
        """Stop the server, and forget the guest even when that fails. Never raises."""
        try:
            if self.student.name:
                server = self.student.server()
                if await server.model() is not None:
                    await server.stop()
        except Problem as problem:
            report.left.append(f"the server of {self.name}: {problem.message}")
        finally:
            await self.student.http.aclose()
            self._forget(report)

    def _forget(self, report: Report) -> None:
        try:
            guests.forget(self.room.store, self.name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest is still to be cleaned up
            report.left.append(f"the guest {self.name} and the login link: {error}")


async def walk(room: Room, name: str, report: Report, *, keep: bool = False) -> str:
    """Go the whole way as ``name``, and leave nothing but the home.

    Everything is in ``report``: the steps, the first problem, and what is left.
    With ``keep`` a way that went well ends with the server running; the token
    that is returned then works on until it expires.
    """
    guest = Guest(room, name)
    kept = False
    try:
        server = await _way(guest, report)
        if keep:
            kept = True
        else:
            await _stop(report, server)
    except Problem as problem:
        report.problem = problem
    finally:
        if kept:
            await guest.student.http.aclose()
        else:
            with report.step("Cleaning up"):
                await guest.leave(report)
    return guest.token


async def _way(guest: Guest, report: Report) -> Server:
    """Return the server, running for the second time."""
    profile = guest.room.profile
    with report.step(f"Logging in as {guest.name} with a token"):
        server = await guest.enter()
    await _start(report, server, f"Starting a server, profile {profile}", {"profile": profile})
    with report.step("Opening JupyterLab through the proxy"):
        await server.open()
    seen = await _lesson(report, server)
    with report.step("Seeing the loss fall") as current:
        current.note = lesson.judge_loss(seen.losses).demand()
    with report.step("Checking the device") as current:
        current.note = lesson.judge_device(guest.room.promise, seen).demand()
    text = secrets.token_hex(16)
    with report.step("Writing a file"):
        await server.write(FILE, text)
    await _stop(report, server)
    # Without options: the room must remember what was chosen.
    await _start(report, server, "Starting again", None)
    with report.step("Finding the file"):
        await server.open()
        await _find(server, text)
    with report.step("Tidying the home for the next time"):
        async with server.kernel() as kernel:
            await kernel.execute(lesson.FORGET)
    return server


async def _start(
    report: Report, server: Server, title: str, options: dict[str, str] | None
) -> None:
    with report.step(title) as current:
        said = ""
        async for stage in server.start(options):
            if stage.message != said and not stage.ready:
                current.say(stage.message)
            said = stage.message


async def _stop(report: Report, server: Server) -> None:
    with report.step("Stopping the server, until it is gone"):
        await server.stop()


async def _lesson(report: Report, server: Server) -> lesson.Facts:
    """Run the lesson that lies in the home, and return what its kernel says afterwards."""
    with report.step(f"Running {lesson.PATH}") as current:
        cells = lesson.code_cells(await server.read(lesson.PATH))
        pictures = 0
        async with server.kernel(lesson.PATH) as kernel:
            for number, cell in enumerate(cells, 1):
                current.say(f"cell {number} of {len(cells)}")
                outcome = await kernel.execute(cell, CELL)
                if not outcome.ok:
                    raise Problem(
                        f"Cell {number} of {lesson.PATH}: {outcome.error or outcome.status}.",
                        lesson.FRESH,
                    )
                pictures += sum("image/png" in shown for shown in outcome.shown)
            seen = lesson.facts((await kernel.execute(lesson.PROBE, CELL)).stdout)
        if not pictures:
            raise Problem(
                f"{lesson.PATH} showed no plot.",
                lesson.FRESH,
            )
        current.note = f"{len(cells)} cells, {pictures} plot{'s' * (pictures != 1)}"
        return seen


async def _find(server: Server, text: str) -> None:
    found = (await server.read(FILE)).get("content")
    if found != text:
        raise Problem(
            f"{FILE} does not hold what was written before the stop.",
            "The home did not survive: is its volume bound to the data root? room doctor",
        )
    await server.remove(FILE)
