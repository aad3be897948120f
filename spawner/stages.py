"""The stages of a start: their order, their words, and what is said when one fails. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from room.models import Exit, Reject
from room.values import readable_size as size


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
    Stage("turn", 30, "Waiting for your turn"),
    Stage("creating", 40, "Making your container"),
    Stage("booting", 60, "Starting JupyterLab"),
    Stage("ready", 95, "Your server is ready"),
)
BY_ID = {stage.id: stage for stage in STAGES}

_ASK_ADMIN = "Try again in a minute; if it happens again, tell the admin, whose log says why."
_LESS_MEMORY = (
    "Use smaller batches or load less data at once, or choose a profile with more memory."
)

_TIDY = (
    "Delete what you do not need. Disk space, on the room's start page, shows what fills your home."
)

_FAILED = {
    "checking": "The room could not check what you may start.",
    "gpu": "The room could not lease you a GPU.",
    "home": "Your home could not be opened, so nothing was started and nothing in it was touched.",
    "turn": "The room could not give your server its turn.",
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


def host_too_small(reserve: int, headroom: int, total: int) -> Reject:
    """No server can ever boot; all in bytes."""
    return Reject(
        "memory-never",
        f"The host keeps {size(reserve)} of memory for itself, and a server needs {size(headroom)} "
        f"to start; the host has {size(total)} in all. No server can start here until the admin "
        "lowers one of the two.",
    )


FETCHING_IMAGE = "Fetching the image of this profile, which takes minutes once"


def no_image() -> Reject:
    return Reject(
        "image-missing",
        f"The image of this profile is not on the host, and it could not be fetched. {_ASK_ADMIN}",
    )


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


def starting_now(position: int, of: int, lacking: int) -> str:
    """Say whose turn it is; ``lacking``: bytes of memory that the host has too few."""
    if lacking:
        return (
            f"The host lacks {size(lacking)} of memory for one more server. Yours starts as soon "
            f"as there is enough: you are number {position} of {of}."
        )
    return f"Many start at once: you are number {position} of {of}."


def waited_in_vain(why: str, seconds: float) -> Reject:
    """Waiting for a GPU ended without one: an admin ended it, nobody looked, it took too long."""
    if why == "unseen":
        return Reject(
            "queue-unseen",
            f"Nobody looked at this page for {duration(seconds)}, so your place in the queue was "
            "given up. Start again to wait anew.",
        )
    if why == "removed":
        return Reject(
            "queue-removed",
            "An admin took you out of the queue for a GPU. Ask the admin, or choose a profile "
            "without a GPU.",
        )
    return Reject(
        "queue-too-long",
        f"No GPU came free for you within {duration(seconds)}, so the waiting was ended. "
        "Start again to wait anew, or choose a profile without a GPU.",
    )


def memory_ran_out(limit: int) -> str:
    """Return what is said while the server itself goes on; ``limit`` in bytes."""
    return (
        f"A program in your server needed more memory than its {size(limit)}, and was ended. "
        f"{_LESS_MEMORY}"
    )


def no_cpu_profile() -> Reject:
    return Reject("no-cpu-profile", "This room has no profile without a GPU. Wait, or leave.")


def not_waiting() -> Reject:
    return Reject("not-waiting", "Your server does not wait for a GPU any more.")


def no_end() -> Reject:
    return Reject("lease-no-end", "Your server's GPU is leased without an end.")


def longest_session(seconds: float) -> Reject:
    return Reject(
        "lease-longest",
        f"A GPU can be kept for {duration(seconds)} at most. Stop the server and start again to "
        "go on.",
    )


def longest_run(seconds: float) -> Reject:
    return Reject(
        "session-longest",
        f"This server can run for {duration(seconds)} at most. Stop the server and start again to "
        "go on.",
    )


def others_wait(count: int) -> Reject:
    who = "1 person waits" if count == 1 else f"{count} people wait"
    return Reject("lease-wanted", f"{who} for a GPU, so it cannot be kept longer.")


def lease_over(seconds: float) -> Reject:
    """The room itself ended the server; ``seconds`` is how long it had its GPUs."""
    return Reject(
        "lease-over",
        f"The time for its GPU was over after {duration(seconds)}. "
        "Your files are in your home; start again to go on.",
    )


def session_over(seconds: float) -> Reject:
    """The room itself ended the server, which had run for as many ``seconds`` as it may."""
    return Reject(
        "session-over",
        f"It had run for {duration(seconds)}, as long as it may. "
        "Your files are in your home; start again to go on.",
    )


def idle_warning(limit: float, left: float) -> str:
    """Return what is said before an idle server ends; both in seconds."""
    return (
        "Nobody has worked in this server, and nothing has run in it, for "
        f"{duration(limit - left)}. It stops in {duration(left)} unless you say that you are "
        "there. Your files are kept."
    )


def idle_over(limit: float) -> Reject:
    """The room itself ended the server, in which nothing was done for ``limit`` seconds."""
    return Reject(
        "idle-over",
        f"Nobody had worked in it, and nothing had run in it, for {duration(limit)}. "
        "Your files are in your home; start again to go on.",
    )


def gpu_unused(seconds: float, profile: str) -> str:
    """Return what is said when a GPU has done nothing for so long; ``profile``: one without."""
    return (
        f"The GPU of this server has done nothing for {duration(seconds)}. Others may need it: you "
        f"can give it back and go on with the profile {profile}, without a GPU. The server "
        "restarts then: what runs ends and notebooks' variables are lost, while your files stay "
        "and your open notebooks come back."
    )


def gpu_in_use() -> Reject:
    """The offer that a page still shows was taken back."""
    return Reject(
        "gpu-in-use",
        "The GPU of this server is in use again, or was given back already. Nothing was changed.",
    )


def gpu_returned() -> Reject:
    """Its user gave its GPU back; this is read only where it did not start again."""
    return Reject(
        "gpu-returned",
        "You gave its GPU back, and it did not start again without one. "
        "Your files are in your home; start again to go on.",
    )


def access_over() -> Reject:
    return Reject(
        "access-over", "Your time in this room, or your class, is over. Your files are kept."
    )


def plan_lowered() -> Reject:
    """An admin ended what has more than a plan that was lowered."""
    return Reject(
        "plan-lowered",
        "An admin lowered what you may have, and it had more. "
        "Your files are in your home; start again to go on.",
    )


def taken_back() -> Reject:
    return Reject(
        "lease-taken-back",
        "An admin needed its GPU. Your files are in your home; start again to go on.",
    )


def home_near(used: int, soft: int, hard: int) -> Reject:
    """The home holds more than its soft limit, or than a hard one that does not bind. Bytes."""
    if hard and used < hard:
        words = f"Your home holds {size(used)} of {size(hard)}."
    else:
        words = f"Your home holds {size(used)}, and is to hold {size(hard or soft)} at most."
    return Reject("home-near", f"{words} {_TIDY}")


def home_full(used: int, hard: int) -> Reject:
    """The home holds what it may, and its file system refuses more. Bytes."""
    return Reject(
        "home-full",
        f"Your home is full: it holds {size(used)} of {size(hard)}, and nothing can be saved. "
        + _TIDY,
    )


def no_class_folder(class_name: str) -> Reject:
    """The server runs without a folder that could not be opened."""
    return Reject(
        "class-folder",
        f"The folder of the class {class_name} could not be opened, so it is not in this server. "
        "Stop the server and start it again; if that does not help, tell the admin, whose log "
        "says why.",
    )


def no_environment(class_name: str) -> Reject:
    """The server runs without the packages of its class."""
    return Reject(
        "environment",
        f"The packages of the class {class_name} are not on this host, so they are not in this "
        "server. Tell an instructor of the class to build them again; then stop the server and "
        "start it again.",
    )


def disk_full() -> Reject:
    """The disk that all homes are on has no space or no files left."""
    return Reject(
        "disk-full",
        f"The disk of the homes is full, and nothing can be saved. {_TIDY} "
        "If your home is small, tell the admin.",
    )


def duration(seconds: float) -> str:
    """Return seconds in the largest unit that says them in short: ``4 h``, ``90 min``."""
    if seconds >= 2 * 3600 or (seconds >= 3600 and seconds % 3600 < 60):
        return f"{seconds / 3600:.3g} h"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def why_ended(end: Exit, memory: int | None) -> str:
    """Say in words why a container ended; ``memory`` is its limit in bytes."""
    if end.oom_killed:
        limit = f" of {size(memory)}" if memory else ""
        return f"It used all its memory{limit} and was stopped. {_LESS_MEMORY}"
    if end.code == 0:
        return "It ended by itself, as when Shut Down is chosen in JupyterLab."
    if end.code == 137:
        limit = f", as happens when its {size(memory)} of memory are used up" if memory else ""
        return f"It was killed from outside (signal 9){limit}. {_ASK_ADMIN}"
    if end.code == 143:
        return "It was asked to stop (signal 15)."
    return f"It ended with exit code {end.code}. " + _ASK_ADMIN
