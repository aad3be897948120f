"""The stages of a start: their order, their words, and what is said when one fails. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from room.models import Exit, Reject


@dataclass(frozen=True, slots=True)
class Stage:
    """A named step; ``progress`` is the bar's percentage when it begins."""

    id: str
    progress: int
    message: str


STAGES = (
    Stage("checking", 5, "Checking what you may start"),
    Stage("gpu", 15, "Finding a free GPU"),
    Stage("home", 25, "Opening your home"),
    Stage("creating", 40, "Making your container"),
    Stage("booting", 60, "Starting JupyterLab"),
    Stage("ready", 95, "Your server is ready"),
)
BY_ID = {stage.id: stage for stage in STAGES}

_ASK_ADMIN = "Try again in a minute; if it happens again, tell the admin, whose log says why."

_FAILED = {
    "checking": "The room could not check what you may start.",
    "gpu": "The room could not lease you a GPU.",
    "home": "Your home could not be opened, so nothing was started and nothing in it was touched.",
    "creating": "The room could not make a container for your server.",
    "booting": "Your server was made, but JupyterLab did not start in it.",
    "ready": "Your server started, but the room lost sight of it.",
}


def engine_silent() -> Reject:
    """The engine does not answer: nobody can start anything now."""
    return Reject(
        "engine-unavailable",
        "The room's container engine does not answer, so no server can start right now. "
        + _ASK_ADMIN,
    )


def failed(stage: str) -> Reject:
    """A stage failed for a reason that is the admin's to know."""
    return Reject(f"failed-{stage}", f"{_FAILED[stage]} {_ASK_ADMIN}")


def boot_too_slow(seconds: float) -> Reject:
    return Reject(
        "boot-timeout",
        f"JupyterLab did not answer within {seconds:.0f} seconds, so the server was stopped. "
        "The host may be busy; try again in a minute.",
    )


def died_booting(end: Exit, memory: int | None) -> Reject:
    return Reject("boot-died", f"Your server ended while it was starting. {why_ended(end, memory)}")


def still_tidying() -> Reject:
    return Reject(
        "still-stopping",
        "Your last server is not gone yet. It is being removed; try again in a minute.",
    )


def why_ended(end: Exit, memory: int | None) -> str:
    """Say in words why a container ended; ``memory`` is its limit in bytes."""
    if end.oom_killed:
        limit = f" of {size(memory)}" if memory else ""
        return (
            f"It used all its memory{limit} and was stopped. "
            "Use smaller batches or load less data at once, or choose a profile with more memory."
        )
    if end.code == 0:
        return "It ended by itself, as when Shut Down is chosen in JupyterLab."
    if end.code == 137:
        limit = f", as happens when its {size(memory)} of memory are used up" if memory else ""
        return f"It was killed from outside (signal 9){limit}. {_ASK_ADMIN}"
    if end.code == 143:
        return "It was asked to stop (signal 15)."
    return f"It ended with exit code {end.code}. " + _ASK_ADMIN


def size(number: int) -> str:
    """Return bytes in the largest unit that leaves a short number: ``4 GiB``."""
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if number >= factor:
            return f"{number / factor:.4g} {unit}"
    return f"{number} bytes"
