"""What rules and stages say to people, sentence by sentence, so that it can be translated.

Rules speak English and know nothing of pages. Their sentences are listed here as
patterns; a page finds which one it has before it, and says the same in the reader's
language. ``tests/unit/test_words.py`` fails when a rule says something that is not here.
"""

from __future__ import annotations

import re

from room.said import Phrasebook, translated
from spawner.i18n import catalogue


def N_(message: str) -> str:  # noqa: N802  (gettext's name for: translate this later)
    return message


#: room/gpus/forecast.py: what an estimate of the queue rests on. The waiting room has these.
BASES = (
    N_("1 lease ends before %(time)s."),
    N_("%(count)s leases end before %(time)s."),
    N_("About %(count)s turns come in the next hour."),
    N_("About %(count)s turns come in the next %(hours)s hours."),
)

SENTENCES = (
    *BASES,
    # spawner/stages.py: the steps
    N_("Checking what you may start"),
    N_("Finding a free GPU"),
    N_("Opening your home"),
    N_("Waiting for your turn"),
    N_("Making your container"),
    N_("Starting JupyterLab"),
    N_("Your server is ready"),
    N_("Fetching the image of this profile, which takes minutes once"),
    # spawner/stages.py: what went wrong
    N_("Try again in a minute; if it happens again, tell the admin, whose log says why."),
    N_("The room could not check what you may start."),
    N_("The room could not lease you a GPU."),
    N_("Your home could not be opened, so nothing was started and nothing in it was touched."),
    N_("The room could not give your server its turn."),
    N_("The room could not make a container for your server."),
    N_("Your server was made, but JupyterLab did not start in it."),
    N_("Your server started, but the room lost sight of it."),
    N_("The room's container engine does not answer, so no server can start right now."),
    N_(
        "The host keeps %(reserve)s of memory for itself, and a server needs %(headroom)s to "
        "start; the host has %(total)s in all."
    ),
    N_("No server can start here until the admin lowers one of the two."),
    N_("The image of this profile is not on the host, and it could not be fetched."),
    N_("JupyterLab did not answer within %(seconds)s seconds, so the server was stopped."),
    N_("The host may be busy; try again in a minute."),
    N_("Your server ended while it was starting."),
    N_("Your last server is not gone yet."),
    N_("It is being removed; try again in a minute."),
    # spawner/stages.py: how a server ended
    N_("It used all its memory of %(size)s and was stopped."),
    N_("It used all its memory and was stopped."),
    N_("Use smaller batches or load less data at once, or choose a profile with more memory."),
    N_("It ended by itself, as when Shut Down is chosen in JupyterLab."),
    N_("It was killed from outside (signal 9)."),
    N_(
        "It was killed from outside (signal 9), as happens when its %(size)s of memory are used up."
    ),
    N_("It was asked to stop (signal 15)."),
    N_("It ended with exit code %(code)s."),
    # room/gpus: leases
    N_("The GPU of your last server is not free yet (%(count)s held)."),
    N_("It comes back when that server's container is gone; try again in a minute."),
    N_("This profile needs 1 GPU and this room has none."),
    N_("This profile needs %(needed)s GPUs and this room has none."),
    N_("This profile needs %(needed)s GPUs and this room has %(total)s."),
    N_("This profile needs %(needed)s and this room has none."),
    N_("This profile needs %(needed)s and this room has %(total)s."),
    N_("This profile needs 1 GPU and you may hold %(cap)s at once."),
    N_("This profile needs %(needed)s GPUs and you may hold %(cap)s at once."),
    N_("Choose a profile with fewer GPUs, or one without."),
    # room/plans/decide.py: what a plan does not have
    N_("Your plan does not have the profile %(name)s; it has: %(known)s."),
    N_("Your plan does not have the image %(name)s; it has: %(known)s."),
    N_("Your plan allows no server at the moment."),
    N_("Your plan allows 1 server at the same time, and you have %(count)s."),
    N_("Your plan allows %(most)s servers at the same time, and you have %(count)s."),
    N_("Stop one first."),
    N_("Your plan has these kinds of GPUs: %(kinds)s; and this profile needs %(needed)s."),
    N_("The limit is the room's; ask the admin for more."),
    N_("The limit is that of class %(name)s; ask your instructor or the admin for more."),
    N_("The limit is your own; ask your instructor or the admin for more."),
    # room/plans/spending.py: GPU-hours
    N_("You have used %(used)s of your %(hours)s GPU-hours."),
    N_("Choose a profile without a GPU, or ask for more."),
    N_("Your %(hours)s GPU-hours are used up."),
    N_("Your files are in your home."),
    N_("Your %(hours)s GPU-hours are used up by then."),
    N_("Your %(hours)s GPU-hours last until %(time)s."),
    N_("Then this server is stopped, and your files stay in your home."),
    N_("No new ones come by themselves."),
    N_("New ones come each day, next at %(time)s."),
    N_("New ones come each week, next at %(time)s."),
    N_("New ones come each month, next at %(time)s."),
    # spawner/stages.py: a program that ran out of memory
    N_("A program in your server needed more memory than its %(size)s, and was ended."),
    # spawner/stages.py: waiting for a GPU, and the end of a lease
    N_("You are number %(position)s of %(of)s who wait for a GPU."),
    N_("Nobody looked at this page for %(time)s, so your place in the queue was given up."),
    N_("Start again to wait anew."),
    N_("No GPU came free for you within %(time)s, so the waiting was ended."),
    N_("Start again to wait anew, or choose a profile without a GPU."),
    N_("An admin took you out of the queue for a GPU."),
    N_("Ask the admin, or choose a profile without a GPU."),
    N_("This room has no profile without a GPU."),
    N_("Wait, or leave."),
    N_("Your server does not wait for a GPU any more."),
    N_("Your server's GPU is leased without an end."),
    N_("A GPU can be kept for %(time)s at most."),
    N_("This server can run for %(time)s at most."),
    N_("Stop the server and start again to go on."),
    N_("1 person waits for a GPU, so it cannot be kept longer."),
    N_("%(count)s people wait for a GPU, so it cannot be kept longer."),
    N_("The time for its GPU was over after %(time)s."),
    N_("It had run for %(time)s, as long as it may."),
    N_("Nobody has worked in this server, and nothing has run in it, for %(time)s."),
    N_("It stops in %(time)s unless you say that you are there."),
    N_("Nobody had worked in it, and nothing had run in it, for %(time)s."),
    N_("The GPU of this server has done nothing for %(time)s."),
    N_(
        "Others may need it: you can give it back and go on with the profile %(name)s, without a "
        "GPU."
    ),
    N_(
        "The server restarts then: what runs ends and notebooks' variables are lost, while your "
        "files stay and your open notebooks come back."
    ),
    N_("The GPU of this server is in use again, or was given back already."),
    N_("Nothing was changed."),
    N_("You gave its GPU back, and it did not start again without one."),
    N_("An admin needed its GPU."),
    N_("An admin lowered what you may have, and it had more."),
    N_("Your time in this room, or your class, is over."),
    N_("Your files are kept."),
    N_("This is for the room's admins."),
    # spawner/stages.py: a home that is near its limit, or full
    N_("Your home holds %(used)s of %(hard)s."),
    N_("Your home holds %(used)s, and is to hold %(most)s at most."),
    N_("Your home is full: it holds %(used)s of %(hard)s, and nothing can be saved."),
    N_("The disk of the homes is full, and nothing can be saved."),
    N_("The folder of the class %(name)s could not be opened, so it is not in this server."),
    N_(
        "Stop the server and start it again; if that does not help, tell the admin, whose log "
        "says why."
    ),
    N_("Delete what you do not need."),
    N_("Disk space, on the room's start page, shows what fills your home."),
    N_("If your home is small, tell the admin."),
    N_("A start to tidy up takes no other option: ask for it alone."),
    N_("Your files are in your home; start again to go on."),
    # room/gpus/labels.py: a seat
    N_("%(model)s, seat of a shared GPU (cooperative)"),
    # room/gpus/watchdog.py: who uses more of a shared GPU than the seat has
    N_("Your programs use %(uses)s of the shared GPU's memory, and your seat has %(has)s."),
    N_("Your programs used %(used)s of the shared GPU's memory, and your seat has %(has)s."),
    N_(
        "Free some within %(seconds)s seconds, or your server is stopped: use smaller batches, or "
        "shut down the kernels that you do not need."
    ),
    N_("Your server was stopped, because others share this GPU; your files are safe."),
    # spawner/options.py: what may be asked for
    N_("The options must be an object of names and values."),
    N_("The option %(name)s must be a text of at most 1,024 characters."),
    N_("There is no profile %(name)s in this room."),
    N_("Choose one of: %(known)s."),
    N_("%(value)s is not allowed for %(name)s: it must match %(pattern)s."),
    N_("%(value)s is no choice for %(name)s."),
    N_("This room does not take the option %(name)s."),
    N_("It takes: %(known)s."),
    N_("The option 'datasets' must be a list of names, each as cifar10 or cifar10@2."),
    # room/datasets/choice.py: which datasets a server has
    N_("%(text)s names no dataset."),
    N_("Write its name for the newest version, or name and number, as cifar10@2."),
    N_("There is no dataset %(name)s."),
    N_("Choose from those on the start page, or none: then you get all of your classes."),
    N_("%(name)s has no version %(number)s."),
    N_("Version %(number)s of %(name)s is retired, and no server starts with it."),
    N_("Files of version %(number)s of %(name)s are damaged, and no server starts with it."),
    N_("Version %(number)s of %(name)s is not on the machine that servers run on."),
    N_("Ask who published it to publish it again."),
    N_("Choose version %(newest)s instead."),
    N_("Choose version %(newest)s, its newest."),
    N_("You chose versions %(first)s and %(second)s of %(name)s."),
    N_("A server has one version of a dataset: choose one of the two."),
    N_("That would be %(count)s datasets, and a server has %(most)s at most."),
    N_("Choose those that you need."),
    # room/environments/choice.py, spawner/stages.py: which packages of a class a server has
    N_("There is no environment %(name)s for you."),
    N_("Choose one of those on the start page, or none."),
    N_(
        "The packages of the class %(class_name)s are not on this host, so they are not in this "
        "server."
    ),
    N_(
        "Tell an instructor of the class to build them again; then stop the server and start it "
        "again."
    ),
    # spawner/spawner.py: a card that cannot be chosen
    N_("This profile needs %(needed)s GPU(s); this room has %(total)s."),
    # room/settings/profiles.py: the profiles of a room that names none
    N_("CPU"),
    N_("One GPU"),
    N_("PyTorch on the CPU: for writing code and for small models."),
    N_("PyTorch with CUDA on a GPU of your own while the server runs."),
    # spawner/handlers.py: what is refused to a page
    N_("You are not signed in any more."),
    N_("Sign in again to go on."),
    N_("This page is too old."),
    N_("Reload it and try again."),
    N_("This is for who may start this server."),
    N_("Sign in as somebody who may."),
    N_("There is no such server, or it is not yours to start."),
    N_("Go to the start page and choose one."),
    N_("That did not work."),
    # spawner/pages.py: where JupyterHub has no words for people
    N_("The server could not be started."),
    N_("Your server runs already."),
    N_("Your server is starting or stopping already."),
    N_("Too many servers are starting at the same time."),
    N_("You have %(count)s servers beside your own, and no more are allowed."),
    N_("Remove one first."),
    N_("A server's name has small letters, digits, and - between them; at most 30 characters."),
    N_("In this room everybody has one server."),
    N_("Your server took too long to start, so the start was given up."),
)

