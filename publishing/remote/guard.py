"""Keeps a fetcher from everybody but those it may ask.

Python tells of a connection before it is made, with the peer's own address, whichever library makes
it. So a name that means another machine by then, or a server that sends one on, changes nothing.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from room.datasets import peers
from room.datasets.addresses import Rules

#: Bytes of memory, and open files.
MEMORY, FILES = 4 << 30, 256
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
#: By which a process would speak with others past ``socket.connect``, or leave what watches it.
NEVER = frozenset(
    {"socket.sendto", "socket.sendmsg", "socket.bind", "subprocess.Popen", "os.system", "os.exec"}
    | {"os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "ctypes.dlopen"}
)


def die_with_parent() -> None:
    """End when the parent ends, however it does."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def shed(user: int | None) -> None:
    """Give up what fetching does not need: root, writing files, and memory without end."""
    if user is not None and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        # A change of user takes this back.
        die_with_parent()
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, FILES),
    ):
        resource.setrlimit(what, (most, most))


def watch(rules: Rules, refused: Callable[[], None]) -> None:
    """Call ``refused`` before a connection to who may not be asked; it must not return."""
    allowed = _networks(rules, os.environ)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            if not _may(arguments[0], arguments[1], allowed):
                refused()
        elif event in NEVER:
            refused()

    sys.addaudithook(hook)


def _may(made: socket.socket, peer: Any, allowed: list[peers.Network]) -> bool:
    return made.family in (socket.AF_INET, socket.AF_INET6) and peers.may_connect(
        str(peer[0]), allowed
    )


def _networks(rules: Rules, environment: Mapping[str, str]) -> list[peers.Network]:
    """Return whom room.yaml allows, and the proxy by which this machine reaches the world."""
    found = []
    for host in (*rules.hosts, *_proxies(environment)):
        network = peers.network(host)
        found += [network] if network else _addresses(host)
    return found


def _proxies(environment: Mapping[str, str]) -> list[str]:
    named = ("http_proxy", "https_proxy", "all_proxy")
    texts = [value for key, value in environment.items() if key.lower() in named and value]
    urls = (urlsplit(text if "://" in text else f"http://{text}") for text in texts)
    return [url.hostname for url in urls if url.hostname]


def _addresses(name: str) -> list[peers.Network]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    made = (peers.network(str(each[4][0]).partition("%")[0]) for each in found)
    return [each for each in made if each]
