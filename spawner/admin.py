"""What `room gpu` asks the hub: units and the queue, taking a unit out of use, ending a lease."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jupyterhub.scopes import needs_scope
from pydantic import BaseModel, Field, ValidationError
from tornado import web

from engine.client import EngineRefusedError, EngineUnavailableError
from room.doctor import live
from room.gpus.use import Use
from room.models import GPUUnit, Lease
from spawner.handlers import RoomAPIHandler
from spawner.keeper import NAME as KEEPER
from spawner.line import LineHandler, line
from spawner.live import look
from spawner.lowered import end_all_over
from spawner.services import Services
from spawner.spawner import RoomSpawner

#: What may be done to a unit → the mark it leaves.
MARKS = {"drain": "drained", "undrain": "", "quarantine": "quarantined"}


class Request(BaseModel):
    #: From where the console was asked to do it, as its own changes say it; empty: by nobody.
    origin: str = Field("", pattern=r"^(console (page|api) [0-9A-Za-z.:%_-]{0,45})?$")


class UnitRequest(Request):
    unit: str = Field(min_length=1, max_length=96)
    why: str = Field("", max_length=1000)


class PlanRequest(Request):
    #: None: everyone.
    users: list[str] | None = None


class LeaseRequest(Request):
    lease: str = Field(min_length=1, max_length=36)


class TicketRequest(Request):
    ticket: str = Field(min_length=1, max_length=36)


class AdminHandler(RoomAPIHandler):
    """Open to the room itself, and to who may administer every server."""

    @property
    def services(self) -> Services:
        return RoomSpawner(config=self.config, log=self.log).shared_services()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code == 403:
            # `room gpu` tells by the status that it is not known here.
            self.set_header("Content-Type", "application/json")
            self.say({"message": self.words("This is for the room's admins.")})
            return
        error = kwargs.get("exc_info", (None, None))[1]
        message = getattr(error, "log_message", None) if status_code in (400, 409) else None
        if message:
            self.set_header("Content-Type", "application/json")
            self.say({"message": message})
            return
        super().write_error(status_code, **kwargs)

    def body(self, model: type[BaseModel]) -> Any:
        try:
            return model.model_validate_json(self.request.body)
        except ValidationError as error:
            raise web.HTTPError(400, f"The request is not understood: {error.title}") from None

    @property
    def actor(self) -> str:
        return str(self.current_user.name)

    def origin(self, asked: Request) -> str:
        """Say for the audit from where something is done: the command, the console, or here."""
        if asked.origin:
            return asked.origin
        if self.current_user.kind == "service":
            return "command" if self.actor == KEEPER else "hub"
        return f"hub {self.request.remote_ip}"


class UnitsHandler(AdminHandler):
    """``GET room/admin/gpus``: every unit, who holds it and how it is used; everyone who waits."""

    @needs_scope("admin:servers")
    async def get(self) -> None:
        services = self.services
        leases = await services.store.run(services.broker.leases)
        units = await services.store.run(services.broker.units)
        use = await services.gpu_use()
        holders = {unit: lease for lease in leases for unit in lease.units}
        self.say(
            {
                "units": [_unit(unit, holders.get(unit.uuid), use) for unit in units],
                "use_problem": use.problem,
                "queue": await line(services),
            }
        )


class LiveHandler(AdminHandler):
    """``GET room/admin/live``: what is known of the machine and the room, for doctor's rules."""

    @needs_scope("admin:servers")
    async def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.say(live.dumps(await look(self.services)))


class MarkHandler(AdminHandler):
    """``POST room/admin/drain`` and its kind: who holds the unit keeps it, nobody new gets it."""

    @needs_scope("admin:servers")
    async def post(self, action: str) -> None:
        asked, services = self.body(UnitRequest), self.services
        units = await services.store.run(services.broker.units)
        if asked.unit not in {name for unit in units for name in (unit.uuid, unit.parent)}:
            raise web.HTTPError(409, f"There is no unit {asked.unit} in this room.")
        mark, origin = MARKS[action], self.origin(asked)
        await services.store.run(
            services.broker.mark, asked.unit, mark, asked.why, self.actor, origin
        )
        self.say({})


