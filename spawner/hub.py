"""Settings → JupyterHub's configuration: one ``update_x(c, …)`` per concern.

Each only sets values, and none reads what another has set.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from room.settings import Settings
from spawner import console, i18n, pages, signin
from spawner.spawner import RoomSpawner

HUB_PORT = 8081
AGENT_URL = "http://agent:8010"
#: A name that only the control network knows: students cannot reach the proxy's API.
PROXY_API_URL = "http://proxy-api:8001"

#: Where a server finds the host's authorities, and who looks there: pip, requests, OpenSSL, curl.
SERVER_CA = "/etc/torchroom/ca.crt"
CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")

#: Seconds a start may take before its boot: image check, home, create on a busy engine.
BEFORE_BOOT = 180
#: Seconds between two reports of a server that somebody works in it, and between two looks at the
#: proxy's routes: each report is a row that the hub's one loop writes. Servers that are ended when
#: they are idle report more often (``spawner/container.py``).
ACTIVITY_EVERY = 600
#: Seconds between two of JupyterHub's own looks at a server. The engine's events tell of ends at
#: once, and a list every minute tells what they did not: this is only the net below both.
POLL_EVERY = 300
#: After a restart of the hub this is what ends a live server that is slow to answer: keep it long.
HTTP_TIMEOUT = 600


def state_directory(settings: Settings) -> Path:
    """Return where databases and secrets are; the same path inside and outside the container."""
    return settings.data_root / "state"


def configure(c: Any, settings: Settings, environment: Mapping[str, str]) -> None:
    """Apply every concern."""
    settings = inside(settings)
    update_network(c, settings)
    update_proxy(c, settings)
    update_state(c, settings)
    update_spawner(c, settings, environment)
    update_limits(c, settings)
    update_queue(c, settings)
    update_admission(c, settings)
    update_environment(c, settings)
    update_intervals(c)
    console.configure(c, console.URL, _secret(settings, "console_token"))
    signin.configure(c, settings)
    i18n.configure(c, settings)
    pages.configure(c, settings)


def inside(settings: Settings) -> Settings:
    """Return the settings as the hub's container has them: the provider's secret is a copy.

    The admin's own file is root's, where the hub cannot read it; `room up` copies it.
    """
    secret = state_directory(settings) / "secrets" / "oauth_client_secret"
    if settings.login.oauth is None or not secret.exists():
        return settings
    oauth = settings.login.oauth.model_copy(update={"client_secret_file": secret})
    login = settings.login.model_copy(update={"oauth": oauth})
    return settings.model_copy(update={"login": login})


def update_network(c: Any, settings: Settings) -> None:
    """Where the hub listens, and where the others find it."""
    c.JupyterHub.hub_bind_url = f"http://0.0.0.0:{HUB_PORT}"
    c.JupyterHub.hub_connect_url = f"http://hub:{HUB_PORT}"
    c.JupyterHub.bind_url = "http://:8000/"
    c.JupyterHub.public_url = settings.address
    # Servers are found by name, and one that was started again may have another address.
    c.JupyterHubHTTPClient.connector_options = {"use_dns_cache": False}


def update_proxy(c: Any, settings: Settings) -> None:
    """The proxy runs by itself, so that a hub restart breaks no kernel."""
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = PROXY_API_URL
    c.ConfigurableHTTPProxy.auth_token = _secret(settings, "proxy_token")
    c.JupyterHub.cleanup_proxy = False
    c.JupyterHub.cleanup_servers = False


def update_state(c: Any, settings: Settings) -> None:
    """The hub's database and its secrets."""
    state = state_directory(settings)
    # A hub of a newer release brings its database up to date, and keeps a copy of the old one.
    c.JupyterHub.upgrade_db = True
    c.JupyterHub.db_url = f"sqlite:///{state / 'hub' / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(state / "secrets" / "cookie_secret")
    c.RoomHub.keeper_token = _secret(settings, "hub_token")
    c.CryptKeeper.keys = [_secret(settings, "crypt_key")]


