"""Looking at ports, mirrors, names and the packet filter."""

from __future__ import annotations

import email.utils
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cli.doctor_probe.ask import SYSTEM_PATH, output, text
from cli.doctor_probe.engine import Looked
from engine import site as engine_site
from engine import sources
from engine.errors import BuildError
from room import front
from room.doctor.facts import Mirror, Network, Port
from room.settings import Settings

#: Seconds that a mirror has for its answer, and a program for where its default one is.
TIMEOUT, PROGRAM_TIMEOUT = 5.0, 2.5


class Site(NamedTuple):
    """The mirrors in force, or why there are none."""

    found: sources.Site | None
    problem: str = ""


def site(settings: Settings) -> Site:
    try:
        return Site(engine_site.of(settings))
    except BuildError as error:
        return Site(None, str(error).rstrip("."))


def questions(settings: Settings, site: Site) -> dict[str, Callable[[], Any]]:
    """Return what only other machines can answer."""
    where = settings.location
    asked: dict[str, Callable[[], Any]] = {}
    if where.ip is None and not where.is_loopback:
        asked["resolves"] = lambda: resolves(where.host)
    if site.found is None:
        return asked
    ours = site.found
    asked["clock"] = lambda: clock_ahead(_release(ours), ours.ca)
    asked["debian"] = lambda: engine_site.probe(
        _release(ours), ours.ca, expect=b"Origin: Debian", timeout=TIMEOUT
    )
    asked["pypi"] = lambda: _index(ours.pypi or pip_default(), "uv/", ours.ca)
    asked["npm"] = lambda: _index(ours.npm or npm_default(), "configurable-http-proxy", ours.ca)
    if settings.images.cuda != sources.PYPI_CUDA:
        url = f"{ours.pytorch}/{settings.images.cuda}/torch/"
        asked["pytorch"] = lambda: engine_site.probe(url, ours.ca, timeout=TIMEOUT)
    return asked


def _release(site: sources.Site) -> str:
    return f"{site.debian}/dists/{sources.SUITE}/InRelease"


def _index(url: str, path: str, ca: bytes) -> str | None:
    """Return why an index is out of reach; None when nobody here knows where it is."""
    return engine_site.probe(f"{url.rstrip('/')}/{path}", ca, timeout=TIMEOUT) if url else None


def pip_default() -> str:
    """Return the index that pip asks when nobody has told it another."""
    try:
        from pip._internal.models.index import PyPI
    except ImportError:
        return ""
    return str(PyPI.simple_url)


def npm_default() -> str:
    return output("npm", "config", "get", "registry", timeout=PROGRAM_TIMEOUT)


def clock_ahead(url: str, ca: bytes) -> float | None:
    """Return how many seconds this clock is ahead of the one of a web server."""
    context = ssl.create_default_context(cadata=ca.decode("ascii", "ignore"))
    request = urllib.request.Request(sources.shown(url), method="HEAD")  # noqa: S310
    before = time.time()
    with urllib.request.urlopen(request, timeout=TIMEOUT, context=context) as answer:  # noqa: S310
        return _ahead(answer.headers, before, time.time())


def _ahead(headers: Any, before: float, after: float) -> float | None:
    # A cache repeats the origin's date and says how old it is.
    said = email.utils.parsedate_to_datetime(headers["Date"]).timestamp()
    there = said + float(headers.get("Age") or 0)
    # The date has whole seconds: half of one is its middle.
    return (before + after) / 2 - (there + 0.5)


def resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def look(settings: Settings, engine: Looked, site: Site, far: dict[str, Any]) -> Network:
    """Return what decides whether people and packages get through."""
    return Network(
        ports=tuple(ports(settings, engine)),
        mirrors=tuple(mirrors(settings, site, far)),
        ip_forward=_flag(text("/proc/sys/net/ipv4/ip_forward")),
        docker_chains=_docker_chains(),
        resolves=far.get("resolves"),
        silent_bridges=tuple(silent_bridges()),
    )