_KNOWN = Phrasebook(SENTENCES)
_END = re.compile(r"(?<=[.!?])\s+(?=\S)")


def translate(text: str, language: str) -> str:
    """Return ``text`` in ``language``, sentence by sentence; what is not known stays as it is."""
    if language == "en":
        return text
    parts = [_sentence(part, language) for part in _whole(_END.split(text.strip()))]
    # Chinese sentences follow each other without a blank.
    return re.sub(r"(?<=[。！？]) ", "", " ".join(parts))  # noqa: RUF001


def bases(language: str) -> list[tuple[str, str]]:
    """Return ``BASES`` with their translations; none where what the room says is what is read."""
    if language == "en":
        return []
    return [(message, catalogue(language).gettext(message)) for message in BASES]


def known(sentence: str) -> bool:
    """Say whether one sentence is on the list."""
    return _KNOWN.find(sentence) is not None


def _whole(parts: list[str]) -> list[str]:
    """Join again what was split inside a sentence, as after the stop in a profile's name."""
    joined: list[str] = []
    while parts:
        candidates = (" ".join(parts[:count]) for count in range(1, len(parts) + 1))
        taken = next((n for n, text in enumerate(candidates, 1) if known(text)), 1)
        joined.append(" ".join(parts[:taken]))
        parts = parts[taken:]
    return joined


def _sentence(sentence: str, language: str) -> str:
    found = _KNOWN.find(sentence)
    return sentence if found is None else translated(found, catalogue(language).gettext)