def update_spawner(c: Any, settings: Settings, environment: Mapping[str, str]) -> None:
    """RoomSpawner, its profiles, homes and leases."""
    state = state_directory(settings)
    c.JupyterHub.spawner_class = RoomSpawner
    c.RoomSpawner.room = settings.name
    c.RoomSpawner.image = environment["PYTORCH_IMAGE"]
    c.RoomSpawner.network_name = f"{settings.name}-students"
    c.RoomSpawner.use_internal_ip = True
    c.RoomSpawner.use_internal_hostname = True
    c.RoomSpawner.store_url = f"sqlite:///{state / 'torchroom.sqlite'}"
    c.RoomSpawner.inventory_memory = str(state / "inventory.json")
    c.RoomSpawner.gpu_toolkit = environment.get("ROOM_NVIDIA_TOOLKIT", "")
    c.RoomSpawner.agent_url = AGENT_URL
    c.RoomSpawner.agent_container = f"{settings.name}-agent-1"
    c.RoomSpawner.agent_token_file = str(state / "secrets" / "agent_token")
    c.RoomSpawner.datasets_directory = str(settings.data_root / "datasets")
    c.RoomSpawner.gpu_driver = settings.gpus.driver
    c.RoomSpawner.plans = [plan.model_dump(exclude_none=True) for plan in settings.plans]
    c.RoomSpawner.timezone = settings.timezone
    c.RoomSpawner.profile_list = lambda spawner: settings.profile_list(
        has_gpus=bool(spawner.services.broker.inventory.units)
    )
    c.JupyterHub.template_vars.update({"last_exit": lambda user: last_exit})
    c.RoomSpawner.disable_user_config = True
    c.RoomSpawner.default_url = "/lab"


def update_queue(c: Any, settings: Settings) -> None:
    """How GPUs are shared between those who want them."""
    gpus, queue = settings.gpus, settings.gpus.queue
    c.RoomSpawner.lease = gpus.lease
    c.RoomSpawner.max_session = gpus.max_session
    c.RoomSpawner.queue_half_life = queue.half_life
    c.RoomSpawner.queue_max_wait = queue.max_wait
    c.RoomSpawner.queue_grace = queue.grace
    c.RoomSpawner.queue_api_grace = queue.api_grace
    c.RoomSpawner.queue_give_up = queue.give_up
    c.RoomSpawner.class_weights = dict(queue.weights)
    c.RoomSpawner.gpu_rates = dict(gpus.rates)


def update_admission(c: Any, settings: Settings) -> None:
    """How many servers boot at once, and what memory the host has to have for them."""
    c.RoomSpawner.boot_slots = settings.host.boots
    c.RoomSpawner.memory_reserve = settings.host.memory_reserve
    c.RoomSpawner.memory_headroom = settings.host.memory_headroom


def update_environment(c: Any, settings: Settings) -> None:
    """What students' servers are told: whom the host trusts, its package index, when to report."""
    bundle = state_directory(settings) / "site" / "ca.crt"
    environment = {"JUPYTERHUB_ACTIVITY_INTERVAL": str(ACTIVITY_EVERY)}
    if bundle.exists():
        c.RoomSpawner.volumes = {str(bundle): {"bind": SERVER_CA, "mode": "ro"}}
        environment |= dict.fromkeys(CA_VARIABLES, SERVER_CA)
    if settings.mirrors.pypi:
        environment["PIP_INDEX_URL"] = without_password(settings.mirrors.pypi)
    c.RoomSpawner.environment = environment


def update_intervals(c: Any) -> None:
    """How often the hub looks where nothing happens: its loop is everyone's."""
    c.Spawner.poll_interval = POLL_EVERY
    c.JupyterHub.last_activity_interval = ACTIVITY_EVERY


def without_password(url: str) -> str:
    """Return an address without user and password: students' servers show it to students."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def last_exit(user: Any, server_name: str = "") -> str | None:
    """Say on a page why a server ended, unless somebody stopped it."""
    words: str | None = user.spawners[server_name].last_ended()
    return words


def update_limits(c: Any, settings: Settings) -> None:
    """What each server may take where its profile does not say, and how long a start may last."""
    limits = settings.limits
    c.RoomSpawner.cpu_limit = limits.cpu
    c.RoomSpawner.mem_limit = limits.memory
    c.RoomSpawner.shm_size = limits.shm
    c.RoomSpawner.pids_limit = limits.pids
    c.RoomSpawner.log_size = limits.log_size
    c.RoomSpawner.log_files = limits.log_files
    c.RoomSpawner.session = limits.session
    c.RoomSpawner.class_folder_hard = settings.classes.folder
    c.RoomSpawner.hand_in_hard = settings.classes.hand_in
    c.RoomSpawner.boot_timeout = limits.boot_timeout
    # A start may wait, and boot twice: each of its parts has a limit of its own.
    boots = 2 * (int(limits.boot_timeout) + BEFORE_BOOT)
    c.RoomSpawner.start_timeout = int(settings.gpus.queue.give_up) + boots
    c.RoomSpawner.http_timeout = HTTP_TIMEOUT
    # JupyterHub's own limits refuse people with 429 instead of letting them wait.
    c.JupyterHub.concurrent_spawn_limit = 0
    c.JupyterHub.active_server_limit = 0


def _secret(settings: Settings, name: str) -> str:
    return (state_directory(settings) / "secrets" / name).read_text().strip()
