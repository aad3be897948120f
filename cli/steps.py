"""The steps of a long command, as a person sees them: what is done, what runs, for how long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

console = Console(highlight=False)


class Step:
    """One running step; ``say`` changes what stands behind its title."""

    def __init__(self, title: str, status: Status | None) -> None:
        self.title = title
        self._status = status
        self._began = time.monotonic()
        self.note = ""

    def say(self, detail: str) -> None:
        """Show ``detail`` beside the title; where there is no terminal, as a line of its own."""
        text = f"{self.title}: {detail}  [{self.elapsed}]"
        if self._status is not None:
            self._status.update(text.replace("[", r"\["))
        else:
            console.print(f"  … {text}", markup=False, soft_wrap=True)

    @property
    def elapsed(self) -> str:
        seconds = time.monotonic() - self._began
        return (
            f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
        )


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Show ``title`` while the body runs, and with the time it took when it is done."""
    status = console.status(title) if console.is_terminal else None
    current = Step(title, status)
    if status is None:
        console.print(f"… {title}", markup=False)
    else:
        status.start()
    try:
        yield current
    except BaseException:
        if status is not None:
            status.stop()
        console.print(f"✗ {title}  [{current.elapsed}]", style="red", markup=False)
        raise
    if status is not None:
        status.stop()
    note = f": {current.note}" if current.note else ""
    console.print(f"✓ {title}{note}  [{current.elapsed}]", markup=False, soft_wrap=True)
