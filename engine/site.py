"""This machine's mirrors and CAs, as its files and ``room.yaml`` name them: are they in reach?"""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from engine.errors import BuildError
from engine.sources import (
    PYPI_CUDA,
    PYTORCH_INDEX,
    SUITE,
    Site,
    base64,
    debian_mirrors,
    npm_registry,
    pip_index,
    security_beside,
    shown,
)
from room.settings import Settings

_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
#: BuildKit refuses a larger secret.
_SECRET_LIMIT = 500 * 1024
_TIMEOUT = 10.0


def of(settings: Settings) -> Site:
    """Return the mirrors in force. Raises ``BuildError`` when there is no Debian mirror to use."""
    mirrors = settings.mirrors
    own, own_security = debian_mirrors(_apt_texts())
    debian = mirrors.debian or _through_list(own)
    if not debian:
        raise BuildError(
            "The images are made of Debian 13, and this machine's apt sources name no Debian "
            "mirror.",
            "Set mirrors.debian in room.yaml to a Debian mirror near you (…/debian).",
        )
    security = security_beside(debian) if mirrors.debian else _through_list(own_security)
    home = Path.home()
    pip_files = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", home / ".pip/pip.conf")
    return Site(
        debian=debian.rstrip("/"),
        debian_security=security.rstrip("/"),
        pypi=mirrors.pypi
        or pip_index(_texts([*pip_files, home / ".config/pip/pip.conf"]), os.environ),
        npm=mirrors.npm or npm_registry(_texts(["/etc/npmrc", home / ".npmrc"]), os.environ),
        pytorch=(mirrors.pytorch or PYTORCH_INDEX).rstrip("/"),
        apt_settings=_apt_proxies(),
        ca=_bundle(mirrors.ca_file),
    )


def _texts(paths: Iterable[str | Path]) -> list[str]:
    texts = []
    for path in paths:
        try:
            texts.append(Path(path).read_text(errors="replace"))
        except OSError:
            continue
    return texts


def _apt_texts() -> list[str]:
    folder = Path("/etc/apt/sources.list.d")
    files = sorted([*folder.glob("*.sources"), *folder.glob("*.list")])
    return _texts(["/etc/apt/sources.list", *files])


def _through_list(uri: str) -> str:
    """Follow ``mirror+file:``, with which Debian's cloud images name their mirrors."""
    if not uri.startswith("mirror+file:"):
        return uri if uri.startswith(("http:", "https:")) else ""
    lines = "".join(_texts([uri.partition(":")[2]])).split()
    return next((line.rstrip("/") for line in lines if line.startswith("http")), "")


def _apt_proxies() -> tuple[str, ...]:
    """Return apt's own proxy settings: what this machine needs, a build on it needs too."""
    try:
        dump = subprocess.run(
            ["apt-config", "dump", "--no-empty", "Acquire"],
            capture_output=True, text=True, timeout=10, check=False,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(re.findall(r'^Acquire::https?::Proxy(?:::\S+)? ".*";$', dump, re.M))


def _bundle(extra: Path | None) -> bytes:
    """Return the CAs that this machine trusts, and the site's own after them."""
    named = (os.environ.get("SSL_CERT_FILE"), os.environ.get("REQUESTS_CA_BUNDLE"))
    candidates = [*filter(None, named), *_BUNDLES, ssl.get_default_verify_paths().cafile or ""]
    bundle = next((Path(c).read_bytes() for c in candidates if c and Path(c).is_file()), b"")
    if extra is not None:
        try:
            own = extra.read_bytes()
        except OSError as error:
            raise BuildError(
                f"mirrors.ca_file names {extra}, which cannot be read: {error.strerror}.",
                "Put the site's CA there in PEM form, or take the setting out of room.yaml.",
            ) from error
        if b"-----BEGIN CERTIFICATE-----" not in own:
            raise BuildError(
                f"mirrors.ca_file names {extra}, which holds no certificate in PEM form.",
                "It must contain a line -----BEGIN CERTIFICATE-----; convert it with openssl x509.",
            )
        bundle = bundle.rstrip(b"\n") + b"\n" + own
    if not bundle:
        raise BuildError(
            "This machine has no list of trusted CAs, so no mirror can be trusted over HTTPS.",
            "Install it with: apt-get install ca-certificates",
        )
    if len(bundle) > _SECRET_LIMIT:
        raise BuildError(
            f"The list of trusted CAs has {len(bundle) // 1024} KiB; a build can take "
            f"{_SECRET_LIMIT // 1024}.",
            "Let SSL_CERT_FILE name a smaller bundle, or shorten mirrors.ca_file.",
        )
    return bundle


# --- asking the mirrors before anything is downloaded ----------------------------------------


def require(site: Site, needs: Iterable[str], cuda: str) -> Site:
    """Ask each mirror that a build needs whether it has what is looked for.

    Returns the site, without security updates where its mirror has none. Raises
    ``BuildError`` that says which one is out of reach, and what to set.
    """
    needed = set(needs)
    if "debian" in needed:
        site = _require_debian(site)
    if "pytorch" in needed and cuda != PYPI_CUDA:
        url = f"{site.pytorch}/{cuda}/torch/"
        if reason := probe(url, site.ca):
            raise BuildError(
                f"PyTorch for {cuda} is not on PyPI; its wheel index {shown(url)} is out of "
                f"reach: {reason}.",
                "Set mirrors.pytorch in room.yaml to an index that this machine reaches,\n"
                f"or images.cuda to {PYPI_CUDA}, which PyPI carries. Nothing was downloaded.",
            )
    asked = {"pypi": (site.pypi, "uv/"), "npm": (site.npm, "configurable-http-proxy")}
    for name in sorted(needed & set(asked)):
        url, path = asked[name]
        if url and (reason := probe(f"{url.rstrip('/')}/{path}", site.ca)):
            raise BuildError(
                f"The {name} mirror {shown(url)} is out of reach: {reason}.",
                f"Set mirrors.{name} in room.yaml to one that this machine reaches.",
            )
    return site


def _require_debian(site: Site) -> Site:
    release = f"{site.debian}/dists/{SUITE}/InRelease"
    if reason := probe(release, site.ca, expect=b"Origin: Debian"):
        raise BuildError(
            f"The Debian mirror {shown(site.debian)} did not answer with Debian 13: {reason}.",
            "Set mirrors.debian in room.yaml to a mirror that this machine reaches (…/debian).",
        )
    security = site.debian_security
    if security and probe(f"{security}/dists/{SUITE}-security/InRelease", site.ca):
        return replace(site, debian_security="")
    return site


def probe(url: str, ca: bytes, expect: bytes = b"", timeout: float = _TIMEOUT) -> str:
    """Ask for ``url``; return why it is out of reach, in words, or empty when it answers."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return f"{shown(url)!r} is no http or https address"
    request = urllib.request.Request(shown(url))  # noqa: S310
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {base64(user)}")
    try:
        context = ssl.create_default_context(cadata=ca.decode("ascii", "ignore"))
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:  # noqa: S310
            if expect and expect not in answer.read(4096):
                return "something else is there"
    except urllib.error.HTTPError as error:
        return {401: "it wants a user and password", 403: "it refuses this machine"}.get(
            error.code, f"it has no {parts.path} (HTTP {error.code})"
        )
    except urllib.error.URLError as error:
        return _reason(error.reason, timeout)
    except (OSError, ValueError) as error:
        return _reason(error, timeout)
    return ""


def _reason(error: object, timeout: float) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted here; set mirrors.ca_file to the site's CA"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:.0f} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
