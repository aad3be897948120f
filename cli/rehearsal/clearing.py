"""Takes a rehearsal away again: servers, the hub's users, rows, volumes, and the guests' homes.

What is to be taken away is written down before anything is made. So a command that was killed on
the way leaves nothing for good: the next one takes it away first. Each step may be repeated.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import hubapi, state
from cli.errors import Problem
from cli.people import actor
from room import classdirs, names
from room.guests import is_guest

if TYPE_CHECKING:
    from room.settings import Settings
    from room.store import Store

#: Under ``<data_root>/state``.
DIRECTORY = "rehearsals"
#: What is being rehearsed, for as long as something of it may be there.
RECORD, LOCK = "under-way.json", ".lock"
#: Seconds that the hub may take until it has ended everything: it may be starting anew.
PATIENCE = 300.0
#: So many guests are ended at once.
TOGETHER = 10
PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Record:
    """A class's rehearsal, and the guests that it makes: nobody had these logins before."""

    class_name: str
    logins: tuple[str, ...]


@contextmanager
def place(settings: Settings) -> Iterator[Path]:
    """Give the directory of rehearsals, to one command at a time."""
    directory = state.directory(settings) / DIRECTORY
    state.make_directory(directory)
    with (directory / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Problem(
                "Another rehearsal is going on in this room.", "Wait until it has ended."
            ) from error
        yield directory


def write(directory: Path, record: Record) -> None:
    """Write down what will be there, to outlive this process and the machine's power."""
    beside = directory / f".{RECORD}"
    text = json.dumps({"class_name": record.class_name, "logins": record.logins})
    with beside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(directory / RECORD)


def left_behind(directory: Path) -> Record | None:
    """Return what an earlier command did not come to take away."""
    try:
        told = json.loads((directory / RECORD).read_text())
    except FileNotFoundError:
        return None
    logins = tuple(login for login in told["logins"] if is_guest(login))
    return Record(str(told["class_name"]), logins)


def unused(settings: Settings, logins: Sequence[str]) -> None:
    """Raise ``Problem`` when something of these names is there: it would be somebody's."""
    for login in logins:
        if _home(settings, login).exists():
            raise Problem(
                f"There is a home of {login} already, and it is no rehearsal's to use.",
                "Look whose it is, and move it away.",
            )


async def clear(settings: Settings, store: Store, directory: Path, record: Record) -> list[str]:
    """Take everything of a rehearsal away; return what is still there, in words.

    While anything is, it stays written down, and the next rehearsal tries again.
    """
    left = await _end_servers(settings, record.logins)
    if not left:
        left = await _remove_from_engine(settings, record.logins)
    if not left:
        from room.rehearsal import guests

        guests.forget(store, record.class_name, actor())
        left = [*_remove_files(settings, record)]
    if not left:
        (directory / RECORD).unlink(missing_ok=True)
    return left


# -- the hub -----------------------------------------------------------------------------------


async def _end_servers(settings: Settings, logins: Sequence[str]) -> list[str]:
    """Let the hub end each guest's server and forget the guest."""
    from cli.student import Student, Timeouts

    slots, deadline = asyncio.Semaphore(TOGETHER), time.monotonic() + PATIENCE
    headers = hubapi.authorization(settings)
    async with Student(
        settings.address, ca_file=_authority(settings), timeouts=Timeouts(request=120.0)
    ) as hub:

        async def end(login: str) -> str:
            async with slots:
                return await _end(hub, headers, login, deadline)

        told = await asyncio.gather(*(end(login) for login in logins))
    return [words for words in told if words]


async def _end(hub: Any, headers: dict[str, str], login: str, deadline: float) -> str:
    """End one guest at the hub; return why not. A hub that is away is asked again."""
    path, why = f"hub/api/users/{login}", "the hub did not end it in time"
    while time.monotonic() < deadline:
        try:
            asked = await hub.send(f"Looking for {login}", "GET", path, headers=headers)
            if asked.status_code == 404:
                return ""
            if asked.status_code == 200:
                # A start that goes on has a server, too.
                what = f"{path}/server" if asked.json().get("servers") else path
                await hub.send(f"Removing {login}", "DELETE", what, headers=headers)
        except Problem as problem:
            why = problem.message
        await asyncio.sleep(PAUSE)
    return f"the server of {login}: {why}"


def _authority(settings: Settings) -> Path | None:
    from cli import context

    return context.internal_ca(settings)


# -- the engine --------------------------------------------------------------------------------


async def _remove_from_engine(settings: Settings, logins: Sequence[str]) -> list[str]:
    """Remove the volumes, which are names of homes; and containers that the hub knows no more."""
    from engine.client import Engine, EngineRefusedError, EngineUnavailableError
    from room.models import LABEL_KIND, LABEL_ROOM, LABEL_USER

    engine = Engine.at(f"unix://{settings.engine_socket}")
    left = []
    try:
        servers = await engine.containers({LABEL_ROOM: settings.name, LABEL_KIND: "server"})
        for each in servers:
            if each["Labels"].get(LABEL_USER) in logins:
                await engine.remove_until_gone(each["Id"])
        for login in logins:
            await engine.remove_volume(names.home_volume(settings.name, login))
    except (EngineUnavailableError, EngineRefusedError) as error:
        left.append(f"what the engine has: {error}")
    finally:
        engine.close()
    return left


# -- files -------------------------------------------------------------------------------------


def _home(settings: Settings, login: str) -> Path:
    return settings.data_root / "homes" / names.home_directory(login)


def _remove_files(settings: Settings, record: Record) -> Iterator[str]:
    """Remove the homes and what was handed in; yield what could not be.

    Nobody but guests had these logins: it was looked, and then they were written down.
    """
    handed_in = settings.data_root / "classes" / record.class_name / classdirs.HAND_IN
    for login in record.logins:
        for path in (_home(settings, login), handed_in / classdirs.hand_in_directory(login)):
            try:
                shutil.rmtree(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                yield f"{path}: {error.strerror}"
