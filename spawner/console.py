"""What the hub knows of the console: a service that everyone may open."""

from __future__ import annotations

from typing import Any

NAME, URL = "console", "http://console:8020"
#: What it may ask of the hub by itself. Who may ask it for what is its own to know.
SCOPES = ["list:users", "read:users:name", "read:servers", "delete:servers"]
#: What it may do in the name of who is signed in to it, as far as they may it themselves: with
#: what is theirs alone, and an admin with the GPUs.
IN_THEIR_NAME = ["read:users!user", "tokens!user", "admin:servers"]


def configure(c: Any, url: str, token: str) -> None:
    """Add the console, beside the services that there are; it shows each person what is theirs."""
    service = {
        "name": NAME,
        "url": url,
        "api_token": token,
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": IN_THEIR_NAME,
    }
    role = {"name": NAME, "services": [NAME], "scopes": SCOPES}
    c.JupyterHub.services = [*_given(c.JupyterHub.services), service]
    c.JupyterHub.load_roles = [*_given(c.JupyterHub.load_roles), role]
    c.JupyterHub.extra_user_scopes = {f"access:services!service={NAME}"}


def _given(value: Any) -> list[Any]:
    """Return a list that was set; what was not is no list yet."""
    return value if isinstance(value, list) else []
