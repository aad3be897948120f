"""The part of RoomSpawner that has to do with GPUs: leases, places in the queue, and their ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Literal

from jupyterhub.apihandlers import APIHandler

from room.gpus import watchdog
from room.gpus.events import Ticket
from room.gpus.forecast import Bid, Place, chances
from room.gpus.placement import refuse
from room.gpus.state import Shape
from room.homeuse import HomeUse
from room.models import GPUUnit, Lease, Owner, Reject, SpawnOptions
from room.plans.decide import Admit
from spawner import options, sessions, stages
from spawner.availability import Availability
from spawner.homefeed import warning
from spawner.notices import Notice
from spawner.refusal import Refusal
from spawner.services import Services
from spawner.sessions import End, Session
from spawner.spending import Spending
from spawner.waiting import Ending

#: Seconds for which a server keeps what it is told of its lease: usually, and while a warning may
#: come, which leaves a minute.
KEEP, KEEP_WATCHED = 30, 5
#: Seconds for which it is told that a program was ended for its memory.
TOLD_FOR = 600


class Leasing(Spending):
    """Asks for GPUs, waits for them, keeps them, and gives them back."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._lease: Lease | None = None
        self._ticket: Ticket | None = None
        #: Of the container that was last seen running.
        self._session: Session | None = None
        #: When a program was ended for its memory last, and what is said of it.
        self._memory_notice: tuple[float, Notice] | None = None
        #: Why the room itself ends the server, in words.
        self._end_words = ""
        #: How the lease ends, for the ledger.
        self._lease_end: Literal["ended", "returned"] = "ended"

    @property
    def owner(self) -> Owner:
        return Owner(self.user.name, self.name or "")

    @property
    def services(self) -> Services:
        return self.shared_services()

    def get_state(self) -> dict[str, Any]:
        """Also what a restarted hub has to know of the server that runs: whether it is capped."""
        state: dict[str, Any] = super().get_state()  # type: ignore[misc]
        if self.gpu_memory_cap is not None:
            state["gpu_memory_cap"] = self.gpu_memory_cap
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)  # type: ignore[misc]
        self.gpu_memory_cap = state.get("gpu_memory_cap")

    # -- a start -----------------------------------------------------------------------------

    async def _acquire(self) -> tuple[GPUUnit, ...]:
        """Lease the units this server needs, waiting for them if need be, or refuse in words."""
        admitted = self.admitted
        if admitted is None or admitted.gpus is None:
            return ()
        await self._may_spend(admitted.gpus)
        waiting = self.services.waiting
        verdict: Lease | Ticket | Reject | Ending = await self._effect(
            waiting.ask(
                self.owner,
                admitted.gpus,
                groups=[group.name for group in self.user.groups],
                lease_seconds=self.lease or None,
                cap=self._cap(admitted),
                origin=self._origin(),
            )
        )
        if isinstance(verdict, Ticket):
            self._ticket = verdict
            verdict = await waiting.turn(
                verdict,
                tell=self._tell_place,
                watched=lambda: self._progress.readers > 0,
                grace=self.queue_api_grace if self._origin() == "rest" else self.queue_grace,
                give_up=self.queue_give_up,
            )
            self._ticket = None
        if verdict is Ending.CPU:
            await self._admit()
            return ()
        if isinstance(verdict, Ending):
            raise Refusal(stages.waited_in_vain(verdict.value, self._waited_for(verdict)), 503)
        if isinstance(verdict, Reject):
            raise Refusal(verdict, 503)
        self._lease = verdict
        until = await self._spend(verdict)
        if until is not None:
            self._progress.tell(until)
        known = self.services.broker.inventory.by_uuid()
        return tuple(known[unit] for unit in verdict.units)

    def _cap(self, admitted: Admit) -> int | None:
        """Return the units that the user may hold at once: by the plan, and by the room's trait."""
        caps = [cap for cap in (admitted.cap, self.gpu_cap or None) if cap is not None]
        return min(caps, default=None)

    def _origin(self) -> str:
        """Say where the start was asked for: a page is looked at, a REST client may not be."""
        return "rest" if isinstance(self.handler, APIHandler) else "page"

    def _waited_for(self, ending: Ending) -> float:
        if ending is Ending.TOO_LONG:
            return self.queue_give_up
        return self.queue_api_grace if self._origin() == "rest" else self.queue_grace

    def _tell_place(self, place: Place, holding: int) -> None:
        at = None if place.at is None else datetime.fromtimestamp(place.at, timezone.utc)
        self._progress.tell(
            f"You are number {place.position} of {place.of} who wait for a GPU.",
            waiting={
                "position": place.position,
                "of": place.of,
                "holding": holding,
                "at": at.isoformat(timespec="seconds") if at else None,
                "basis": place.basis,
                "cpu": self._cpu_profile() is not None,
            },
        )

    async def _give_back(self, *, keep_place: bool) -> None:
        """Give up the place in the queue, and release what is leased: the container is gone.

        ``keep_place``: it was the hub that ended, and not the start: the ticket goes on waiting.
        """
        services, self._ticket = self.services, None
        if not keep_place:
            # Also a ticket that was written after the start that asked for it was cut short.
            for each in await services.waiting.tickets():
                if each.ticket.owner == self.owner:
                    await services.store.run(services.broker.leave, each.ticket.id)
        lease = await services.store.run(services.broker.held_by, self.owner)
        if lease is None:
            return
        if keep_place and lease.ready_at is None:
            await services.store.run(services.broker.requeue, lease.id)
        else:
            await services.store.run(services.broker.release, lease.id, self._lease_end)

    # -- while it waits ----------------------------------------------------------------------

    async def has_ticket(self) -> bool:
        """Say whether this server has a place in the queue, also before its start goes on."""
        tickets = await self.services.waiting.tickets()
        return any(waiting.ticket.owner == self.owner for waiting in tickets)

    async def start_on_cpu(self) -> Reject | None:
        """Let the start that waits for a GPU go on without one; or say why not."""
        slug, ticket = self._cpu_profile(), self._ticket
        if slug is None:
            return stages.no_cpu_profile()
        if ticket is None or not await self.services.waiting.divert(ticket.id):
            return stages.not_waiting()
        chosen: dict[str, Any] = {"profile": slug, **options.kept(self._options)}
        self._accept(chosen, options.with_profile(self._options, slug))
        self.user_options = dict(chosen)
        self.orm_spawner.user_options = dict(chosen)
        self.db.commit()
        return None

    def _cpu_profile(self) -> str | None:
        """Return the profile without GPUs to fall back on: the default one, if it is one."""
        profiles = self.resolved_profiles()
        plain = [
            p
            for p in profiles
            if self.asked_gpus(self._override(p)) is None and not self._forbidden(p)
        ]
        chosen = next((p for p in plain if p.get("default")), plain[0] if plain else None)
        return None if chosen is None else options.slug_of(chosen)

    def _forbidden(self, profile: options.Profile) -> bool:
        """Say whether the plan, as it was read last, does not have a profile."""
        if self._effective is None:
            return False
        return isinstance(
            self._verdict(self._effective, self._override(profile), options.slug_of(profile)),
            Reject,
        )

    def _override(self, profile: options.Profile) -> dict[str, Any]:
        """Return what a profile sets, on top of what holds without any."""
        slug = options.slug_of(profile)
        return {
            **self._plain_traits,
            **options.overrides(SpawnOptions(profile=slug), [profile]),
        }

    # -- what the start page says ------------------------------------------------------------

    async def availability(self) -> dict[str, Availability]:
        """Return for each profile with GPUs how many are free, and how long one would wait."""
        profiles = self.resolved_profiles() or await self.load_profiles()
        plan, broker = await self.load_plan(), self.services.broker
        refused: dict[str, Reject] = {}
        wanted: dict[str, Bid] = {}
        for profile in profiles:
            slug, override = options.slug_of(profile), self._override(profile)
            request = self.asked_gpus(override)
            if request is None:
                continue
            verdict = self._verdict(plan, override, slug)
            cap = self.gpu_cap or None
            if isinstance(verdict, Reject):
                refused[slug] = verdict
            elif verdict.gpus is not None:
                request, cap = verdict.gpus, self._cap(verdict)
            never = refuse(request, broker.inventory, cap)
            if never is not None:
                refused.setdefault(slug, never)
            shape = Shape(request, float(override.get("lease", self.lease)) or None)
            wanted[slug] = Bid(shape, cap)
        if not wanted:
            return {}
        look = partial(
            chances,
            owner=self.owner,
            bids=list(wanted.values()),
            groups=[group.name for group in self.user.groups],
        )
        offered = await self.services.store.run(broker.look, look)
        return {
            slug: Availability(
                chance.free,
                chance.total,
                chance.wait,
                forbidden=refused[slug].message if slug in refused else "",
                seat=bid.shape.request.kind == "seat",
            )
            for (slug, bid), chance in zip(wanted.items(), offered, strict=True)
        }

    # -- the end of a server -----------------------------------------------------------------

    async def running_session(self) -> Session | None:
        """Return since when it runs, and how long it may. Asks the engine if nobody else knows."""
        if self._session is None:
            watch, container = self.services.watch, self.object_id
            known = self.services.running_since.get(container)
            since = known or watch.started(container)
            if since is None or not await watch.runs(container, self.owner):
                await self.look()
            else:
                if known is None:
                    await self.note_start(since)
                self._session = sessions.from_labels(since, watch.labels(container))
        return self._session

    @property
    def known_session(self) -> Session | None:
        """The session as it was read last; the engine is not asked."""
        return self._session

    async def lease_status(self) -> dict[str, Any]:
        """Return what the server's own page shows of its lease, and of its end."""
        lease = await self.services.store.run(self.services.broker.held_by, self.owner)
        session = await self.running_session()
        end = sessions.end_of(lease, session, self.budget_end(lease))
        refused = await self._why_not_longer(lease, session)
        units = self._units_of(lease)
        return {
            "ends": end.at.isoformat() if end else None,
            "granted": lease.granted_at.isoformat() if lease else None,
            "units": [
                {"uuid": unit.uuid, "model": unit.model, "seat": unit.kind == "seat"}
                for unit in units
            ],
            "extend": refused is None,
            "why": refused.message if refused and end else "",
            "extend_seconds": int(self._longer(lease, session)) if lease else 0,
            "notices": [asdict(notice) for notice in (*self._notices(), *self._budget_notice(end))],
            # Who can be warned is told within seconds; the others' servers ask less often.
            "keep": KEEP_WATCHED if self.shares_watched(units) else KEEP,
        }

    def _notices(self) -> tuple[Notice, ...]:
        """Return what the room has to tell who works in this server."""
        services = self.services
        homes = services.homes.notices(self.owner.user) if services.homes else ()
        missing = (*self._class_notices, *self._environment_notices)
        told = (*services.told(self.owner), *homes, *missing)
        if self._memory_notice is None or time.time() - self._memory_notice[0] > TOLD_FOR:
            return told
        return (*told, self._memory_notice[1])

    async def look_at_home(self) -> HomeUse | None:
        """Return how full the owner's home is now; None: nobody knows of one.

        Raises ``AgentSilentError``.
        """
        homes = self.services.homes
        return await homes.look(self.owner.user) if homes else None

    async def home_warning(self) -> Reject | None:
        """Return the words on a home that is near its limit or full, as the start page has them."""
        homes = self.services.homes
        use = await homes.glance(self.owner.user) if homes else None
        return warning(use) if use else None

    def shares_watched(self, units: Iterable[GPUUnit]) -> dict[str, int]:
        """Return the MiB of each shared card that this server may use on its honour, by card.

        What the driver caps needs no watching.
        """
        return watchdog.shares(units) if self.gpu_memory_cap is None else {}

    async def extend_lease(self) -> Reject | None:
        """Let the lease end later, if nobody waits for what it holds."""
        services = self.services
        lease = await services.store.run(services.broker.held_by, self.owner)
        session = await self.running_session()
        refused = await self._why_not_longer(lease, session)
        if refused is not None or lease is None or lease.ends_at is None:
            return refused
        ends = lease.ends_at + timedelta(seconds=self._longer(lease, session))
        await services.store.run(services.broker.extend, lease.id, ends.timestamp())
        return None

    def _longer(self, lease: Lease, session: Session | None) -> float:
        """Return by how many seconds the lease can be kept longer at once."""
        by_rules = sessions.longer(lease, session, self.lease, self.max_session)
        left = self._budget_left(lease)
        return by_rules if left is None else max(0.0, min(by_rules, left))

    async def _why_not_longer(self, lease: Lease | None, session: Session | None) -> Reject | None:
        refused = self._why_no_more_hours(lease) or sessions.why_not_longer(
            lease, session, self.lease, self.max_session
        )
        if refused is not None:
            return refused
        units = self._units_of(lease)
        waiting = [
            each
            for each in await self.services.waiting.tickets()
            if any(each.ticket.request.takes(unit) for unit in units)
        ]
        return stages.others_wait(len(waiting)) if waiting else None

    def _units_of(self, lease: Lease | None) -> list[GPUUnit]:
        known = self.services.broker.inventory.by_uuid()
        return [known[unit] for unit in lease.units if unit in known] if lease else []

    async def end_over(self, end: End) -> None:
        """Stop the server because its time is over; its home stays."""
        if end.rule == "budget":
            over = await self._used_up()
            if over is None:
                return
        else:
            over = (stages.lease_over if end.rule == "lease" else stages.session_over)(end.lasted)
        self.log.info("The %s of %s is over: stopping its server", end.rule, self.owner)
        await self._end(over)

    async def end_access(self) -> None:
        """Stop the server because its owner's time in the room, or class, is over."""
        self.log.info("The access of %s is over: stopping the server", self.owner.user)
        await self._end(stages.access_over())

    async def end_for_admin(self) -> bool:
        """Stop the server because an admin takes its GPUs back. False when none runs."""
        return await self._end(stages.taken_back())

    async def end_for_share(self, action: watchdog.Action) -> bool:
        """Stop the server because it uses more of a shared GPU than its seat has."""
        return await self._end(Reject("seat-memory", action.message))

    async def _end(self, why: Reject) -> bool:
        found = await self.services.engine.inspect(self.container_name)
        if found is None:
            return False
        self._end_words = why.message
        await self.services.engine.stop(found["Id"], self.stop_grace)
        # JupyterHub finds that it ended, takes its route away and calls what follows a stop.
        await asyncio.shield(self.poll_and_notify())
        return True
