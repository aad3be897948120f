"""``docker compose`` on one room, with the files that ``room up`` wrote."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from cli import context, state
from cli.errors import Problem
from room.settings import Settings


def _command(settings: Settings, arguments: Sequence[str]) -> list[str]:
    place = state.directory(settings)
    return [
        "docker",
        f"--host=unix://{settings.engine_socket}",
        "compose",
        f"--env-file={place / 'compose.env'}",
        f"--file={context.project_root() / 'docker-compose.yml'}",
        *(f"--file={place / name}" for name in state.COMPOSE_FILES if (place / name).exists()),
        *arguments,
    ]


def run(settings: Settings, *arguments: str) -> str:
    """Run one compose command; return what it printed, or raise its last words as ``Problem``."""
    done = subprocess.run(
        _command(settings, arguments), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Problem(
            f"docker compose {arguments[0]} did not succeed:\n{_tail(done.stderr, 12)}",
            "See the logs with: docker compose --project-name "
            f"{settings.name} logs --tail 50\nand check the machine with: room doctor",
        )
    return done.stdout


def _tail(text: str, count: int) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-count:])
