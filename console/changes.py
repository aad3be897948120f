"""What the console changes, for pages and programs alike: limits, grants, servers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from console.desk import Desk
from console.guard import Visit, require, require_act
from room.plans import budget, until
from room.plans.authority import Actor
from room.plans.keys import Key, key
from room.plans.model import Setting, Subject, subject
from room.said import said
from room.settings.plans import unknown_profiles


@dataclass(frozen=True, slots=True)
class Wanted:
    """One limit to be set, as a form or a program says it.

    ``value`` empty: what was set is taken away. ``seen``: what stood there, empty for nothing,
    None where nobody looked.
    """

    who: str
    limit: str
    value: str = ""
    until: str = ""
    seen: str | None = None


class Changes:
    """Carries out what a visit may do. Raises ``ValueError`` in words, ``ForbiddenError``."""

    def __init__(self, desk: Desk, profiles: frozenset[str] = frozenset()) -> None:
        self._desk = desk
        self._profiles = profiles

    async def set(self, visit: Visit, wanted: list[Wanted], behalf: str = "") -> tuple[int, ...]:
        """Set limits, all or none; return the numbers in the history."""
        actor = self._actor(visit, behalf)
        settings, seen = [], {}
        for each in wanted:
            whose, limit = subject(each.who), key(each.limit)
            ends = self._moment(each.until) if each.until.strip() else None
            text = each.value.strip() or None
            if text is not None:
                text = limit.text(limit.parse(text))
                self._check_profiles(limit, text)
            settings.append(Setting(whose, limit, text, ends))
            if each.seen is not None:
                seen[whose, limit.name] = each.seen or None
        plans = self._desk.plans
        numbers: tuple[int, ...] = await self._desk.run(plans.set, settings, actor, expected=seen)
        return numbers

    async def grant(
        self, visit: Visit, who: str, limit: str, amount: str, ends: str, behalf: str = ""
    ) -> int:
        """Give more of a limit until some time; of GPU-hours until their window's end."""
        actor = self._actor(visit, behalf)
        whose, limited = subject(who), key(limit)
        value = limited.amount(amount)
        last = self._moment(ends) if ends.strip() else await self._window_end(whose, limited)
        plans = self._desk.plans
        number: int = await self._desk.run(plans.grant, whose, limited, value, last, actor)
        return number

    async def undo(self, visit: Visit, number: int) -> None:
        """Take a change back. Raises ``LookupError`` when there is none."""
        require(visit.viewer.admin)
        await self._desk.run(self._desk.plans.undo, number, self._actor(visit, ""))

    async def stop(self, visit: Visit, user: str, server: str, class_name: str = "") -> None:
        """Stop a server: one's own, or of somebody in a class."""
        if user != visit.viewer.login and not visit.viewer.admin:
            require_act(visit, "stop", class_name)
            members = {row.login for row in await self._desk.board(class_name)}
            require(user in members)
        await self._desk.hub.stop(user, server)

    def _actor(self, visit: Visit, behalf: str) -> Actor:
        if not visit.viewer.admin:
            require_act(visit, "give", behalf)
        return visit.viewer.actor(visit.origin, behalf)

    def _moment(self, text: str) -> datetime:
        return until.parse(text, self._desk.plans.clock(), self._desk.plans.zone)

    def _check_profiles(self, limit: Key, text: str) -> None:
        if limit.name == "profiles" and self._profiles:
            gone = unknown_profiles(limit.parse(text), self._profiles)
            if gone:
                known = ", ".join(sorted(self._profiles))
                raise ValueError(
                    said(
                        "there is no profile %(name)s: there are %(known)s",
                        name=gone[0],
                        known=known,
                    )
                )

    async def _window_end(self, whose: Subject, limit: Key) -> datetime:
        if limit.name != "gpu_hours":
            raise ValueError(said("a grant ends at some time: say when"))
        plans = self._desk.plans
        if whose.kind == "class":
            found = (await self._desk.run(plans.of_class, whose.name, limit)).value
        else:
            classes = await self._desk.run(self._desk.classes_of, whose.name)
            found = (await self._desk.run(plans.effective, whose.name, classes))["gpu_hours"]
        return budget.window(found, plans.clock(), plans.zone)[1]
