"""The kinds of values in ``room.yaml``: sizes, durations, addresses, paths, image references."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from room.values import format_duration, parse_duration, parse_size, shown

#: Seconds. JupyterLab itself takes some of them to start.
LEAST_LEASE = 60.0


def parse_lease(value: Any) -> float:
    """Return seconds; 0 for ``none``, the lease that has no end."""
    return _parse_end("lease", value)


def parse_session(value: Any) -> float:
    """Return seconds; 0 for ``none``, the session that has no end."""
    return _parse_end("session", value)


def _parse_end(what: str, value: Any) -> float:
    if isinstance(value, str) and value.strip().lower() == "none":
        return 0.0
    seconds = parse_duration(value)
    if seconds < LEAST_LEASE:
        raise ValueError(
            f"a {what} of {shown(value)} would end before the server is ready: give it "
            f"{format_duration(LEAST_LEASE)} or more, or none for one without an end"
        )
    return seconds


@dataclass(frozen=True, slots=True)
class Address:
    """Where people open the room. ``port`` is filled in when the text has none."""

    scheme: str
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Say whether only this machine itself can reach it."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        literal = self.ip
        return literal is not None and literal.is_loopback

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_public_name(self) -> bool:
        """Say whether a public certificate authority could sign for it."""
        private = ("local", "localhost", "internal", "lan", "home", "corp", "test", "home.arpa")
        return (
            self.ip is None
            and "." in self.host
            and not any(self.host.endswith(f".{suffix}") for suffix in private)
        )


ADDRESS_RULE = (
    "the address is what people type: http:// or https://, a name or IP, and a port if it is not "
    "80 or 443"
)
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


def parse_address(text: str) -> Address:
    """Return the parts of ``address``. Raises ``ValueError`` with the rule."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"{shown(text)} is no address: {ADDRESS_RULE}") from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{shown(text)} is no address: {ADDRESS_RULE}")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"{shown(text)} holds more than an address: {ADDRESS_RULE}")
    if parts.path not in ("", "/"):
        raise ValueError(
            f"{shown(text)} has a path ({parts.path}), and the room has none: leave it out"
        )
    if port == 0:
        raise ValueError("port 0 is no port: choose one from 1 to 65535")
    return Address(parts.scheme, _checked_host(host), port or (80, 443)[parts.scheme == "https"])


def _checked_host(host: str) -> str:
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        if not _HOST.fullmatch(host) or len(host) > 253 or host.replace(".", "").isdigit():
            raise ValueError(
                f"{shown(host)} is no host name: use letters a-z, digits, - and dots "
                "(a name in another script in its xn-- form)"
            ) from None
        return host
    if literal.is_unspecified:
        raise ValueError(
            f"{host} stands for every address and nobody can type it: write the name or IP that "
            "people open"
        )
    return host


def _check_address(text: str) -> str:
    parse_address(text)
    return text.rstrip("/")


def _check_url(text: str) -> str:
    if not text:
        return text
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or re.search(r"[\s\"'\\$]", text):
        raise ValueError(f"{shown(text)} is no address of a server: it starts with https://")
    return text.rstrip("/")


#: The registry's part may hold a port; the name's parts are lower-case.
_IMAGE = re.compile(
    r"(?P<name>(?:[A-Za-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?P<digest>@sha256:[0-9a-f]{64})?"
)


def check_image(text: str) -> str:
    """Return an image reference that will mean the same image tomorrow, or raise ``ValueError``."""
    match = _IMAGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is no image: write name:tag or name@sha256:…")
    if match["digest"] is None and match["tag"] in (None, "latest"):
        raise ValueError(
            f"{shown(text)} can be another image tomorrow: name a tag (not latest) or a digest"
        )
    return text


#: Docker's mount syntax and compose's env files give these a meaning.
_UNUSABLE_IN_PATH = re.compile(r"[\s:,$\"'\\\x00-\x1f]")


def check_path(text: str) -> str:
    if _UNUSABLE_IN_PATH.search(text):
        raise ValueError(
            f"{shown(text)} holds a space, a colon, a comma, a quote or a $: Docker cannot mount "
            "such a path; choose another"
        )
    return text


def _resolve(value: Any, info: ValidationInfo) -> Any:
    """Make a relative path relative to the file that says it."""
    if not isinstance(value, str):
        return value
    if not value:
        raise ValueError("the path is empty: leave the key out instead")
    if value.startswith("~"):
        raise ValueError(f"{shown(value)} is another directory under sudo: write the whole path")
    base = (info.context or {}).get("base")
    path = Path(check_path(value))
    return path if base is None or path.is_absolute() else Path(base) / path


def _absolute(value: Any) -> Any:
    if isinstance(value, str) and not value.startswith("/"):
        raise ValueError(f"{shown(value)} must be a whole path that starts with /")
    return value


#: A room's data must outlive a package's upgrade, a reboot and another program's cleaning.
_SYSTEM = ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin")
_SYSTEM_TREES = tuple(
    PurePosixPath("/", name)
    for name in (*_SYSTEM, "sys", "usr", "var/run", "var/cache", "var/lib/docker", "var/lib/dpkg")
)
_SYSTEM_TOPS = tuple(
    PurePosixPath("/", name)
    for name in (
        "",
        "home",
        "media",
        "mnt",
        "opt",
        "root",
        "srv",
        "tmp",
        "var",
        "var/lib",
        "var/tmp",
    )
)


def _check_data_root(path: Path) -> Path:
    pure = PurePosixPath(path)
    if ".." in pure.parts:
        raise ValueError(f"{shown(str(path))} holds '..': write the path without it")
    if pure in _SYSTEM_TOPS or any(tree == pure or tree in pure.parents for tree in _SYSTEM_TREES):
        raise ValueError(
            f"{path} belongs to the system: choose a directory of the room's own, like "
            "/var/lib/torchroom or /srv/torchroom"
        )
    return path


Size = Annotated[int, BeforeValidator(parse_size)]
Duration = Annotated[float, BeforeValidator(parse_duration)]
LeaseTime = Annotated[float, BeforeValidator(parse_lease)]
SessionTime = Annotated[float, BeforeValidator(parse_session)]
Cores = Annotated[float, Field(strict=True, gt=0, le=1024)]
Count = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Url = Annotated[str, AfterValidator(_check_url)]
AddressText = Annotated[str, AfterValidator(_check_address)]
Image = Annotated[str, AfterValidator(check_image)]
FilePath = Annotated[Path, BeforeValidator(_resolve)]
# Validators before run from the last to the first.
AbsolutePath = Annotated[Path, BeforeValidator(_resolve), BeforeValidator(_absolute)]
DataRoot = Annotated[
    Path, AfterValidator(_check_data_root), BeforeValidator(_resolve), BeforeValidator(_absolute)
]
