"""What a plan lets a server have: (wish, plan) → admitted with these limits, or refused. Pure."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from room.gpus.requests import GPURequest
from room.models import GPUUnit, Reject
from room.plans.model import EffectivePlan

#: Limits of one server that a profile may say itself; the plan bounds them.
OF_A_SERVER = ("cpu", "memory", "shm", "pids", "session", "idle", "gpu_idle")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to start. ``said``: limits that the profile itself says."""

    profile: str = ""
    image: str = ""
    gpus: GPURequest | None = None
    said: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Admit:
    """What the server gets. An infinite limit does not bind. ``cap``: units held at once."""

    cpu: float
    memory: float
    shm: float
    pids: float
    session: float
    idle: float
    gpu_idle: float
    gpus: GPURequest | None = None
    cap: int | None = None


def decide(
    wish: Wish, plan: EffectivePlan, *, running: int = 0, units: Iterable[GPUUnit] = ()
) -> Admit | Reject:
    """Say what a server may have, or why it may not be started.

    ``running``: the user's other servers that run or start. ``units``: all of the room's, free or
    not. What the profile says of a server's own limits is cut to the plan; what it does not say is
    the plan's.
    """
    refused = (
        _profile(wish, plan)
        or _image(wish, plan)
        or _servers(running, plan)
        or _kinds(wish, plan, units)
    )
    if refused is not None:
        return refused
    limits = {name: _bounded(wish, plan, name) for name in OF_A_SERVER}
    # Docker counts shared memory as memory: more of it than memory could never be used.
    limits["shm"] = min(limits["shm"], limits["memory"])
    gpus, cap = wish.gpus, None
    if gpus is not None:
        most = plan["seats" if gpus.kind == "seat" else "gpus"]
        cap = None if math.isinf(most) else int(most)
        gpus = replace(gpus, only=tuple(sorted(plan["gpu_kinds"] or ())))
    return Admit(**limits, gpus=gpus, cap=cap)


def exceeded(given: Mapping[str, float], admitted: Admit) -> str:
    """Return the first limit of which a running server has more than it may; or nothing."""
    # Docker rounds cores to billionths.
    over = (name for name, value in given.items() if value > getattr(admitted, name) + 1e-6)
    return next(over, "")


def _bounded(wish: Wish, plan: EffectivePlan, name: str) -> float:
    here = plan.limits[name]
    value: float = here.value
    if name not in wish.said:
        return value
    # A default is what a server gets where nobody says anything: it bounds no profile.
    return min(wish.said[name], value) if here.origin.limits else wish.said[name]


def _profile(wish: Wish, plan: EffectivePlan) -> Reject | None:
    if not wish.profile or matches(wish.profile, plan["profiles"]):
        return None
    return Reject(
        "plan-profile",
        f"Your plan does not have the profile {wish.profile}; it has: {_listed(plan, 'profiles')}. "
        f"{_ask(plan, 'profiles')}",
    )


def _image(wish: Wish, plan: EffectivePlan) -> Reject | None:
    if not wish.image or matches(wish.image, plan["images"]):
        return None
    return Reject(
        "plan-image",
        f"Your plan does not have the image {wish.image}; it has: {_listed(plan, 'images')}. "
        f"{_ask(plan, 'images')}",
    )


def _servers(running: int, plan: EffectivePlan) -> Reject | None:
    most = plan["servers"]
    if running < most:
        return None
    if most == 0:
        return Reject(
            "plan-servers", f"Your plan allows no server at the moment. {_ask(plan, 'servers')}"
        )
    servers = "1 server" if most == 1 else f"{most:g} servers"
    return Reject(
        "plan-servers",
        f"Your plan allows {servers} at the same time, and you have {running}. "
        f"Stop one first. {_ask(plan, 'servers')}",
    )


def _kinds(wish: Wish, plan: EffectivePlan, units: Iterable[GPUUnit]) -> Reject | None:
    allowed = plan["gpu_kinds"]
    if wish.gpus is None or allowed is None:
        return None
    wanted = [unit for unit in units if wish.gpus.takes(unit)]
    only = replace(wish.gpus, only=tuple(sorted(allowed)))
    # No kind at all is not the same as all of them, which is how a request would read it.
    if allowed and (not wanted or any(only.takes(unit) for unit in wanted)):
        return None
    return Reject(
        "plan-gpu-kinds",
        f"Your plan has these kinds of GPUs: {_listed(plan, 'gpu_kinds')}; and this profile needs "
        f"{wish.gpus}. {_ask(plan, 'gpu_kinds')}",
    )


def matches(name: str, allowed: Collection[str] | None) -> bool:
    """Say whether a name is among those that are allowed; ``*`` stands for anything."""
    return allowed is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in allowed)


def _listed(plan: EffectivePlan, name: str) -> str:
    return plan.limits[name].text or "none"


def _ask(plan: EffectivePlan, name: str) -> str:
    """Say whose limit it is, and who can change it."""
    subjects = {limit.subject for limit in plan.limits[name].origin.limits}
    if any(each.kind == "user" for each in subjects):
        return "The limit is your own; ask your instructor or the admin for more."
    classes = sorted(each.name for each in subjects if each.kind == "class")
    if classes:
        return (
            f"The limit is that of class {', '.join(classes)}; ask your instructor or the admin "
            "for more."
        )
    return "The limit is the room's; ask the admin for more."
