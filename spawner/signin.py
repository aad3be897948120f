"""How people log in: by the room's links alone, or through a provider beside them."""

from __future__ import annotations

from typing import Any

from room.settings import Settings
from spawner.authenticator import TokenAuthenticator

#: Where the hub sees its requests come from: the proxy's name on each of its networks.
PROXIES = ["proxy-api", "proxy-students", "front"]


def configure(c: Any, settings: Settings) -> None:
    """Set everything about logging in."""
    c.JupyterHub.authenticator_class = TokenAuthenticator
    c.TokenLogin.store_url = f"sqlite:///{settings.data_root / 'state' / 'torchroom.sqlite'}"
    c.TokenLogin.trusted_proxies = PROXIES
    if settings.login.oauth is not None:
        # 3 MiB of the hub's memory, which a room without a provider keeps.
        from spawner import oauth

        oauth.configure(c, settings, settings.login.oauth)
