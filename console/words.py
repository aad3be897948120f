"""What the rules call things, as pages call them, so that it can be translated."""

from __future__ import annotations


def N_(message: str) -> str:  # noqa: N802  (gettext's name for: translate this later)
    return message


#: Each limit's name → what pages call it. ``tests/unit/test_console.py`` keeps all of them.
TITLES = {
    "cpu": N_("CPU cores"),
    "memory": N_("Memory"),
    "shm": N_("Shared memory"),
    "pids": N_("Processes"),
    "servers": N_("Servers at once"),
    "gpus": N_("GPUs at once"),
    "seats": N_("Seats at once"),
    "gpu_kinds": N_("Kinds of GPUs"),
    "session": N_("Session"),
    "idle": N_("Idle time"),
    "gpu_idle": N_("Unused GPU"),
    "home_soft": N_("Home, warned at"),
    "home_hard": N_("Home, at most"),
    "gpu_hours": N_("GPU-hours"),
    "gpu_pot": N_("Pot of GPU-hours"),
    "profiles": N_("Profiles"),
    "images": N_("Images"),
    "priority": N_("Share"),
}

#: Values that are words → what pages call them.
VALUES = {"none": N_("no limit"), "any": N_("any")}

#: What a token may be given (``console/own.py``), as a page says it.
TOKEN_SCOPES = {
    "look": N_("See who you are, and what of yours runs"),
    "start": N_("Start and stop your servers"),
    "work": N_("Open your servers, and work in them"),
    "console": N_("Use this console, as JSON"),
    "all": N_("All that you may do yourself"),
}

#: Sentences and words of the rules that pages show.
SAID = (
    N_("CPU cores of one server."),
    N_("Memory of one server."),
    N_("Size of /dev/shm of one server; it counts as memory."),
    N_("Processes and threads of one server."),
    N_("Servers that run at the same time."),
    N_("GPUs and MIG instances held at the same time."),
    N_("Seats of shared GPUs held at the same time."),
    N_("Which GPU units: a kind (gpu, mig, seat), a part of the card's name, a MIG profile."),
    N_("How long one server may run."),
    N_("How long a server may run with nothing to do."),
    N_("How long a GPU may do nothing before who works in its server is offered to give it back."),
    N_("Size of the home above which it is warned of."),
    N_("Size of the home at which writing fails."),
    N_("GPU-hours in a window."),
    N_(
        "GPU-hours in a window that a class's instructors may grant to its students; 0 where "
        "nothing is said."
    ),
    N_("Profiles that may be started, by their short names."),
    N_("Images that may be started; * stands for anything."),
    N_("A class's share of the GPUs against other classes that wait; 1 where nothing is said."),
    N_("A quarantine needs a reason. Say what is wrong with the unit."),
    N_("That start does not wait any more: its turn came, or its owner left the queue."),
    # room/doctor: groups of findings
    N_("Room"),
    N_("Machine"),
    N_("Docker Engine"),
    N_("GPUs"),
    N_("Disk"),
    N_("Network"),
    N_("Files"),
    N_("ok"),
    N_("drained"),
    N_("sick"),
    N_("quarantined"),
    N_("unknown"),
    N_("assistant"),
    N_("instructor"),
    N_("spawn"),
    N_("stop"),
    N_("There is no such page, or it is not yours."),
    N_("This page is too old. Reload it and try again."),
    N_("This sign-in is too old, or was begun in another window. Try again."),
    N_("That did not work. Try again; if it happens again, tell the admin."),
    N_("The hub did not sign you in. Try again."),
    N_("The hub does not answer. Try again in a minute."),
    N_("The hub and the console are of two releases: run room up."),
    N_("This token may not do that: sign in to the console's pages for it."),
    N_("Changed. It holds from the next start on."),
    N_("Changed. It holds for those who wait, too."),
    # room/settings/profiles.py: the profiles of a room that names none
    N_("CPU"),
    N_("One GPU"),
)
