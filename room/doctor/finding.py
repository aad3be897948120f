"""What one rule says about a machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "fatal"]

#: Exit statuses of ``room doctor``.
STATUS: dict[Level, int] = {"ok": 0, "warning": 1, "fatal": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: its state, what that means, and the exact remedy.

    ``id`` is its heading in docs/how-to/troubleshooting.md. ``prepare`` names the
    part of the machine that ``room up`` makes (a role of Ansible), or is empty.
    """

    id: str
    level: Level
    title: str
    meaning: str = ""
    remedy: str = ""
    prepare: Literal["", "engine", "gpu", "data"] = ""

    @property
    def fixable_by_up(self) -> bool:
        return bool(self.prepare)


def ok(id: str, title: str, meaning: str = "") -> Finding:
    return Finding(id, "ok", title, meaning)


def status(findings: Iterable[Finding]) -> int:
    """Return 0, 1 when there are warnings, 2 when the room cannot work."""
    return max((STATUS[finding.level] for finding in findings), default=0)
