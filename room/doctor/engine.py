"""Rules on the Docker Engine, its plugins, and the limits that it can set."""

from __future__ import annotations

from collections.abc import Iterator

from room.doctor.facts import Facts
from room.doctor.finding import Finding, ok
from room.doctor.versions import older
from room.said import said
from room.settings import Settings

#: Before it the default seccomp profile answers clone3 with EPERM, and no program of Debian 13
#: can start a thread (moby/moby#42681, #42836).
MINIMUM_ENGINE = "20.10.10"
#: ``up --wait-timeout`` (docker/compose#10276).
MINIMUM_COMPOSE = "2.17.0"

START = said("sudo systemctl start docker (without systemd: sudo service docker start)")
UPGRADE = said(
    "make up ARGS=--upgrade-engine (it stops and starts every container of this machine)"
)


def answers(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """An engine is there, and this user may ask it."""
    engine, socket = facts.engine, settings.engine_socket
    if engine.answer == "missing":
        yield Finding(
            "engine-missing",
            "fatal",
            said("There is no Docker Engine here"),
            said("Every server is a container of a Docker Engine."),
            said(
                "make up installs it. By yourself: install Docker Engine 25 or newer with Compose "
                "v2 and buildx."
            ),
            prepare="engine",
        )
    elif engine.answer == "stopped":
        yield Finding(
            "engine-stopped",
            "fatal",
            said("The Docker Engine does not answer at %(socket)s", socket=socket),
            said(
                "It is installed and not running, or it listens elsewhere. %(error)s",
                error=engine.error,
            )
            if engine.error
            else said("It is installed and not running, or it listens elsewhere."),
            said(
                "Start it: %(start)s. Or say where it listens: engine_socket in room.yaml.",
                start=START,
            ),
            prepare="engine",
        )
    elif engine.answer == "refused":
        yield Finding(
            "engine-permission",
            "fatal",
            said("You may not use the Docker Engine at %(socket)s", socket=socket),
            said(
                "Only root and the socket's group may; nothing about the engine could be looked at."
            ),
            said("Run the same command with sudo."),
        )
    elif engine.answer == "strange":
        yield Finding(
            "engine-strange",
            "fatal",
            said("What answers at %(socket)s is no Docker Engine", socket=socket),
            engine.error or said("It does not speak the engine's API."),
            said("Set engine_socket in room.yaml to the socket of a Docker Engine."),
        )
    else:
        yield ok("engine", said("Docker Engine %(version)s answers", version=engine.version))


def kind(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """It is an engine with which homes, GPUs and limits are what they seem."""
    engine = facts.engine
    if engine.answer != "yes":
        return
    if "podman" in engine.kind.lower():
        yield Finding(
            "engine-podman",
            "fatal",
            said("Podman answers in Docker's place"),
            said(
                "It takes Docker's requests and does some of them differently: networks, limits "
                "and device requests. Nobody has tried the room on it."
            ),
            said("Install Docker Engine, and set engine_socket in room.yaml to its socket."),
        )
    if engine.root.startswith("/var/snap/"):
        yield Finding(
            "engine-snap",
            "fatal",
            said("The engine is Ubuntu's snap"),
            said(
                "A snap sees neither %(data_root)s nor NVIDIA's hook: homes would be empty and "
                "GPUs could not be given.",
                data_root=settings.data_root,
            ),
            said("sudo snap remove docker, then make up, which installs the package docker.io."),
        )
    if "rootless" in engine.security:
        yield Finding(
            "engine-rootless",
            "fatal",
            said("The engine runs without root"),
            said(
                "It can neither give a home to a server's user (uid 1000) nor limit what servers "
                "take."
            ),
            said(
                "Set engine_socket in room.yaml to an engine that runs as root: "
                "/var/run/docker.sock."
            ),
        )
    if "userns" in engine.security:
        yield Finding(
            "engine-userns",
            "fatal",
            said("The engine moves users to other numbers (userns-remap)"),
            said(
                "A server's user 1000 is another one on the host, and may not enter its own home."
            ),
            said(
                "Take userns-remap out of /etc/docker/daemon.json and restart the engine, or use "
                "another engine for the room."
            ),
        )


def age(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """It is new enough for the images."""
    engine = facts.engine
    if engine.answer != "yes" or not older(engine.version, MINIMUM_ENGINE):
        return
    yield Finding(
        "engine-old",
        "fatal",
        said(
            "Docker Engine %(version)s is older than %(minimum)s",
            version=engine.version,
            minimum=MINIMUM_ENGINE,
        ),
        said(
            "The images are Debian 13, and an older engine forbids its programs to start threads."
        ),
        UPGRADE,
    )


def plugins(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The docker command is there, with Compose v2 and buildx."""
    engine = facts.engine
    if engine.answer in ("missing", "refused"):
        return  # they come with the engine; or this user's docker command says little
    if not engine.client:
        yield Finding(
            "client-missing",
            "fatal",
            said("There is no docker command"),
            said("The room is started and its images are built with it."),
            said("make up installs it (package docker-cli or docker.io)."),
            prepare="engine",
        )
        return
    yield from _compose(engine.compose)
    if not engine.buildx:
        yield Finding(
            "buildx-missing",
            "fatal",
            said("Docker's buildx is missing"),
            said(
                "The images are built with it: it keeps your certificate authority and the "
                "mirrors' passwords out of them."
            ),
            said("make up installs it (package docker-buildx)."),
            prepare="engine",
        )


def _compose(found: str) -> Iterator[Finding]:
    if not found:
        yield Finding(
            "compose-missing",
            "fatal",
            said("Docker Compose v2 is missing"),
            said("It starts hub, proxy, agent and front. The old docker-compose 1 does not do."),
            said(
                "make up installs it (package docker-compose-v2 on Ubuntu, docker-compose of "
                "Debian 13 on Debian)."
            ),
            prepare="engine",
        )
    elif older(found, MINIMUM_COMPOSE):
        yield Finding(
            "compose-old",
            "fatal",
            said(
                "Docker Compose %(found)s is older than %(minimum)s",
                found=found,
                minimum=MINIMUM_COMPOSE,
            ),
            said("It cannot wait until the room is healthy."),
            UPGRADE,
        )
    else:
        yield ok("compose", said("Docker Compose %(found)s and buildx are there", found=found))


#: What a limit keeps safe, in a sentence.
_LIMITS = {
    "memory": said("one server could take the memory of all others"),
    "cpu": said("one server could take all cores"),
    "pids": said("one server could start processes until nothing else can"),
}


def limits(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The kernel lets the engine limit what a server takes."""
    engine = facts.engine
    if engine.answer != "yes":
        return
    missing = [name for name in _LIMITS if name in engine.unlimited]
    if missing:
        yield Finding(
            "limits-missing",
            "fatal",
            said("The engine cannot limit %(missing)s", missing=" and ".join(missing)),
            said("Limits would be ignored without a word: %(limits)s.", limits=_LIMITS[missing[0]]),
            said(
                "Add cgroup_enable=memory (and systemd.unified_cgroup_hierarchy=1) to "
                "GRUB_CMDLINE_LINUX in /etc/default/grub, run sudo update-grub, and reboot."
            ),
        )
    elif "swap" in engine.unlimited:
        yield Finding(
            "limits-swap",
            "warning",
            said("The engine cannot limit swap"),
            said(
                "A server that is out of memory goes on in swap and slows everyone down, instead "
                "of being ended."
            ),
            said(
                "Add swapaccount=1 to GRUB_CMDLINE_LINUX in /etc/default/grub, run sudo "
                "update-grub, and reboot; or switch swap off: sudo swapoff -a."
            ),
        )
    else:
        yield ok(
            "limits",
            said(
                "Memory, CPU and processes can be limited (cgroup v%(cgroup_version)s)",
                cgroup_version=engine.cgroup_version,
            ),
        )


def storage(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """Layers are shared, and files may be read where they are mounted."""
    engine = facts.engine
    if engine.storage == "vfs":
        yield Finding(
            "storage-vfs",
            "warning",
            said("The engine copies every layer of every image (storage driver vfs)"),
            said("An image of 8 GB takes several times that, and a server needs minutes to start."),
            said(
                "Put the engine's directory on ext4 or xfs (with ftype=1), and let it use overlay2."
            ),
        )
    if "selinux" in engine.security and facts.machine.selinux == "enforcing":
        yield Finding(
            "selinux",
            "warning",
            said("SELinux confines containers on this machine"),
            said(
                "Servers may not be let into their homes, nor reach a GPU. Nobody has tried the "
                "room with SELinux enforcing."
            ),
            said(
                "sudo chcon -R -t container_file_t %(data_root)s, and for GPUs sudo setsebool -P "
                "container_use_devices on.",
                data_root=settings.data_root,
            ),
        )
