"""Settings → what the front needs: its Caddyfile, and the ports it publishes. Pure."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from room.settings import Settings

#: Where the front listens inside its container when there is no TLS.
HTTP_PORT = 8000

_LOOPBACK = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "[::1]"}


def caddyfile(settings: Settings, certificates: Path) -> str:
    """Return the Caddyfile. ``certificates`` is where the site's own pair was copied to."""
    address = urlsplit(settings.address)
    if address.scheme == "http":
        return _file(["auto_https off"], f":{HTTP_PORT}", [])
    site = f"https://{address.hostname}:{address.port or 443}"
    if settings.tls.mode == "files":
        pair = f"{certificates / 'site.crt'} {certificates / 'site.key'}"
        return _file([], site, [f"tls {pair}"])
    if settings.tls.mode == "internal":
        # No sudo in a container: trusting the CA on the host is the admin's to do.
        return _file(["skip_install_trust"], site, ["tls internal"])
    return _file([f"email {settings.tls.email}"] if settings.tls.email else [], site, [])


def _file(options: list[str], site: str, lines: list[str]) -> str:
    def indented(items: list[str]) -> str:
        return "".join(f"\t{item}\n" for item in items)

    # The admin API is off: nothing reloads the front but a new container.
    head = "{\n" + indented(["admin off", *options]) + "}\n\n"
    # Kernels send results in pieces that must not wait in a buffer.
    # Caddy sets X-Forwarded-For itself; another header that claims an address says nothing.
    body = ["reverse_proxy proxy:8000 {", "\tflush_interval -1", "\theader_up -X-Real-Ip", "}"]
    return f"{head}{site} {{\n{indented([*lines, *body])}}}\n"


def listening_port(settings: Settings) -> int:
    """Return the port on which the front listens inside its container."""
    address = urlsplit(settings.address)
    return HTTP_PORT if address.scheme == "http" else address.port or 443


def published_ports(settings: Settings) -> list[str]:
    """Return the compose ``ports`` of the front: on loopback only when the address is."""
    address = urlsplit(settings.address)
    host = address.hostname or "127.0.0.1"
    prefix = f"{_LOOPBACK[host]}:" if host in _LOOPBACK else ""
    if address.scheme == "http":
        return [f"{prefix}{address.port or 80}:{HTTP_PORT}"]
    port = address.port or 443
    ports = [f"{prefix}{port}:{port}"]
    if port == 443:
        # ACME's HTTP challenge, and the redirect for who types no https.
        ports.append(f"{prefix}80:80")
    return ports
