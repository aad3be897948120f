"""What ``room doctor`` and ``room up`` found on the host, kept for the console's page.

The facts are kept, and not the findings: whoever reads them applies the rules, in their language
and on their day. A certificate that has ended since then is known by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from room.doctor.facts import Facts

#: Under ``<data_root>/state``.
NAME = "doctor.json"


@dataclass(frozen=True, slots=True)
class Report:
    """Facts, when they were gathered in seconds since 1970, and by which command."""

    at: float
    by: Literal["doctor", "up"]
    facts: Facts


_REPORT = TypeAdapter(Report)


def dumps(report: Report) -> str:
    return _REPORT.dump_json(report, indent=1).decode() + "\n"


def loads(text: str) -> Report:
    """Read back what ``dumps`` wrote. Raises ``ValueError`` for what another release wrote."""
    return _REPORT.validate_json(text)


def read(state: Path) -> Report | None:
    """Return the report in a room's state; None: nobody has looked, or not in this release."""
    try:
        return loads((state / NAME).read_text())
    except (OSError, ValueError):
        return None
