"""The limits that ``room.yaml`` sets for everyone, for classes and for users."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, create_model

from room.plans import refusals
from room.plans.keys import KEYS, Key
from room.plans.model import Limit, subject
from room.settings.base import Section
from room.settings.problems import KeyPath
from room.values import shown


def _value_of(key: Key) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        try:
            return key.text(key.quantity.parse(value))
        except ValueError as error:
            raise ValueError(str(error)) from None

    return check


_FIELDS: dict[str, Any] = {
    key.name: (
        Annotated[str | None, BeforeValidator(_value_of(key))],
        Field(None, description=key.help),
    )
    for key in KEYS.values()
}
#: A key for each limit that there is; each holds the limit's text.
PlanLimits = create_model(
    "PlanLimits",
    __base__=Section,
    __doc__="Limits, each in its own unit. What is not said stays as it is.",
    **_FIELDS,
)


def _check_subject(text: str) -> str:
    return str(subject(text))


def _day(value: Any) -> Any:
    """Let a day be said as YAML has it, or as a text."""
    if isinstance(value, datetime) or not isinstance(value, (str, date)):
        raise ValueError(f"{shown(str(value))} is no day: write it like 2027-02-15")
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"{shown(value)} is no day: write it like 2027-02-15") from None


Day = Annotated[date, BeforeValidator(_day)]


class PlanSection(Section):
    """Limits of some people: of the room, of classes, of users."""

    who: Annotated[
        tuple[Annotated[str, AfterValidator(_check_subject)], ...], Field(min_length=1)
    ] = Field(
        description="Whose limits these are: room for everyone, class/NAME, user/LOGIN.",
        examples=[["class/ml101"]],
    )
    since: Day | None = Field(
        None, description="The first day on which they hold.", examples=["2026-12-01"]
    )
    until: Day | None = Field(
        None, description="The last day on which they hold.", examples=["2027-02-15"]
    )
    limits: PlanLimits = Field(description="What is limited, and to how much.")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{shown(name)} is no time zone: write one like Europe/Berlin, Asia/Shanghai or UTC"
        ) from None
    return name


ZoneName = Annotated[str, AfterValidator(_zone)]


def limits_of(plans: Iterable[PlanSection], zone: tzinfo) -> tuple[Limit, ...]:
    """Return the limits in their order; days begin and end at midnight in ``zone``."""
    return tuple(
        Limit(
            whose,
            KEYS[name],
            KEYS[name].parse(value),
            written=True,
            since=_midnight(plan.since, zone),
            until=_midnight(plan.until and plan.until + timedelta(days=1), zone),
            by="room.yaml",
        )
        for plan in plans
        for whose in map(subject, plan.who)
        for name, value in plan.limits.model_dump(exclude_none=True).items()
    )


def _midnight(day: date | None, zone: tzinfo) -> datetime | None:
    if day is None:
        return None
    return datetime.combine(day, time(), zone).astimezone(timezone.utc)


def problems(
    plans: Iterable[PlanSection], profiles: Iterable[str]
) -> Iterator[tuple[KeyPath, str]]:
    """Yield what is wrong in plans. ``profiles``: the short names of those that can be started."""
    known = sorted(profiles)
    for index, plan in enumerate(plans):
        here: KeyPath = ("plans", index)
        if plan.since and plan.until and plan.until < plan.since:
            yield (*here, "until"), f"it would end before it begins, on {plan.since}"
        limits = plan.limits.model_dump(exclude_none=True)
        if not limits:
            yield (*here, "limits"), "nothing is limited here: name a limit, or leave the plan out"
        for name, value in limits.items():
            for whose in map(subject, plan.who):
                if whose.kind not in KEYS[name].subjects:
                    yield (*here, "limits", name), refusals.not_its_limit(KEYS[name], whose)
            if name == "profiles":
                for gone in unknown_profiles(KEYS[name].parse(value), known):
                    yield (
                        (*here, "limits", name),
                        f"there is no profile {gone}: there are {', '.join(known)}",
                    )


def unknown_profiles(allowed: frozenset[str] | None, known: Iterable[str]) -> list[str]:
    """Return the names in a list of allowed profiles that no profile has."""
    return sorted(name for name in allowed or () if "*" not in name and name not in set(known))
