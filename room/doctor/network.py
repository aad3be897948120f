"""Rules on the network: ports, name, mirrors, packet filter."""

from __future__ import annotations

from collections.abc import Iterator

from room.doctor.facts import Facts, Mirror
from room.doctor.finding import Finding, ok
from room.settings import Settings

#: Which images need packages of which mirror.
NEEDED_BY = {
    "debian": ("base", "room", "proxy", "front", "pytorch"),
    "pypi": ("room", "pytorch"),
    "npm": ("proxy",),
    "pytorch": ("pytorch",),
}


def ports(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """Nobody else has the ports that people come in by."""
    free = []
    for port in facts.network.ports:
        if port.holder and not port.ours:
            yield Finding(
                "port-taken",
                "fatal",
                f"Port {port.number} is taken by {port.holder}",
                f"The room is to be opened at {settings.address}, and cannot.",
                f"Stop {port.holder}, or choose another port in address in room.yaml"
                + (
                    ". Port 80 belongs to https: it sends people on to the encrypted page."
                    if port.number == 80 and settings.location.scheme == "https"
                    else ", like " + _other(settings) + "."
                ),
            )
        else:
            free.append(f"{port.number}{' (this room has it)' if port.ours else ''}")
    if free:
        yield ok("port", f"Port {' and '.join(free)} can be used")


def _other(settings: Settings) -> str:
    where = settings.location
    host = f"[{where.host}]" if ":" in where.host else where.host
    return f"{where.scheme}://{host}:{where.port + 80 if where.port < 65000 else 8080}"


def name(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The name that people type leads somewhere."""
    if facts.network.resolves is not False:
        return
    yield Finding(
        "name-unknown",
        "warning",
        f"The name {settings.location.host} is not known here",
        "If it is not known to people's machines either, nobody finds the room, and no public "
        "authority signs a certificate for it.",
        "Add it to your DNS as the address of this machine, or correct address in room.yaml.",
    )


def mirrors(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The packages that images still need can be had."""
    reached = []
    for mirror in facts.network.mirrors:
        if mirror.problem:
            yield _out_of_reach(facts, mirror)
        else:
            reached.append(mirror.name)
    if reached:
        yield ok("mirrors", f"Mirrors answer: {', '.join(reached)}")


def _out_of_reach(facts: Facts, mirror: Mirror) -> Finding:
    missing = set(facts.data.missing_images) & set(NEEDED_BY.get(mirror.name, ()))
    waiting = ", ".join(sorted(missing))
    return Finding(
        "mirror-unreachable",
        "fatal" if missing else "warning",
        f"The {mirror.name} mirror {mirror.url or 'of this machine'} is out of reach: "
        f"{mirror.problem}",
        f"These images cannot be built without it: {waiting}."
        if missing
        else "Every image is built: the room runs. The next upgrade will need it.",
        f"Check the network and the proxy settings of this machine, or set mirrors.{mirror.name} "
        "in room.yaml to a mirror that answers. For your own certificate authority: "
        "mirrors.ca_file.",
    )


def forwarding(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """Packets pass between containers and the world."""
    if facts.engine.answer != "yes":
        return
    if facts.network.ip_forward is False:
        yield Finding(
            "forwarding-off",
            "warning",
            "The kernel forwards no packets (net.ipv4.ip_forward is 0)",
            "Servers reach no network, and images cannot be built. The engine switched it on when "
            "it started; something switched it off since.",
            "sudo sysctl net.ipv4.ip_forward=1, and take the 0 out of /etc/sysctl.d.",
        )
    if facts.network.docker_chains is False:
        yield Finding(
            "firewall-flushed",
            "warning",
            "The engine's rules are gone from the packet filter",
            "A firewall that was loaded after the engine started has removed them: published "
            "ports and servers' networks do not work.",
            "Restart the engine after the firewall, when no one works: sudo systemctl restart "
            "docker.",
        )


def bridges(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """Containers go on to reach this machine while others start and end."""
    if not facts.network.silent_bridges:
        return
    yield Finding(
        "bridge-silent",
        "warning",
        f"The hardware address of {' and '.join(facts.network.silent_bridges)} changes as "
        "containers come and go",
        "Connections between this machine and running containers then stand still for 5 to 30 "
        "seconds, now and then when anybody's server starts or stops. Where udev runs, it gives "
        "bridges an address for good; here it does not run.",
        "make up tells the kernel to announce the new address: sudo sysctl "
        "net.ipv4.conf.all.arp_notify=1.",
        prepare="engine",
    )