def silent_bridges(
    root: str = "/sys/class/net", notify: str = "/proc/sys/net/ipv4/conf/all/arp_notify"
) -> Iterator[str]:
    """Yield the engine's bridges that take the lowest address of their ports, and tell nobody."""
    if _flag(text(notify)) is not False:
        return
    for bridge in sorted(Path(root).glob("*/bridge")):
        name = bridge.parent.name
        # 3 is NET_ADDR_SET: somebody chose the address, and the kernel leaves it alone.
        settled = text(str(bridge.parent / "addr_assign_type")).strip() in ("", "3")
        if name.startswith(("docker", "br-")) and not settled:
            yield name


def _flag(content: str) -> bool | None:
    return {"0": False, "1": True}.get(content.strip())


def _docker_chains() -> bool | None:
    """Say whether the engine's chains are in the filter; None where that cannot be seen."""
    program = shutil.which("iptables", path=SYSTEM_PATH)
    if program is None or os.geteuid() != 0:
        return None
    try:
        done = subprocess.run(
            [program, "--numeric", "--list", "DOCKER"],
            capture_output=True,
            timeout=2,
            check=False,
            text=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode == 0:
        return True
    # With its nftables backend the engine has no such chain anywhere.
    nft = output("nft", "list", "tables", timeout=2)
    return None if "docker-bridges" in nft or "No chain" not in done.stderr else False


# --- mirrors ----------------------------------------------------------------------------------


def mirrors(settings: Settings, site: Site, far: dict[str, Any]) -> Iterator[Mirror]:
    """Yield each mirror that was asked, with why it is out of reach."""
    if site.found is None:
        yield Mirror("debian", "", site.problem)
        return
    urls = {
        "debian": site.found.debian,
        "pypi": site.found.pypi,
        "npm": site.found.npm,
        "pytorch": site.found.pytorch,
    }
    for name, url in urls.items():
        if name == "pytorch" and settings.images.cuda == sources.PYPI_CUDA:
            continue
        # Without an address of its own a missing answer says nothing about a mirror.
        answer = far.get(name, f"no answer within {TIMEOUT:g} s" if url else None)
        if answer is not None:
            yield Mirror(name, sources.shown(url), answer)


# --- ports ------------------------------------------------------------------------------------


class Listener(NamedTuple):
    """A socket that waits for connections."""

    address: str
    port: int
    inode: int


def ports(settings: Settings, engine: Looked) -> Iterator[Port]:
    """Yield the ports that the front publishes, with who has them."""
    listening = [
        *listeners(text("/proc/net/tcp")),
        *listeners(text("/proc/net/tcp6")),
    ]
    for published in front.published_ports(settings):
        host, _, rest = published.rpartition(":")[0].rpartition(":")
        yield _port(settings.name, int(rest), host.strip("[]"), engine, listening)


def _port(room: str, number: int, host: str, engine: Looked, found: list[Listener]) -> Port:
    for container in engine.containers:
        if any(_meets(p, number, host) for p in container.get("Ports") or ()):
            labels = container.get("Labels") or {}
            ours = labels.get("com.docker.compose.project") == room
            name = str((container.get("Names") or ["/?"])[0]).lstrip("/")
            return Port(number, host, f"the container {name}", ours)
    for listener in found:
        if listener.port == number and overlap(listener.address, host):
            return Port(number, host, holder(listener.inode))
    return Port(number, host)


def _meets(published: dict[str, Any], number: int, host: str) -> bool:
    return published.get("PublicPort") == number and overlap(published.get("IP") or "", host)


def overlap(one: str, other: str) -> bool:
    """Say whether two addresses cannot both listen on one port; empty stands for all."""
    everywhere = ("", "0.0.0.0", "::")  # noqa: S104
    return one in everywhere or other in everywhere or one == other


def listeners(table: str) -> Iterator[Listener]:
    """Yield the listening sockets of /proc/net/tcp or tcp6."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != "0A":
            continue
        address, _, port = fields[1].partition(":")
        yield Listener(_address(address), int(port, 16), int(fields[9]))


def _address(text: str) -> str:
    """Return an address from the kernel's words of four bytes, each in the machine's order."""
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    found = ipaddress.ip_address(b"".join(words))
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def holder(inode: int) -> str:
    """Return who has a socket, in words; only root sees other users' processes."""
    wanted = f"socket:[{inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(fd.readlink()) == wanted for fd in (process / "fd").iterdir()):
                return f"{text(process / 'comm').strip()} (process {process.name})"
        except OSError:
            continue
    return "another program"
