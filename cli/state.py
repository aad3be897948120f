"""What a room keeps in ``<data_root>/state``: secrets once, the rest anew at ``room up``."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from engine import buildsite, site
from room import front
from room.quotas import Support
from room.settings import Settings

#: The control plane's user and group, in the images and on the host.
ROOM_UID = ROOM_GID = 1100
#: Name → bytes of randomness. JupyterHub asks for 32 in its cookie secret.
SECRETS = {
    "proxy_token": 32,
    "cookie_secret": 32,
    "agent_token": 32,
    "console_token": 32,
    "publisher_token": 32,
    "crypt_key": 32,
    "hub_token": 32,
}

#: What is laid over docker-compose.yml. A room that an older release opened has not all of them.
COMPOSE_FILES = ("compose.ports.yml", "compose.gpus.yml", "compose.homes.yml")


def directory(settings: Settings) -> Path:
    return settings.data_root / "state"


def write_private(path: Path, text: str, mode: int = 0o600, owner: int = ROOM_UID) -> bool:
    """Write a file of the control plane's, whole or not at all. True when it changed."""
    if path.exists() and path.read_text() == text:
        return False
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.chmod(mode)
    os.chown(beside, owner, ROOM_GID)
    beside.replace(path)
    return True


def make_directory(path: Path) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    os.chown(path, ROOM_UID, ROOM_GID)


def write_secrets(settings: Settings) -> None:
    """Write each secret that is not there; only the provider's follows the admin's file."""
    place = directory(settings) / "secrets"
    make_directory(place)
    for name, size in SECRETS.items():
        if not (place / name).exists():
            write_private(place / name, secrets.token_hex(size) + "\n")
    if settings.login.oauth is not None:
        given = settings.login.oauth.client_secret_file
        write_private(place / "oauth_client_secret", given.read_text("utf-8"))


def make_hub(settings: Settings) -> None:
    """Make the place of the hub's own database, which no other service sees."""
    make_directory(directory(settings) / "hub")


def write_front(settings: Settings) -> None:
    """Write the Caddyfile, and the site's own certificate beside it when there is one."""
    place = directory(settings) / "front"
    for path in (place, place / "tls", place / "data", place / "config"):
        make_directory(path)
    write_private(place / "Caddyfile", front.caddyfile(settings, place / "tls"))
    if settings.tls.mode == "files" and settings.tls.certificate and settings.tls.key:
        write_private(place / "tls" / "site.crt", settings.tls.certificate.read_text())
        write_private(place / "tls" / "site.key", settings.tls.key.read_text())


def write_gpus(settings: Settings, services: Mapping[str, object]) -> None:
    """Write what the services need of the host's GPUs, and make the agent's own directory."""
    place = directory(settings)
    make_directory(place / "agent")
    text = json.dumps({"services": services}, indent=2) + "\n"
    write_private(place / "compose.gpus.yml", text)


def write_homes(settings: Settings, quotas: Support) -> None:
    """Write what the agent may do beside what docker-compose.yml allows it, to limit homes."""
    services = quota_services(quotas)
    text = json.dumps({"services": services}, indent=2) + "\n"
    write_private(directory(settings) / "compose.homes.yml", text)


def quota_services(quotas: Support) -> Mapping[str, object]:
    """Return what limits on homes need: the kernel asks for SYS_ADMIN where it sets one. Pure.

    Where no limit can be set nothing is added. The host's other disks are no nearer by it: the
    container has no device, and may make none.
    """
    return {"agent": {"cap_add": ["SYS_ADMIN"]}} if quotas.limits else {}


def write_trust(settings: Settings) -> None:
    """Write the authorities that this host trusts, for the students' servers to mount.

    Behind a proxy that reads TLS, `pip install` in a notebook fails without the site's own.
    """
    place = directory(settings) / "site"
    make_directory(place)
    write_private(place / "ca.crt", site.of(settings).ca.decode("utf-8", "replace"), mode=0o644)


def write_builds(settings: Settings) -> None:
    """Write where the agent's builds get their packages: root's alone, as it may hold passwords."""
    here = buildsite.of(site.of(settings), os.environ)
    place = directory(settings) / "agent" / buildsite.FILE
    write_private(place, buildsite.dumps(here), owner=0)


def write_compose(
    settings: Settings, config: Path, images: Mapping[str, str], toolkit: str = ""
) -> None:
    """Write what ``docker-compose.yml`` leaves open: names, paths, images and ports.

    ``toolkit`` is the version of NVIDIA's Container Toolkit, empty where there is none.
    """
    place = directory(settings)
    socket = settings.engine_socket.resolve()
    values = {
        "ROOM_NAME": settings.name,
        "ROOM_DATA_ROOT": str(settings.data_root),
        "ROOM_CONFIG": str(config),
        "ROOM_IMAGE": images["room"],
        "PROXY_IMAGE": images["proxy"],
        "FRONT_IMAGE": images["front"],
        "PYTORCH_IMAGE": images["pytorch"],
        "FRONT_PORT": str(front.listening_port(settings)),
        # A changed file changes its service's label, and with it compose starts it anew.
        "FRONT_CONFIG_HASH": _digest(
            [place / "front" / "Caddyfile", *(place / "front" / "tls").glob("*")]
        ),
        "ROOM_CONFIG_HASH": _digest([config, place / "secrets" / "oauth_client_secret"]),
        "AGENT_CONFIG_HASH": _digest([config]),
        "NVIDIA_TOOLKIT": toolkit,
        # Relative paths in room.yaml mean what they mean on the host, also inside the hub.
        "ROOM_CONFIG_BASE": str(config.parent),
        "DOCKER_SOCKET": str(socket),
        "DOCKER_GID": str(socket.stat().st_gid),
    }
    write_private(place / "compose.env", "".join(f"{k}={v}\n" for k, v in values.items()))
    ports = {"services": {"front": {"ports": front.published_ports(settings)}}}
    write_private(place / "compose.ports.yml", json.dumps(ports, indent=2) + "\n")


def _digest(files: list[Path]) -> str:
    """Return a hash of what these files hold; one that is not there holds nothing."""
    held = (file.read_bytes() if file.exists() else b"" for file in sorted(files))
    return hashlib.sha256(b"\0".join(held)).hexdigest()[:16]


def copy_once(source: Path, target: Path) -> bool:
    """Copy a file unless the target is there. True when it was copied."""
    if target.exists():
        return False
    shutil.copyfile(source, target)
    return True
