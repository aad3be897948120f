"""Where a build gets its packages from: the site's mirrors and CA, and how they stay out of images.

Everything reaches a build as BuildKit secrets: files that are there while a step
runs, in no layer and in no cache key. What a host's own files mean is decided here,
from their text; ``engine.site`` reads them, and asks the mirrors.
"""

from __future__ import annotations

import configparser
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

SUITE = "trixie"
#: Wheels for the CUDA versions that PyPI does not carry.
PYTORCH_INDEX = "https://download.pytorch.org/whl"
#: The CUDA whose wheels PyPI carries: no other index is asked for it.
PYPI_CUDA = "cu128"

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_DEBIAN_SUITES = {"bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable"}


@dataclass(frozen=True, slots=True)
class Site:
    """A site's mirrors. URLs may hold credentials; ``shown`` is what may be printed."""

    debian: str
    debian_security: str = ""
    pypi: str = ""
    npm: str = ""
    pytorch: str = PYTORCH_INDEX
    apt_settings: tuple[str, ...] = ()
    ca: bytes = b""

    def secrets(self, cuda: str) -> dict[str, bytes]:
        """Return the files that a build's steps see, by their BuildKit id."""
        torch = f"{self.pytorch.rstrip('/')}/{cuda}" if cuda != PYPI_CUDA else ""
        texts = {
            "apt-sources": apt_sources(self.debian, self.debian_security),
            "apt-conf": apt_conf(self.apt_settings),
            "apt-auth": apt_auth((self.debian, self.debian_security)),
            "pip-conf": pip_conf(self.pypi),
            "uv-conf": uv_conf(self.pypi),
            "uv-conf-torch": uv_conf(self.pypi, torch),
            "npmrc": npmrc(self.npm),
        }
        return {name: text.encode() for name, text in texts.items()} | {"ca": self.ca}

    @property
    def on_this_machine(self) -> bool:
        """Whether a mirror listens on loopback, which only the host's own network reaches."""
        urls = (self.debian, self.debian_security, self.pypi, self.npm, self.pytorch)
        return any(urlsplit(u).hostname in {"localhost", "127.0.0.1", "::1"} for u in urls)

    def redact(self, text: str) -> str:
        """Return ``text`` without any password of these mirrors."""
        for url in (self.debian, self.debian_security, self.pypi, self.npm, self.pytorch):
            parts = urlsplit(url)
            if parts.password:
                text = text.replace(parts.password, "…")
                text = text.replace(unquote(parts.password), "…")
        return text


def shown(url: str) -> str:
    """Return a URL that may be printed and kept: without user and password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host))


# --- what a build reads -----------------------------------------------------------------------


def apt_sources(debian: str, security: str = "") -> str:
    """Return Debian 13's apt sources. They hold no credentials, and may stay in an image."""

    def stanza(uri: str, suites: str) -> str:
        return (
            f"Types: deb\nURIs: {shown(uri)}\nSuites: {suites}\n"
            f"Components: main\nSigned-By: {_KEYRING}\n"
        )

    stanzas = [stanza(debian, f"{SUITE} {SUITE}-updates")]
    if security:
        stanzas.append(stanza(security, f"{SUITE}-security"))
    return "\n".join(stanzas)


def apt_conf(extra: Sequence[str] = (), ca: str = "/run/site/ca.crt", auth: str = "") -> str:
    lines = [
        'Acquire::Retries "3";',
        'Acquire::http::Timeout "30";',
        'Acquire::https::Timeout "30";',
        f'Acquire::https::CAInfo "{ca}";',
        f'Dir::Etc::netrc "{auth or "/run/site/apt.auth"}";',
        *extra,
    ]
    return "\n".join(lines) + "\n"


