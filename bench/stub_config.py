"""What the hubs of bench/stub_hubs.py load: the room's own configuration, or stock's.

Both have the proxy in a container of its own, the same image and limits, and a persistent home in
a volume. Everything else of stock is left at its default, as in bench/stock; ours is what a room
has, but for its login and its console, which no server's start goes through.
"""

import os
from pathlib import Path

c = get_config()  # noqa: F821  (JupyterHub's config loader provides it)
name, state = os.environ["BENCH_NAME"], Path(os.environ["BENCH_STATE"])
stub = ["python3", "-I", "-S", "-c", os.environ["BENCH_STUB"]]

if os.environ["BENCH_WHO"] == "ours":
    from room.settings import Settings
    from spawner import hub, i18n, pages

    limits = {"cpu": 1.0, "memory": int(os.environ["BENCH_MEMORY"])}
    settings = Settings.model_validate({"name": name, "data_root": state.parent, "limits": limits})
    hub.update_network(c, settings)
    hub.update_proxy(c, settings)
    hub.update_state(c, settings)
    hub.update_spawner(c, settings, {"PYTORCH_IMAGE": os.environ["BENCH_IMAGE"]})
    hub.update_limits(c, settings)
    hub.update_queue(c, settings)
    hub.update_admission(c, settings)
    hub.update_environment(c, settings)
    hub.update_intervals(c)
    i18n.configure(c, settings)
    pages.configure(c, settings)
    c.RoomSpawner.cmd = stub
else:
    c.JupyterHub.hub_bind_url = "http://0.0.0.0:8081"
    c.JupyterHub.hub_connect_url = "http://hub:8081"
    c.JupyterHub.db_url = f"sqlite:///{state / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(state / "secrets" / "cookie_secret")
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = "http://proxy-api:8001"
    c.ConfigurableHTTPProxy.auth_token = (state / "secrets" / "proxy_token").read_text()
    c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
    c.DockerSpawner.image = os.environ["BENCH_IMAGE"]
    c.DockerSpawner.network_name = f"{name}-students"
    c.DockerSpawner.prefix = name
    c.DockerSpawner.use_internal_ip = True
    c.DockerSpawner.remove = True
    c.DockerSpawner.volumes = {name + "-home-{username}": "/home/jovyan"}
    c.DockerSpawner.cpu_limit = 1.0
    c.DockerSpawner.mem_limit = int(os.environ["BENCH_MEMORY"])
    c.DockerSpawner.cmd = stub

c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"admin"}
c.JupyterHub.services = [{"name": "bench", "api_token": os.environ["BENCH_TOKEN"]}]
c.JupyterHub.load_roles = [
    {
        "name": "bench",
        "services": ["bench"],
        "scopes": ["admin:users", "admin:servers", "list:users", "read:servers"],
    }
]
