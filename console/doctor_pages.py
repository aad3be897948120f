"""What is wrong with the machine and the room: what is known now, and what root found before."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from console.guard import Visit
from console.parts import Parts, admin_of
from room.doctor import Finding, Level, report
from room.doctor.checkup import Checkup, Found, checkup
from room.said import Said, said


def add(made: APIRouter) -> None:
    """Add the page to the console's; to look again is to ask for it again."""

    @made.get("/admin/doctor")
    async def doctor(request: Request) -> Response:
        parts, visit = await admin_of(request)
        found = await look(parts, visit)
        return parts.pages.page(
            request,
            "doctor.html",
            visit=visit,
            found=found,
            now=_by_level(found.now),
            before=_by_level(found.before),
            at=lambda seconds: parts.pages.when(datetime.fromtimestamp(seconds, timezone.utc)),
            ago=None if found.looked_at is None else ago(found.at - found.looked_at),
        )


def add_api(made: APIRouter) -> None:
    """Add the same to the JSON interface."""

    @made.get("/doctor")
    async def doctor(request: Request) -> dict[str, Any]:
        """Return what is found now, and what room doctor or room up found on the host."""
        parts, visit = await admin_of(request)
        found = await look(parts, visit)
        return {
            "at": found.at,
            "now": _findings(found.now),
            "host": {"at": found.looked_at, "by": found.by, "findings": _findings(found.before)},
        }


async def look(parts: Parts, visit: Visit) -> Checkup:
    """Ask the hub, read what root left, and apply the rules."""
    live = await parts.desk.hub.live(visit.token)
    left = await parts.desk.run(report.read, parts.settings.data_root / "state")
    return checkup(live, left, parts.settings)


def ago(seconds: float) -> Said:
    """Say how long ago something was."""
    minutes = max(0, int(seconds // 60))
    if minutes < 120:
        return said("%(count)s min ago", count=minutes)
    if minutes < 48 * 60:
        return said("%(count)s h ago", count=minutes // 60)
    return said("%(count)s days ago", count=minutes // (24 * 60))


def _by_level(found: Found) -> dict[Level, list[tuple[str, Finding]]]:
    """Return the findings with their groups, by how bad they are."""
    rows = [(group, each) for group, findings in found.items() for each in findings]
    levels: tuple[Level, ...] = ("fatal", "warning", "ok")
    return {level: [row for row in rows if row[1].level == level] for level in levels}


def _findings(found: Found) -> list[dict[str, Any]]:
    return [
        {"group": group, **asdict(finding)}
        for group, findings in found.items()
        for finding in findings
    ]
