"""Stock JupyterHub with DockerSpawner, as its documentation sets it up. The benchmarks' peer.

Only what a hub in a container needs, and what makes the two comparable: the same limits, proxy and
network layout, and a home in a named volume. Everything else is left at its default, but for how
long a server may take: with the default of 30 s most of a class of twenty gets none on two cores,
and there would be nothing to compare.
"""

import os

c = get_config()  # noqa: F821  (JupyterHub's config loader provides it)

c.JupyterHub.hub_bind_url = "http://0.0.0.0:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"
c.JupyterHub.db_url = "sqlite:////state/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "/state/cookie_secret"

c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://proxy:8001"

c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True

c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
c.DockerSpawner.image = os.environ["BENCH_IMAGE"]
c.DockerSpawner.network_name = os.environ["BENCH_NETWORK"]
c.DockerSpawner.prefix = os.environ["BENCH_NAME"]
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.volumes = {os.environ["BENCH_NAME"] + "-home-{username}": "/home/jovyan"}
c.DockerSpawner.cpu_limit = float(os.environ["BENCH_CPU"])
c.DockerSpawner.mem_limit = int(os.environ["BENCH_MEMORY"])
c.DockerSpawner.start_timeout = 300
c.DockerSpawner.http_timeout = 300
