"""What the hub under test loads: our settings as the room applies them, with a small proxy."""

import json
import os

from room.settings import Settings
from spawner import console, i18n, pages, signin

c = get_config()  # noqa: F821
options = json.loads(os.environ["TEST_HUB"])
settings = Settings.model_validate(options["settings"])

signin.configure(c, settings)
i18n.configure(c, settings)
pages.configure(c, settings)

c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{options['port']}"
c.JupyterHub.bind_url = f"http://127.0.0.1:{options['public_port']}"
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.cookie_secret = bytes(32)
c.JupyterHub.cleanup_servers = False
c.JupyterHub.allow_named_servers = True
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.services = [{"name": "tests", "api_token": options["token"]}]
c.JupyterHub.load_roles = [
    {
        "name": "tests",
        "services": ["tests"],
        "scopes": ["admin:users", "admin:servers", "list:users", "read:servers", "tokens"],
    }
]
c.JupyterHub.proxy_class = "tests.utils.tiny_proxy.TinyProxy"
# Starts are scripted; who waits for which GPU is in the room's own database.
c.RoomSpawner.store_url = c.TokenLogin.store_url
c.RoomSpawner.inventory_file = str(settings.data_root / "inventory.json")
c.JupyterHub.spawner_class = "tests.utils.scripted_spawner.ScriptedSpawner"
c.Spawner.start_timeout = 60
c.Spawner.poll_interval = 1
if options["console"]:
    console.configure(c, options["console"]["url"], options["console"]["token"])
if options["trusted"]:
    c.TokenLogin.trusted_proxies = options["trusted"]