def apt_auth(urls: Iterable[str]) -> str:
    """Return apt's auth.conf for the mirrors that have a user in their URL."""
    lines = []
    for url in urls:
        parts = urlsplit(url)
        if parts.username is not None:
            machine = shown(url)
            password = unquote(parts.password or "")
            lines.append(f"machine {machine} login {unquote(parts.username)} password {password}")
    return "".join(f"{line}\n" for line in lines)


def pip_conf(index: str) -> str:
    lines = ["[global]", "cert = /run/site/ca.crt", "timeout = 60"]
    return "\n".join(lines + ([f"index-url = {index}"] if index else [])) + "\n"


def uv_conf(index: str, torch: str = "") -> str:
    """Return uv.toml. Hashes decide what is installed, so that any index may serve it."""
    text = 'index-strategy = "unsafe-best-match"\n'
    if torch:
        text += f'\n[[index]]\nurl = "{torch}"\n'
    if index:
        text += f'\n[[index]]\nurl = "{index}"\ndefault = true\n'
    return text


def npmrc(registry: str) -> str:
    text = "cafile=/run/site/ca.crt\n"
    if not registry:
        return text
    parts = urlsplit(registry)
    plain = shown(registry).rstrip("/") + "/"
    text += f"registry={plain}\n"
    if parts.username is not None:
        scope = plain.partition(":")[2]
        text += f"{scope}:username={unquote(parts.username)}\n"
        text += f"{scope}:_password={base64(unquote(parts.password or ''))}\n"
    return text


def base64(text: str) -> str:
    return b64encode(text.encode()).decode()


# --- what this machine's own files say ----------------------------------------------------------


def debian_mirrors(sources: Iterable[str]) -> tuple[str, str]:
    """Return Debian's mirror and security mirror as apt's source files name them, or empty.

    ``sources`` are the texts of ``sources.list`` and ``*.sources``. Other people's
    repositories use Debian's suite names too: one whose path ends in ``/debian``
    comes before them.
    """
    main: list[str] = []
    security: list[str] = []
    for text in sources:
        for uris, suites, components in _entries(text):
            if "main" not in components:
                continue
            bases = {suite.removesuffix("/updates").removesuffix("-security") for suite in suites}
            if not bases & _DEBIAN_SUITES:
                continue
            kept = security if any("security" in suite for suite in suites) else main
            kept.extend(uri.rstrip("/") for uri in uris)
    main.sort(key=lambda uri: not urlsplit(uri).path.endswith("/debian"))
    return (main or [""])[0], (security or [""])[0]


def _entries(text: str) -> Iterable[tuple[list[str], list[str], list[str]]]:
    """Yield URIs, suites and components of each entry, one-line or deb822."""
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.lstrip().startswith("#")]
        for line in lines:
            found = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)", line)
            if found:
                yield [found[1]], [found[2]], found[3].split()
        keys = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.*(?:\n[ \t]+.*)*)", "\n".join(lines), re.M))
        if "deb" in keys.get("Types", "").split() and keys.get("Enabled", "yes") != "no":
            yield tuple(keys.get(k, "").split() for k in ("URIs", "Suites", "Components"))


def security_beside(debian: str) -> str:
    """Return where a mirror that has Debian's security updates keeps them by custom."""
    return debian.removesuffix("/") + "-security"


def pip_index(files: Iterable[str], environment: Mapping[str, str]) -> str:
    """Return the index that pip is told to use, empty for its own default.

    ``files`` are the texts of pip's configuration, the most general first.
    """
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if environment.get(name):
            return environment[name]
    found = ""
    for text in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(text)
        except configparser.Error:
            continue
        for section in ("global", "install"):
            found = parser.get(section, "index-url", fallback=found)
    return found.strip()


def npm_registry(files: Iterable[str], environment: Mapping[str, str]) -> str:
    """Return the registry that npm is told to use, empty for its own default."""
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        if environment.get(name):
            return environment[name]
    found = ""
    for text in files:
        for line in re.findall(r"^\s*registry\s*=\s*(\S+)", text, re.M):
            found = line.strip("\"'")
    return found
