"""What a person is told when a command cannot go on: the rule, the number, what to do."""

from __future__ import annotations

import errno
from typing import IO, Any

import click

#: Exit statuses of every ``room`` command.
OK, WARNINGS, FAILED = 0, 1, 2


class Problem(click.ClickException):
    """A refusal in words. ``remedy`` says what to do next, ``status`` is the exit status."""

    def __init__(self, message: str, remedy: str = "", status: int = FAILED) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.exit_code = status

    def show(self, file: IO[Any] | None = None) -> None:
        # Text, not markup: a file name or a login may hold square brackets.
        from rich.console import Console
        from rich.text import Text

        console = Console(stderr=True) if file is None else Console(file=file)
        console.print(Text("✗ ", style="bold red") + Text(self.message), soft_wrap=True)
        for line in self.remedy.splitlines():
            console.print(Text("  → ", style="cyan") + Text(line), soft_wrap=True)


def from_os_error(error: OSError) -> Problem:
    """Return what an operating system's error means to the person at the keyboard."""
    where = f" {error.filename}" if error.filename else ""
    if isinstance(error, PermissionError):
        return Problem(
            f"You may not read or change{where or ' what this command needs'}.",
            "Run the same command with sudo.",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problem(
            f"There is no space left{' to write' + where if where else ' on the disk'}.",
            "Free some space (room doctor says how much is needed, and where), then run it again.",
        )
    if error.errno == errno.EROFS:
        return Problem(
            f"The file system of{where or ' the data root'} is read-only.",
            "Choose another data_root in room.yaml, or mount it read-write.",
        )
    if isinstance(error, FileNotFoundError):
        return Problem(f"There is no file or directory{where}.", "Check the path.")
    return Problem(f"{error.strerror or error}{':' + where if where else ''}.")


def in_words(error: Exception) -> Problem:
    """Return what an error that reached the command line means to a person.

    By name, so that ``room --help`` imports neither Docker nor a database.
    """
    kind = type(error)
    remedy = getattr(error, "remedy", None)
    if isinstance(remedy, str):
        return Problem(str(error), remedy)
    if kind.__name__ == "EngineUnavailableError":
        return Problem(f"{_sentence(error)}.", "See what is wrong with it: room doctor")
    if kind.__name__ == "EngineRefusedError":
        return Problem(
            f"The Docker Engine refused: {_sentence(error)}.", "room doctor may say why."
        )
    if kind.__module__.startswith(("sqlite3", "sqlalchemy")) and (known := _database(error)):
        return known
    return Problem(
        f"room came to something it does not know how to handle: {_sentence(error)}.",
        "Run the same command with ROOM_DEBUG=1 in front, and report what it prints.",
    )


#: What SQLite says → what it means, and what to do.
_DATABASE = {
    "disk is full": (
        "There is no space left for the room's database.",
        "Free some space (room doctor says how much is needed, and where), then run it again.",
    ),
    "disk I/O error": (
        "The disk of the room's database does not work as it should.",
        "Look at the end of: sudo dmesg. Copy the data root off that disk before anything else.",
    ),
    "readonly database": (
        "You may not change the room's database.",
        "Run the same command with sudo.",
    ),
    "unable to open database": (
        "You may not open the room's database.",
        "Run the same command with sudo.",
    ),
    "database is locked": (
        "Something else has been writing to the room's database for a long time.",
        "Run it again in a minute. If it stays, look at the hub: room status",
    ),
    "malformed": (
        "The room's database is damaged.",
        "Stop the room (make down), put back state/torchroom.sqlite of your last backup, and make "
        "up.",
    ),
}


def _database(error: Exception) -> Problem | None:
    said = str(error)
    return next((Problem(*words) for text, words in _DATABASE.items() if text in said), None)


def _sentence(error: Exception) -> str:
    """Return an error's first line, or its kind when it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
