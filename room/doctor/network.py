"""Rules on the network: ports, name, mirrors, packet filter."""

from __future__ import annotations

from collections.abc import Iterator

from room.doctor.facts import Facts, Mirror
from room.doctor.finding import Finding, ok
from room.said import joined, said
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
                said(
                    "Port %(number)s is taken by %(holder)s", number=port.number, holder=port.holder
                ),
                said(
                    "The room is to be opened at %(address)s, and cannot.", address=settings.address
                ),
                said(
                    "Stop %(holder)s, or choose another port in address in room.yaml. Port 80 "
                    "belongs to https: it sends people on to the encrypted page.",
                    holder=port.holder,
                )
                if port.number == 80 and settings.location.scheme == "https"
                else said(
                    "Stop %(holder)s, or choose another port in address in room.yaml, like "
                    "%(other)s.",
                    holder=port.holder,
                    other=_other(settings),
                ),
            )
        else:
            free.append(
                said("%(number)s (this room has it)", number=port.number)
                if port.ours
                else str(port.number)
            )
    if free:
        yield ok("port", said("These ports can be used: %(ports)s", ports=joined(free)))


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
        said("The name %(host)s is not known here", host=settings.location.host),
        said(
            "If it is not known to people's machines either, nobody finds the room, and no public "
            "authority signs a certificate for it."
        ),
        said("Add it to your DNS as the address of this machine, or correct address in room.yaml."),
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
        yield ok("mirrors", said("Mirrors answer: %(reached)s", reached=", ".join(reached)))


def _out_of_reach(facts: Facts, mirror: Mirror) -> Finding:
    missing = set(facts.data.missing_images) & set(NEEDED_BY.get(mirror.name, ()))
    waiting = ", ".join(sorted(missing))
    return Finding(
        "mirror-unreachable",
        "fatal" if missing else "warning",
        said(
            "The %(name)s mirror %(url)s is out of reach: %(problem)s",
            name=mirror.name,
            url=mirror.url or said("of this machine"),
            problem=mirror.problem,
        ),
        said("These images cannot be built without it: %(images)s.", images=waiting)
        if missing
        else said("Every image is built: the room runs. The next upgrade will need it."),
        said(
            "Check the network and the proxy settings of this machine, or set mirrors.%(name)s in "
            "room.yaml to a mirror that answers. For your own certificate authority: "
            "mirrors.ca_file.",
            name=mirror.name,
        ),
    )


def forwarding(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """Packets pass between containers and the world."""
    if facts.engine.answer != "yes":
        return
    if facts.network.ip_forward is False:
        yield Finding(
            "forwarding-off",
            "warning",
            said("The kernel forwards no packets (net.ipv4.ip_forward is 0)"),
            said(
                "Servers reach no network, and images cannot be built. The engine switched it on "
                "when it started; something switched it off since."
            ),
            said("sudo sysctl net.ipv4.ip_forward=1, and take the 0 out of /etc/sysctl.d."),
        )
    if facts.network.docker_chains is False:
        yield Finding(
            "firewall-flushed",
            "warning",
            said("The engine's rules are gone from the packet filter"),
            said(
                "A firewall that was loaded after the engine started has removed them: published "
                "ports and servers' networks do not work."
            ),
            said(
                "Restart the engine after the firewall, when no one works: sudo systemctl restart "
                "docker."
            ),
        )


def bridges(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """Containers go on to reach this machine while others start and end."""
    if not facts.network.silent_bridges:
        return
    yield Finding(
        "bridge-silent",
        "warning",
        said(
            "The hardware address of %(bridges)s changes as containers come and go",
            bridges=" and ".join(facts.network.silent_bridges),
        ),
        said(
            "Connections between this machine and running containers then stand still for 5 to 30 "
            "seconds, now and then when anybody's server starts or stops. Where udev runs, it "
            "gives bridges an address for good; here it does not run."
        ),
        said(
            "make up tells the kernel to announce the new address: sudo sysctl "
            "net.ipv4.conf.all.arp_notify=1."
        ),
        prepare="engine",
    )
