"""One throwaway student's way through a lesson, as a real one's browser goes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.errors import Problem
from cli.lesson import code_cells
from room.rehearsal.model import Cell, Peaks, Start
from room.rehearsal.model import Student as Result

if TYPE_CHECKING:
    from cli.kernel import Kernel
    from cli.student import Student
    from cli.studentserver import Server, Stage

#: What a failed cell said is kept up to this length.
WORDS = 300


@dataclass(frozen=True, slots=True)
class Lesson:
    """The notebook, by its path in a home. ``content``: to be put there first; None: it is there.

    ``patience``: seconds that one cell may take. ``keep_going``: also after a cell that failed.
    """

    path: str
    content: Mapping[str, Any] | None = None
    patience: float = 600.0
    keep_going: bool = False


class Way:
    """What one student does, and how it went so far."""

    def __init__(
        self,
        number: int,
        student: Student,
        lesson: Lesson,
        options: Mapping[str, Any],
        cpu: Callable[[], float | None],
    ) -> None:
        """``cpu`` returns the CPU-seconds of the student's server so far, if anybody can tell."""
        self.number = number
        self.student = student
        self._lesson = lesson
        self._options = options
        self._cpu = cpu
        self._start: Start | None = None
        self._cells: list[Cell] = []
        self._burned: float | None = None
        self._problem = ""
        #: The code of each cell, once it is read.
        self.code: list[str] = []
        #: Where it is, in a word or two.
        self.at = "to come"

    def result(self, peaks: Peaks) -> Result:
        return Result(
            self.number, self._start, tuple(self._cells), peaks, self._burned, self._problem
        )

    async def go(self, token: str, delay: float, stay: Callable[[], Any]) -> None:
        """Come after ``delay`` seconds, do the lesson, then wait for ``stay`` before leaving.

        What goes wrong on the way ends it, and is in the result.
        """
        await asyncio.sleep(delay)
        try:
            await self._go(token)
        except Problem as problem:
            self._problem = problem.message
        self.at = "done" if not self._problem else "failed"
        await stay()

    async def leave(self) -> None:
        """Stop the server, so that its GPUs are the next one's."""
        try:
            if self.student.name and await self.student.server().model() is not None:
                await self.student.server().stop()
        except Problem as problem:
            self._problem = self._problem or problem.message

    async def _go(self, token: str) -> None:
        self.at = "logging in"
        await self.student.log_in(token)
        server = self.student.server()
        began = asyncio.get_running_loop().time()
        stages = await self._ready(server)
        ready = asyncio.get_running_loop().time() - began
        await server.open()
        async with server.kernel(self._lesson.path) as kernel:
            await _count(kernel)
            usable = asyncio.get_running_loop().time() - began
            self._start = Start(durations(stages), ready, usable, queued(stages))
            if self._lesson.content is not None:
                await server.write_notebook(self._lesson.path, self._lesson.content)
            self.code = code_cells(await server.read(self._lesson.path), self._lesson.path, "")
            before = self._cpu()
            try:
                await self._run(kernel)
            finally:
                after = self._cpu()
                if before is not None and after is not None:
                    self._burned = after - before

    async def _ready(self, server: Server) -> list[Stage]:
        stages = []
        async for stage in server.start(self._options):
            stages.append(stage)
            self.at = str(stage.event.get("stage") or self.at)
        return stages

    async def _run(self, kernel: Kernel) -> None:
        clock = asyncio.get_running_loop().time
        for place, code in enumerate(self.code, 1):
            self.at = f"cell {place}"
            began = clock()
            try:
                outcome = await kernel.execute(code, self._lesson.patience)
            except Problem as problem:
                self._cells.append(Cell(clock() - began, problem.message))
                raise
            error = "" if outcome.ok else outcome.error or outcome.status
            self._cells.append(Cell(outcome.seconds, error[:WORDS]))
            if error and not self._lesson.keep_going:
                return


async def _count(kernel: Kernel) -> None:
    outcome = await kernel.execute("1+1")
    if outcome.result != "2":
        raise Problem(f"1+1 is {outcome.result or outcome.error!r} in this kernel.")


def durations(stages: list[Stage]) -> dict[str, float]:
    """Return how long each stage took that another came after, by the hub's own clock. Pure.

    Who reads a start's events a moment late is told at once of what was before.
    """
    begins: dict[str, float] = {}
    for stage in stages:
        name, elapsed = stage.event.get("stage"), stage.event.get("elapsed")
        if name and elapsed is not None:
            begins.setdefault(str(name), float(elapsed))
    return {
        name: round(max(0.0, end - begin), 3)
        for (name, begin), end in zip(begins.items(), list(begins.values())[1:], strict=False)
    }


def queued(stages: list[Stage]) -> bool:
    """Say whether a start had to wait for a GPU. Pure."""
    return any(stage.event.get("waiting") for stage in stages)
