"""The JSON interface to GPUs and to who waits for them: an admin's, and a class's staff's."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field

from console.fleet import Asked, asked
from console.guard import require_act
from console.parts import admin_of, parts_of
from room.said import reason


class MarkModel(BaseModel):
    """A unit by its UUID; that of a whole GPU is for all its seats and instances.

    ``why``: what is wrong with it, for a quarantine.
    """

    unit: Annotated[str, Field(min_length=1, max_length=96)]
    why: Annotated[str, Field(max_length=1000)] = ""


class ReleaseModel(BaseModel):
    """A lease, by its number in the list of units."""

    lease: Annotated[str, Field(min_length=1, max_length=36)]


class RemoveModel(BaseModel):
    """A place in the queue, by its ticket."""

    ticket: Annotated[str, Field(min_length=1, max_length=36)]


class DoneModel(BaseModel):
    """What was asked for is done, or under way."""

    done: bool = True


def add(made: APIRouter) -> None:
    """Add it to the console's."""

    async def do(request: Request, action: str, subject: str, why: str = "") -> DoneModel:
        parts, visit = await admin_of(request)
        try:
            wanted: Asked = asked(action, subject, why)
            await parts.desk.hub.change_fleet(visit.token, wanted, visit.origin)
        except ValueError as error:
            raise HTTPException(409, str(reason(error))) from error
        return DoneModel()

    @made.get("/gpus")
    async def gpus(request: Request) -> dict[str, Any]:
        """Return every GPU unit, who holds it, and who waits for one."""
        parts, visit = await admin_of(request)
        return asdict(await parts.desk.hub.fleet(visit.token))

    @made.post("/gpus/release")
    async def release(request: Request, wanted: ReleaseModel) -> DoneModel:
        """Stop the server that has a lease; its units are free once it is gone."""
        return await do(request, "release", wanted.lease)

    @made.post("/gpus/{action}")
    async def mark(
        request: Request, action: Literal["drain", "undrain", "quarantine"], wanted: MarkModel
    ) -> DoneModel:
        """Give a unit to nobody new, or give it out again. Who has it keeps it."""
        return await do(request, action, wanted.unit, wanted.why)

    @made.get("/queue")
    async def queue(request: Request) -> list[dict[str, Any]]:
        """Return who waits for a GPU, in the order in which they will be served."""
        parts, visit = await admin_of(request)
        return [asdict(each) for each in (await parts.desk.hub.fleet(visit.token)).queue]

    @made.post("/queue/remove")
    async def remove(request: Request, wanted: RemoveModel) -> DoneModel:
        """Take a place in the queue away; the start that waits ends, and says so."""
        return await do(request, "dequeue", wanted.ticket)

    @made.get("/classes/{name}/queue")
    async def class_queue(request: Request, name: str) -> list[dict[str, Any]]:
        """Return who of a class waits for a GPU: with their place in the whole queue."""
        parts = parts_of(request)
        visit = await parts.guard.visit(request)
        require_act(visit, "see", name)
        return [
            {
                "login": each.user,
                "server": each.server,
                "place": each.place,
                "of": each.of,
                "request": each.request,
                "arrived": each.arrived,
                "at": each.at,
                "basis": each.basis,
                "overdue": each.overdue,
            }
            for each in await parts.desk.class_line(name)
        ]
