"""``python -m console``: the console on the control network."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import uvicorn

from console.agent import Agent
from console.app import make_app
from console.builder import Builder
from console.desk import Desk
from console.hub import Hub
from console.render import Pages
from room.plans.opening import open_plans
from room.settings import load
from room.store import open_store

PORT = "8020"
PREFIX = "/services/console/"
CLIENT_ID = "service-console"
HUB_API = "http://hub:8081/hub/api"
AGENT = "http://agent:8010"


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    settings = load(Path(os.environ["ROOM_CONFIG"]))
    token = Path(os.environ["ROOM_CONSOLE_TOKEN_FILE"]).read_text().strip()
    hub_api = os.environ.get("ROOM_HUB_API", HUB_API)
    store = open_store(settings)
    plans = open_plans(store, settings)
    title = "Torchroom" if settings.name == "torchroom" else f"Torchroom {settings.name}"
    app = make_app(
        Desk(store, plans, Hub(hub_api, PREFIX, token, CLIENT_ID)),
        Pages(PREFIX, title, settings.language, plans.zone),
        secure=settings.location.scheme == "https",
        settings=settings,
        profiles=frozenset(str(each["slug"]) for each in settings.profile_list(has_gpus=True)),
        agent=agent_of(os.environ),
        incoming=incoming_of(os.environ),
        builder=builder_of(os.environ),
    )
    # The proxy reaches it by name on the control network, where no student is.
    port = int(os.environ.get("ROOM_CONSOLE_PORT", PORT))
    uvicorn.run(app, host="0.0.0.0", port=port, access_log=False)  # noqa: S104


def agent_of(environment: Mapping[str, str]) -> Agent | None:
    """Return the agent; None: the console has no token to publish with.

    What an older release left has none until the next ``room up``. Where a file is missing, the
    engine may have made a directory of its name to mount.
    """
    token = _publishers_token(environment)
    return Agent(environment.get("ROOM_AGENT", AGENT), token) if token else None


def builder_of(environment: Mapping[str, str]) -> Builder | None:
    """Return the agent as what builds for classes; None as ``agent_of``."""
    token = _publishers_token(environment)
    return Builder(environment.get("ROOM_AGENT", AGENT), token) if token else None


def _publishers_token(environment: Mapping[str, str]) -> str:
    path = Path(environment.get("ROOM_PUBLISHER_TOKEN_FILE", ""))
    return path.read_text().strip() if path.is_file() else ""


def incoming_of(environment: Mapping[str, str]) -> Path | None:
    """Return where uploads are put; None: an older release named no place."""
    named = environment.get("ROOM_INCOMING", "")
    return Path(named) if named else None


if __name__ == "__main__":
    main()
