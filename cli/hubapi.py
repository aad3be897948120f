"""The hub of a running room, asked as the machine's admin: with the room's own token."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cli import context
from cli.errors import Problem

if TYPE_CHECKING:
    import httpx

    from cli.student import Student
    from room.settings import Settings

#: Under ``<data_root>/state``. Only root and the room may read it, and so only they may ask.
TOKEN = "secrets/hub_token"  # noqa: S105 - where it is, not what it is


def get(what: str, path: str) -> dict[str, Any]:
    """Return what the hub answers at ``room/admin/<path>``.

    ``what`` names the question in a failure's words. Raises ``Problem`` when the hub refuses,
    does not answer, or does not know the room's token.
    """
    return asyncio.run(ask(what, "GET", path))


def post(what: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Tell the hub to do something, and return its answer. Raises like ``get``."""
    return asyncio.run(ask(what, "POST", path, json=body))


async def ask(what: str, method: str, path: str, **how: Any) -> dict[str, Any]:
    """Ask the hub without waiting for others; see ``get`` and ``post``."""
    from cli.student import Student

    settings = context.settings()
    headers = authorization(settings)
    async with Student(settings.address, ca_file=context.internal_ca(settings)) as hub:
        answer = await hub.send(what, method, f"hub/room/admin/{path}", headers=headers, **how)
        return _read(what, answer, hub)


def _read(what: str, answer: httpx.Response, hub: Student) -> dict[str, Any]:
    from cli.student import own_words, refused

    if answer.status_code in (401, 403):
        raise Problem(
            f"{what}: the hub at {hub.origin} does not know this room's own token.",
            "Run make up, which tells it to the hub again.",
        )
    if answer.status_code == 404 and not own_words(answer):
        raise Problem(
            f"{what}: the hub at {hub.origin} is of an older release.",
            "Run make up, which starts the hub of this one.",
        )
    if 400 <= answer.status_code < 500 and (said := own_words(answer)):
        raise Problem(f"{said}.")
    if answer.status_code >= 400:
        raise refused(what, answer)
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Problem(
            f"{what}: what answers at {hub.origin} is no hub of a room.",
            "Check the address in room.yaml.",
        )
    return found


def authorization(settings: Settings) -> dict[str, str]:
    """Return the header by which the hub knows the room itself."""
    return {"Authorization": f"token {_token(settings)}"}


def _token(settings: Settings) -> str:
    try:
        return (settings.data_root / "state" / TOKEN).read_text().strip()
    except FileNotFoundError as error:
        raise Problem("This room has no token for its hub yet.", "Run make up.") from error
