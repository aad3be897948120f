"""What a build beside ``room up`` needs of the site: its package index, its CA, its proxies.

``room up`` looks at the machine and writes it down for the agent, which runs in a container and
sees neither the machine's files nor its environment. It may hold passwords: a build reads it as
files that are mounted while it runs, and no image and no log has any of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from urllib.parse import unquote, urlsplit

from engine.sources import Site, pip_conf

#: The file's name in the agent's own directory.
FILE = "builds.json"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class BuildSite:
    """``index``: the package index's address, empty for pip's own. ``ca``: whom it trusts, PEM."""

    index: str
    ca: str
    proxies: Mapping[str, str] = field(default_factory=dict)

    @property
    def network(self) -> str:
        """The network of a build: what listens on loopback only the host's own reaches."""
        return "host" if any(urlsplit(url).hostname in _LOOPBACK for url in self._urls()) else ""

    def files(self) -> dict[str, str]:
        """Return what a build finds at ``/run/site``, by name."""
        return {
            "pip.conf": pip_conf(self.index),
            "ca.crt": self.ca,
            "proxies.json": json.dumps(dict(self.proxies)),
        }

    def redact(self, text: str) -> str:
        """Return ``text`` without any password of these."""
        for url in self._urls():
            password = urlsplit(url).password
            for secret in {password, unquote(password)} if password else ():
                text = text.replace(secret, "…")
        return text

    def _urls(self) -> list[str]:
        return [self.index, *(url for url in self.proxies.values() if "://" in url)]


def of(site: Site, environment: Mapping[str, str]) -> BuildSite:
    """Return what builds need of a site, as this machine's environment has its proxies."""
    proxies = {name: environment[name] for name in _PROXIES if environment.get(name)}
    return BuildSite(site.pypi, site.ca.decode("utf-8", "replace"), proxies)


def dumps(site: BuildSite) -> str:
    return json.dumps(asdict(site), indent=2) + "\n"


def loads(text: str) -> BuildSite:
    """Return what ``dumps`` wrote. Raises ``ValueError`` for what it did not."""
    try:
        return BuildSite(**json.loads(text))
    except TypeError as error:
        raise ValueError(str(error)) from error
