"""How servers ended: read from the engine before a container goes, kept in our database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import delete, insert, select

from room import usage
from room.models import LABEL_PROFILE, Exit, Owner
from room.store import Store
from room.store.tables import server_exits


@dataclass(frozen=True, slots=True)
class Ended:
    """An exit with the memory limit (bytes) the server had; ``asked`` when a person stopped it.

    ``why``: the words with which the room ended it, as when a lease is over.
    """

    exit: Exit
    memory_limit: int | None
    asked: bool
    why: str = ""


def from_inspect(owner: Owner, container: Mapping[str, Any]) -> Exit | None:
    """Return how the container ended, or ``None`` when it runs or never ran."""
    state = container["State"]
    if state.get("Running") or state.get("Status") == "created":
        return None
    return Exit(
        owner=owner,
        code=int(state.get("ExitCode") or 0),
        oom_killed=bool(state.get("OOMKilled")),
        finished_at=docker_time(str(state.get("FinishedAt") or "")),
    )


def docker_time(text: str) -> datetime:
    """Read Docker's time, which has nanoseconds; year 1 means that there is none."""
    head = text[:19]
    try:
        found = datetime.fromisoformat(head).replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.now(timezone.utc)
    return found if found.year > 1 else datetime.now(timezone.utc)


def ran(owner: Owner, group: str, container: Mapping[str, Any]) -> usage.Ran:
    """Return what a container that runs, or has ended, reserved and since when."""
    host, state = container.get("HostConfig") or {}, container["State"]
    quota, period = host.get("CpuQuota") or 0, host.get("CpuPeriod") or 100_000
    end = from_inspect(owner, container)
    return usage.Ran(
        container=container["Id"],
        owner=owner,
        group=group,
        profile=(container["Config"].get("Labels") or {}).get(LABEL_PROFILE, ""),
        cores=host["NanoCpus"] / 1e9 if host.get("NanoCpus") else max(0, quota) / period,
        memory=max(0, host.get("Memory") or 0),
        begin=docker_time(str(state["StartedAt"])),
        end=None if end is None else end.finished_at,
    )


def note_use(store: Store, ran: usage.Ran) -> None:
    """Write a container down in the ledger; repeating it changes nothing."""
    with store.decide() as connection:
        usage.note(connection, ran)


def record(store: Store, ended: Ended) -> None:
    """Keep the last end of each server."""
    owner = ended.exit.owner
    with store.decide() as connection:
        connection.execute(delete(server_exits).where(*_is(owner)))
        connection.execute(
            insert(server_exits).values(
                user=owner.user,
                server=owner.server,
                code=ended.exit.code,
                oom_killed=ended.exit.oom_killed,
                memory_limit=ended.memory_limit,
                finished_at=ended.exit.finished_at,
                asked=ended.asked,
                why=ended.why,
            )
        )


def last_of_all(store: Store) -> dict[Owner, Ended]:
    """Return how each server ended last time."""
    with store.read() as connection:
        rows = connection.execute(select(server_exits)).all()
    ends = (
        Ended(
            Exit(Owner(row.user, row.server), row.code, row.oom_killed, row.finished_at),
            row.memory_limit,
            row.asked,
            row.why,
        )
        for row in rows
    )
    return {ended.exit.owner: ended for ended in ends}


def _is(owner: Owner) -> tuple[Any, ...]:
    return (server_exits.c.user == owner.user, server_exits.c.server == owner.server)