class ReleaseHandler(AdminHandler):
    """``POST room/admin/release``: end a lease, and the server that has it."""

    @needs_scope("admin:servers")
    async def post(self) -> None:
        asked, services = self.body(LeaseRequest), self.services
        lease = await services.store.run(services.broker.lease, asked.lease)
        if lease is None:
            raise web.HTTPError(409, "That lease has ended already.")
        await services.store.run(
            services.broker.note,
            self.actor,
            "lease-release",
            str(lease.owner),
            lease.id,
            self.origin(asked),
        )
        spawner = services.spawners.get(lease.owner)
        try:
            stopped = spawner is not None and await spawner.end_for_admin()
        except (EngineRefusedError, EngineUnavailableError) as error:
            raise web.HTTPError(
                409, f"The engine did not stop the server, so its lease stays ({error})"
            ) from error
        if not stopped:
            # No container has it: nothing but the row is left.
            await services.store.run(services.broker.release, lease.id)
        self.say({})


class DequeueHandler(AdminHandler):
    """``POST room/admin/dequeue``: take a place in the queue away, and end the start behind it."""

    @needs_scope("admin:servers")
    async def post(self) -> None:
        asked, services = self.body(TicketRequest), self.services
        waiting = await services.waiting.tickets()
        ticket = next((each.ticket for each in waiting if each.ticket.id == asked.ticket), None)
        if ticket is None or not await services.waiting.remove(ticket.id):
            raise web.HTTPError(
                409,
                "That start does not wait any more: its turn came, or its owner left the queue.",
            )
        await services.store.run(
            services.broker.note,
            self.actor,
            "queue-remove",
            str(ticket.owner),
            str(ticket.request),
            self.origin(asked),
        )
        self.say({})


class PlanHandler(AdminHandler):
    """``POST room/admin/plans``: end what runs over its plan, of some users or of all."""

    @needs_scope("admin:servers")
    async def post(self) -> None:
        asked, services = self.body(PlanRequest), self.services
        concerned = None if asked.users is None else set(asked.users)
        try:
            ended = await end_all_over(services, concerned)
        except (EngineRefusedError, EngineUnavailableError) as error:
            raise web.HTTPError(409, f"The engine did not stop a server ({error})") from error
        for owner in ended:
            await services.store.run(
                services.broker.note,
                self.actor,
                "server-over-plan",
                str(owner),
                "",
                self.origin(asked),
            )
        self.say({"ended": [str(owner) for owner in ended]})


def _unit(unit: GPUUnit, lease: Lease | None, use: Use) -> dict[str, Any]:
    return {
        "uuid": unit.uuid,
        "index": unit.index,
        "model": unit.model,
        "kind": unit.kind,
        "parent": unit.parent,
        "memory_mib": unit.memory_mib,
        "health": unit.health,
        "why": unit.why,
        "lease": None
        if lease is None
        else {
            "id": lease.id,
            "user": lease.owner.user,
            "server": lease.owner.server,
            "granted": _iso(lease.granted_at),
            "ends": _iso(lease.ends_at),
            "ready": _iso(lease.ready_at),
        },
        "use": _use(unit, lease, use),
    }


def _use(unit: GPUUnit, lease: Lease | None, use: Use) -> dict[str, Any] | None:
    """Return the use of a unit: of a seat, that of its whole card. Memory in MiB, heat in °C.

    ``held_mib`` is the holder's own; None, like all the rest, where nobody tells.
    """
    found = use.unit(unit.device)
    if found is None:
        return None
    return {
        "utilisation": found.utilisation,
        "memory_used_mib": found.memory_used_mib,
        "memory_total_mib": found.memory_total_mib,
        "temperature": found.temperature,
        "held_mib": use.memory_of(lease.owner, unit.device) if lease else None,
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def routes() -> list[tuple[str, type[RoomAPIHandler]]]:
    """Return the handlers, under the hub's prefix."""
    return [
        (r"/room/admin/gpus", UnitsHandler),
        (r"/room/admin/live", LiveHandler),
        (r"/room/admin/(drain|undrain|quarantine)", MarkHandler),
        (r"/room/admin/release", ReleaseHandler),
        (r"/room/admin/dequeue", DequeueHandler),
        (r"/room/admin/plans", PlanHandler),
        (r"/room/line", LineHandler),
    ]
