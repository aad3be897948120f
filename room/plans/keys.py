"""The limits that there are. Page, command, room.yaml and reference are made from this list."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from room.plans.quantities import Bytes, Hours, Names, Number, Quantity, Seconds
from room.said import reason, said
from room.values import shown

MIB, GIB, TIB = 1024**2, 1024**3, 1024**4
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Key:
    """One limit: its name, what it limits, and the kind of its values."""

    name: str
    quantity: Quantity
    help: str
    #: Subjects that can have it.
    subjects: tuple[str, ...] = ("room", "class", "user")
    #: More of it can be granted until some time.
    grantable: bool = True
    #: What holds where nobody says anything.
    otherwise: str = "none"

    def parse(self, value: Any) -> Any:
        """Return the value that a text says. Raises ``ValueError`` that begins with the name."""
        try:
            return self.quantity.parse(value)
        except ValueError as error:
            raise ValueError(
                said("%(limit)s: %(problem)s", limit=self.name, problem=reason(error))
            ) from None

    def text(self, value: Any) -> str:
        return self.quantity.text(value)

    def amount(self, text: str) -> Any:
        """Return what a grant such as ``+5`` adds. Raises ``ValueError`` that begins with the name.

        A grant only gives: less is set.
        """
        if not self.grantable:
            raise ValueError(
                said("%(limit)s: nothing can be granted of it: set it instead", limit=self.name)
            )
        value = self.parse(text.strip().removeprefix("+"))
        hours = getattr(value, "hours", value)
        # It is given once, and not in each window anew.
        again = getattr(value, "window", "total") != "total"
        if hours <= 0 or math.isinf(hours) or again:
            raise ValueError(
                said(
                    "%(limit)s: %(text)s is no amount to give: write it like +5",
                    limit=self.name,
                    text=shown(text),
                )
            )
        return value


_SLUG = r"[a-z0-9*]([a-z0-9*-]{0,61}[a-z0-9*])?"

_ALL = (
    Key("cpu", Number(0.01, 1024), "CPU cores of one server."),
    Key("memory", Bytes(64 * MIB, 64 * TIB), "Memory of one server."),
    Key("shm", Bytes(MIB, 64 * TIB), "Size of /dev/shm of one server; it counts as memory."),
    Key("pids", Number(16, 4_194_304, whole=True), "Processes and threads of one server."),
    Key("servers", Number(0, 1000, whole=True), "Servers that run at the same time."),
    Key("gpus", Number(0, 1000, whole=True), "GPUs and MIG instances held at the same time."),
    Key("seats", Number(0, 1000, whole=True), "Seats of shared GPUs held at the same time."),
    Key(
        "gpu_kinds",
        Names(r"[A-Za-z0-9 .+_/-]{1,100}", "gpu, mig, seat, T4 or 1g.10gb"),
        "Which GPU units: a kind (gpu, mig, seat), a part of the card's name, a MIG profile.",
        grantable=False,
        otherwise="any",
    ),
    Key("session", Seconds(300, 366 * DAY), "How long one server may run."),
    Key("idle", Seconds(300, 366 * DAY), "How long a server may run with nothing to do."),
    Key(
        "gpu_idle",
        Seconds(300, 366 * DAY),
        "How long a GPU may do nothing before who works in its server is offered to give it back.",
    ),
    Key("home_soft", Bytes(MIB, 1024 * TIB), "Size of the home above which it is warned of."),
    Key("home_hard", Bytes(MIB, 1024 * TIB), "Size of the home at which writing fails."),
    Key("gpu_hours", Hours(), "GPU-hours in a window."),
    Key(
        "gpu_pot",
        Hours(),
        "GPU-hours in a window that a class's instructors may grant to its students; 0 where "
        "nothing is said.",
        subjects=("class",),
        otherwise="0/week",
    ),
    Key(
        "profiles",
        Names(_SLUG, "cpu, gpu"),
        "Profiles that may be started, by their short names.",
        grantable=False,
        otherwise="any",
    ),
    Key(
        "images",
        Names(r"[A-Za-z0-9*._:/@-]{1,255}", "torchroom/pytorch:*"),
        "Images that may be started; * stands for anything.",
        grantable=False,
        otherwise="any",
    ),
    Key(
        "priority",
        Number(0.001, 1000),
        "A class's share of the GPUs against other classes that wait; 1 where nothing is said.",
        subjects=("class",),
        grantable=False,
        otherwise="1",
    ),
)

KEYS: dict[str, Key] = {key.name: key for key in _ALL}


def key(name: str) -> Key:
    """Return a limit by its name. Raises ``ValueError`` that names the ones there are."""
    found = KEYS.get(name.strip().lower().replace("-", "_"))
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(name, KEYS, n=1)
        hint = (
            said("did you mean %(name)s?", name=near[0])
            if near
            else said("there are %(names)s", names=", ".join(KEYS))
        )
        raise ValueError(said("there is no limit %(name)s: %(hint)s", name=repr(name), hint=hint))
    return found
