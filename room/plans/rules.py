"""Everything that decides what holds, and the part of it that concerns one subject. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from room.plans.model import Grant, Limit, Subject


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that decides what holds: room.yaml's limits, the room's own, and grants."""

    limits: tuple[Limit, ...]
    grants: tuple[Grant, ...]

    def by_subject(self) -> dict[Subject, Rules]:
        """Return the rules of each subject, in their order: for who looks at many."""
        limits: dict[Subject, list[Limit]] = {}
        grants: dict[Subject, list[Grant]] = {}
        for limit in self.limits:
            limits.setdefault(limit.subject, []).append(limit)
        for grant in self.grants:
            grants.setdefault(grant.subject, []).append(grant)
        return {
            subject: Rules(tuple(limits.get(subject, ())), tuple(grants.get(subject, ())))
            for subject in {*limits, *grants}
        }


NO_RULES = Rules((), ())
