"""Addresses that datasets are published from: what may be named, and what of it is shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from room.datasets.paths import shown as quoted
from room.said import said

#: What room.yaml may allow: each of these is read by way of connections that can be looked at.
Known = Literal["https", "http", "s3", "hf"]
#: What somebody without an account on the host may name, unless room.yaml says otherwise.
PROTOCOLS: tuple[Known, ...] = ("https", "s3", "hf")
WEB = ("https", "http")
#: Their first part is the name of a bucket, or of whose a repository is, and no host.
NAMED = ("s3", "hf")
#: Addresses of one publication, and characters of one.
MOST, LONGEST = 100, 4096

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.ASCII)
#: What only the command takes: one protocol's files read by way of another's.
_CHAIN = re.compile(r"(?:[a-z0-9]+(?:://[^:]*)?::)+([a-z][a-z0-9+.-]*)://", re.ASCII)
_PLAIN = re.compile(r"[\x21-\x7e\u00a1-\U0010ffff]+")


@dataclass(frozen=True, slots=True)
class Rules:
    """``hosts``: names, addresses and networks that may be asked though they are not public."""

    protocols: tuple[str, ...] = PROTOCOLS
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """With what the servers let the room in. ``endpoint``: where an S3 or a hub of models is."""

    user: str = ""
    password: str = ""
    token: str = ""
    key: str = ""
    secret: str = ""
    endpoint: str = ""

    @property
    def secret_given(self) -> bool:
        return bool(self.user or self.password or self.token or self.key or self.secret)

    def as_dict(self) -> dict[str, str]:
        return {name: value for name, value in asdict(self).items() if value}


#: The fields of an ``Access``, in the order of forms.
ACCESS = tuple(each.name for each in fields(Access))


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """Addresses as they were given, and with what they are asked: all of it may be secret."""

    addresses: tuple[str, ...]
    access: Access = Access()

    @property
    def shown(self) -> list[str]:
        return [shown(each) for each in self.addresses]

    @property
    def says_anything(self) -> bool:
        return bool(self.addresses or self.access.as_dict())

    def as_dict(self) -> dict[str, Any]:
        return {"addresses": list(self.addresses), "access": self.access.as_dict()}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Wanted:
        return cls(tuple(told["addresses"]), Access(**told["access"]))


def listed(text: str) -> tuple[str, ...]:
    """Return the addresses of a text that has one a line."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def is_address(text: str) -> bool:
    """Say whether it is an address, and no path of this host."""
    return bool(_SCHEME.match(text) or _CHAIN.match(text))


def protocol(address: str) -> str:
    return address.partition("://")[0]


def shown(address: str) -> str:
    """Return an address without what may let anybody in: no user, no query.

    Where nobody can tell what of it that is, its protocol is all that is shown.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return f"{protocol(address)}://"
    if _misplaced(parts) or _CHAIN.match(address):
        return f"{protocol(address)}://"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(SplitResult(parts.scheme, host, parts.path, "", ""))


def check(wanted: Wanted, rules: Rules | None) -> Wanted:
    """Return what may be asked for; without ``rules`` by whatever protocol there is.

    Raises ``ValueError`` in words, with nothing secret in them.
    """
    if not wanted.addresses:
        raise ValueError(said("no address is named: write one, as https://example.org/cats.zip"))
    if len(wanted.addresses) > MOST:
        raise ValueError(said("there are more than %(most)s addresses: name a folder", most=MOST))
    for address in wanted.addresses:
        _check_one(address, rules)
    if len(set(wanted.addresses)) < len(wanted.addresses):
        raise ValueError(said("an address is there twice: leave one out"))
    _check_access(wanted, rules)
    return wanted


def name(address: str) -> str:
    """Return what the file at a web address is called: the last part of its path."""
    return unquote(urlsplit(address).path.rpartition("/")[2])


def given_anew(given: Wanted, begun: Sequence[str]) -> Wanted:
    """Return what a publication goes on with that was ``begun`` with these addresses, as shown.

    Where no address is given they are the same. Raises ``ValueError`` in words.
    """
    wanted = replace(given, addresses=given.addresses or tuple(begun))
    if wanted.shown != list(begun):
        raise ValueError(said("these are other addresses: cancel it, and publish these"))
    return wanted


def _check_one(address: str, rules: Rules | None) -> None:
    found = _SCHEME.match(address) or (None if rules else _CHAIN.match(address))
    what = quoted(shown(address)) if found else said("an address")
    if not found or len(address) > LONGEST or not _PLAIN.fullmatch(address):
        raise ValueError(
            said("%(address)s is none: write one, as https://example.org/a.zip", address=what)
        )
    if rules is not None and found[1] not in rules.protocols:
        raise ValueError(
            said(
                "%(address)s is not taken here: write one that begins with %(known)s",
                address=what,
                known=", ".join(f"{each}://" for each in rules.protocols),
            )
        )
    if found[1] in (*WEB, *NAMED):
        _check_parts(address, what)


def _check_parts(address: str, what: str) -> None:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise ValueError(said("%(address)s names no host: look at it again", address=what))
    if parts.scheme in NAMED:
        if "@" in parts.netloc or ":" in parts.netloc:
            raise ValueError(
                said("%(address)s has a user in it: write it in the fields", address=what)
            )
        return
    if _misplaced(parts):
        raise ValueError(said("an address has an @ behind its host: write it percent-encoded"))
    if not name(address):
        raise ValueError(
            said("%(address)s ends with / and is no file: name each file", address=what)
        )


def _misplaced(parts: SplitResult) -> bool:
    """Say whether what is taken for a path may be the rest of a password with / ? or # in it."""
    behind = parts.query + parts.fragment
    if parts.scheme in NAMED:
        return ":" in parts.netloc or "@" in behind
    return "@" in parts.path + behind


def _check_access(wanted: Wanted, rules: Rules | None) -> None:
    access = wanted.access
    if any(_unwritable(value) for value in access.as_dict().values()):
        raise ValueError(said("a password has a line break or is too long: copy it again"))
    if access.endpoint:
        _check_endpoint(access.endpoint, rules)
    if not access.secret_given:
        return
    if len({(protocol(each), _host(each)) for each in wanted.addresses}) > 1:
        raise ValueError(
            said("addresses of several servers have one password: publish one after the other")
        )
    if protocol(wanted.addresses[0]) == "http":
        raise ValueError(said("a password is not sent over http: use https"))


def _check_endpoint(endpoint: str, rules: Rules | None) -> None:
    try:
        parts = urlsplit(endpoint)
        fine = parts.scheme in WEB and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or "@" in endpoint or "?" in endpoint or not _PLAIN.fullmatch(endpoint):
        raise ValueError(said("the endpoint is no address: write it as https://s3.example.org"))
    if rules is not None and parts.scheme not in rules.protocols:
        raise ValueError(said("the endpoint is not https: a password is not sent to it"))


def _host(address: str) -> str:
    # Whose a bucket or a repository is, its endpoint decides.
    return urlsplit(address).netloc.rpartition("@")[2] if protocol(address) in WEB else ""


def _unwritable(value: str) -> bool:
    return len(value) > LONGEST or any(ord(each) < 32 or ord(each) == 127 for each in value)
