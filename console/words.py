"""What the rules call things, as pages call them, so that it can be translated."""

from __future__ import annotations

from room.datasets import fetching


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

#: Fields of forms → what pages call them. What is not here is none that somebody fills in.
FIELDS = {
    "act": N_("What is done"),
    "branch": N_("Branch"),
    "class": N_("Class"),
    "hours": N_("GPU-hours"),
    "limit": N_("Limit"),
    "dataset": N_("Dataset"),
    "note": N_("What it is for"),
    "number": N_("Change"),
    "page": N_("Opens"),
    "path": N_("Class folder"),
    "profile": N_("Profile"),
    "repository": N_("Repository"),
    "requirements": N_("Requirements"),
    "role": N_("Role"),
    "roster": N_("Roster"),
    "server": N_("Server"),
    "title": N_("Title"),
    "until": N_("Until"),
    "user": N_("Who"),
    "value": N_("Value"),
    "who": N_("Who"),
    "why": N_("What is wrong"),
}

#: What a form does to somebody or to a class → what its button says.
ACTS = {
    "archive": N_("Archive"),
    "restore": N_("Restore"),
    "end": N_("Set the end"),
    "keep-out": N_("Keep out from now on"),
    "let-in": N_("Let in again"),
    "leave": N_("Take out"),
    "build": N_("Build"),
    "back": N_("Go back to it"),
    "off": N_("Switch off"),
    "enrol": N_("Put into a class, or change the role there"),
}

#: What a token may be given (``console/own.py``), as a page says it.
TOKEN_SCOPES = {
    "look": N_("See who you are, and what of yours runs"),
    "start": N_("Start and stop your servers"),
    "work": N_("Open your servers, and work in them"),
    "console": N_("Use this console, as JSON"),
    "all": N_("All that you may do yourself"),
}

#: What the hub tells of GPUs and of the queue, as plain text: the same is said again in the
#: reader's language. ``tests/unit/test_told.py`` finds what is missing here.
TOLD = (
    # agent/xid.py
    N_(
        "Xid %(number)s (%(meaning)s): reset the GPU (nvidia-smi --gpu-reset) or reboot, restart "
        "the agent, then room gpu undrain"
    ),
    N_("GPU stopped processing"),
    N_("double-bit memory error"),
    N_("internal micro-controller halt"),
    N_("a memory row could not be remapped"),
    N_("NVLink error"),
    N_("GPU has fallen off the bus"),
    N_("uncontained memory error"),
    N_("security fault"),
    N_("no answer of the GPU's system processor"),
    N_("error of the GPU's system processor"),
    N_("link training failed"),
    N_("unrecovered memory error"),
    N_("GPU initialization error"),
    N_("a faulty part was retired"),
    N_("fatal timeout"),
    N_("fatal"),
    # agent/known.py, agent/nvml.py, agent/snapshot.py
    N_("NVML does not answer: %(why)s"),
    N_("the driver was upgraded and the old one still runs: reboot the host"),
    N_("the agent may not open the driver's devices: run room up"),
    N_("no NVIDIA driver is loaded, or the agent cannot see it: room doctor says more"),
    N_("NVML does not list the GPU any more: it was lost; reboot the host"),
    N_("the GPU has fallen off the bus (NVML: GPU is lost); reboot the host"),
    N_("the GPU needs a reset: nvidia-smi --gpu-reset, or reboot the host"),
    N_("NVML: %(words)s"),
    N_(
        "%(errors)s uncorrectable memory errors since the driver was loaded: reset the GPU "
        "(nvidia-smi --gpu-reset) or reboot; if they come back, have it replaced"
    ),
    N_("the driver has not answered for %(seconds)s seconds"),
    # spawner/inventory_feed.py, spawner/use_feed.py
    N_("the agent has not answered yet"),
    N_("the agent has not answered since %(time)s UTC"),
    N_("this hub has no agent to ask"),
    N_("the agent does not answer (%(error)s)"),
    N_("the agent has not looked at the GPUs yet"),
    # room/gpus/forecast.py
    N_("1 lease ends before %(time)s."),
    N_("%(count)s leases end before %(time)s."),
    N_("About %(count)s turns come in the next hour."),
    N_("About %(count)s turns come in the next %(hours)s hours."),
    # room/gpus/requests.py
    N_("1 GPU"),
    N_("1 GPU with %(wanted)s"),
    N_("%(count)s GPUs"),
    N_("%(count)s GPUs with %(wanted)s"),
    N_("1 MIG instance"),
    N_("1 MIG instance with %(wanted)s"),
    N_("%(count)s MIG instances"),
    N_("%(count)s MIG instances with %(wanted)s"),
    N_("1 seat of a shared GPU"),
    N_("1 seat of a shared GPU with %(wanted)s"),
    N_("%(count)s seats of a shared GPU"),
    N_("%(count)s seats of a shared GPU with %(wanted)s"),
    N_("%(memory)s GiB or more"),
    N_("%(wanted)s and %(memory)s GiB or more"),
    N_("profile %(profile)s"),
    N_("%(model)s and profile %(profile)s"),
    # room/audit.py: who did something, where it was no person, and from where it was done
    N_("the room"),
    N_("command"),
    N_("console page %(address)s"),
    N_("console api %(address)s"),
    # room/datasets/paths.py, room/datasets/space.py, publishing: why a publication stopped
    N_("%(member)s cannot be in a dataset: %(rule)s."),
    N_("it is a device, a pipe or a socket"),
    N_("it is a symbolic link to %(target)s: %(rule)s"),
    N_("it is not inside the dataset: put the file there, or a link to one inside"),
    N_("its target is empty: link to a file of the dataset"),
    N_("its target goes down and up again: shorten it"),
    N_("%(one)s and %(other)s differ in upper and lower case only: rename one of them"),
    N_(
        "%(one)s and %(other)s are one name, whose accents are written in two ways: "
        "rename one of them"
    ),
    N_("its path has a line break, or another control character (%(code)s): rename it"),
    N_("its path has a backslash, which is / elsewhere: rename it, or use /"),
    N_("a name in its path has %(count)s bytes, and the most is %(most)s: shorten it"),
    N_("its path has %(count)s bytes, and the most is %(most)s: shorten it"),
    N_("its path is absolute: use paths inside the folder"),
    N_("its path leads out by ..: use paths inside the folder"),
    N_("its path is not UTF-8: rename it, or pack it in UTF-8"),
    N_("it has no name of its own: give it one"),
    N_("it is there twice: leave one out"),
    N_("all paths together have more than %(most)s MiB: shorten them"),
    N_("%(other)s, before it, is a link: leave one out"),
    N_("%(other)s is a directory, and a file or a link, too: rename one"),
    N_(
        "This takes %(needed)s and there is room for %(left)s: %(free)s are free, of which "
        "%(spare)s stay free and %(promised)s are promised to what is being published. Free some "
        "space, or retire and prune what is not used any more."
    ),
    N_("The disk is full."),
    N_("there is no folder %(shown)s that no link leads to"),
    N_("%(name)s changed while it was read; publish it again"),
    # room/environments/failures.py, room/environments/files.py: why a build did not succeed
    N_("The build did not succeed: its log says why."),
    N_(
        "%(name)s comes as source alone for this room's Python, and building it would run its "
        "author's program with the room's rights. Choose a version that has a wheel, or another "
        "package; students can build it in their own servers."
    ),
    N_(
        "These do not go together: %(what)s. The log says which version each wants; choose "
        "others, or wider ranges."
    ),
    N_("The package index has no package %(name)s. Check how it is written."),
    N_("Too little disk space is left for this environment. Tell the admin to free some."),
    N_(
        "The build took longer than %(minutes)s minutes and was ended. Build again, or name "
        "fewer packages."
    ),
    N_("The build needed more memory than it may have. Name fewer packages at once."),
    N_("The Docker Engine went away during the build, again and again. Tell the admin."),
    N_("The room could not go on with the build. Tell the admin."),
    N_("The room's own image is not on this host. Tell the admin."),
    N_("The room does not know its package index yet. Tell the admin to run: room up"),
    N_("The room's image has all of these already, so there is nothing to build."),
    N_(
        "The package index has another file than the one whose hash was asked for. Build again; "
        "if it stays, write the version without its hash, or another one."
    ),
    N_(
        "%(name)s is needed by a package with a hash, and has none itself. Add it with its hash, "
        "or write all of them without."
    ),
    N_(
        "The package index did not answer. Build again in some minutes; if it stays, tell the "
        "admin, who chooses the index (mirrors.pypi in room.yaml)."
    ),
    N_(
        "%(what)s needs another PyTorch or CUDA than this room's image has (%(held)s), and that "
        "stays as it is. Choose a version that goes with it."
    ),
    N_("The package index has no %(what)s for this room's Python. It has: %(versions)s."),
    N_(
        "A package writes %(path)s, which is no place for packages. Leave out the package that "
        "does so."
    ),
    N_(
        "A package writes over %(path)s, which is the image's own: PyTorch and what starts the "
        "server stay as they are. Leave out the package that does so."
    ),
    *fetching.PATTERNS,
    # spawner/admin.py
    N_("There is no unit %(unit)s in this room."),
    N_("That lease has ended already."),
    N_("The engine did not stop the server, so its lease stays (%(error)s)"),
    N_("The engine did not stop a server (%(error)s)"),
    N_("%(call)s: the Docker Engine does not answer"),
)

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
    N_("student"),
    N_("assistant"),
    N_("instructor"),
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
