"""Nothing in a home can break a server's boot: each case is a home that someone really makes."""

from __future__ import annotations

import pytest

from tests.images.conftest import Home
from tests.utils.user_server import HUB, UserServer, docker
from tests.utils.wait import wait_until

pytestmark = pytest.mark.images

SITE = "$HOME/.local/lib/python3.13/site-packages"
BROKEN = "raise SystemExit('broken on purpose')"

#: What a student did to the home, as a shell script that runs in it.
HOMES = [
    pytest.param(
        f"""mkdir -p {SITE}
        for name in tornado jupyter_server jupyter_client jupyter_core jupyterhub jupyterlab \\
            traitlets ipykernel server zmq json5 jinja2; do
          mkdir {SITE}/$name; echo "{BROKEN}" > {SITE}/$name/__init__.py; done""",
        id="packages of the server's own, old or broken",
    ),
    pytest.param(
        f"""mkdir -p {SITE}
        for name in sitecustomize usercustomize; do echo "{BROKEN}" > {SITE}/$name.py; done
        echo "import sys; sys.exit(3)" > {SITE}/broken.pth""",
        id="Python's own start hooks",
    ),
    pytest.param(
        """mkdir -p .jupyter/jupyter_server_config.d .jupyter/labconfig .local/etc/jupyter
        for name in jupyter jupyter_server jupyterhub jupyter_notebook jupyter_lab; do
          echo "raise SystemExit(3)" > .jupyter/${name}_config.py
          echo "{" > .jupyter/${name}_config.json
          echo "raise SystemExit(3)" > .local/etc/jupyter/${name}_config.py; done
        echo '{"ServerApp": {"jpserver_extensions": {"not_there": true}}}' \\
          > .jupyter/jupyter_server_config.d/x.json
        echo "{" > .jupyter/labconfig/page_config.json
        cp .jupyter/jupyter_server_config.py .; touch migrated""",
        id="Jupyter configuration",
    ),
    pytest.param(
        """mkdir -p .jupyter/lab/user-settings/@jupyterlab/apputils-extension
        echo "{{{" > .jupyter/lab/user-settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings
        mkdir -p .jupyter/lab/workspaces && echo "{" > .jupyter/lab/workspaces/default-37a8.jupyterlab-workspace
        mkdir -p .local/share/jupyter/labextensions/broken
        echo "{" > .local/share/jupyter/labextensions/broken/package.json
        mkdir -p .local/share/jupyter/nbconvert .local/share/jupyter/lab
        echo "not a database" > .local/share/jupyter/nbsignatures.db""",  # noqa: E501
        id="JupyterLab's settings, tabs and extensions",
    ),
    pytest.param(
        """mkdir -p .local/share/jupyter/kernels/python3 .local/share/jupyter/kernels/other
        echo "{" > .local/share/jupyter/kernels/other/kernel.json
        chmod 000 .local/share/jupyter/kernels""",
        id="kernels that nobody may read",
    ),
    pytest.param("echo x > .jupyter; echo x > .local; echo x > examples", id="files for folders"),
    pytest.param(
        "ln -s .jupyter .jupyter; ln -s /nowhere .local; ln -s examples examples",
        id="links to nowhere and in circles",
    ),
    pytest.param(
        """mkdir -p .ipython/profile_default/startup .ipython/nbextensions
        echo "import os; os._exit(3)" > .ipython/profile_default/startup/00.py
        echo "raise SystemExit(3)" > .ipython/profile_default/ipython_config.py
        chmod 000 .ipython/nbextensions""",
        id="IPython's start files",
    ),
    pytest.param(
        """for name in .bashrc .profile .bash_profile .bash_login; do echo "exit 3" > $name; done
        mkdir -p .local/bin
        for name in python python3 sh bash env jupyterhub-singleuser jupyter git; do
          printf '#!/bin/false\\n' > .local/bin/$name; chmod +x .local/bin/$name; done
        printf 'default login x password y' > .netrc; chmod 600 .netrc
        mkdir -p .config/pip .pip; echo "[" > .config/pip/pip.conf; echo "[" > .pip/pip.conf""",
        id="a shell that ends at once, and commands of one's own",
    ),
    pytest.param("mkdir -p .local .jupyter; chmod 000 .local .jupyter", id="closed folders"),
    pytest.param("chmod 000 /home/jovyan", id="a closed home"),
]


async def check(server: UserServer) -> None:
    """The server answers, JupyterLab's page loads, and a kernel without the home's part runs."""
    server.wait(timeout=90)
    assert "jupyter-config-data" in server.page("lab")
    assert "python3" in server.api("kernelspecs")["kernelspecs"]
    outcome = await server.run("6 * 7", kernel="room")
    assert outcome.result == "42", outcome


@pytest.mark.parametrize("broken", HOMES)
async def test_server_boots_whatever_the_home_holds(pytorch: str, home: Home, broken: str) -> None:
    home.prepare(broken)
    with UserServer(pytorch, home.mount) as server:
        await check(server)


async def test_server_boots_with_a_full_home(pytorch: str) -> None:
    """The lesson can be read, so that files can be found and deleted."""
    size = "--tmpfs=/home/jovyan:rw,size=64k,uid=1000,gid=100,mode=0700"
    fill = "head -c 1000000 /dev/zero > /home/jovyan/full 2>/dev/null; df -P /home/jovyan"
    with UserServer(pytorch, size, "--env=BEFORE=" + fill) as server:
        await check(server)
        assert " 100% " in server.sh("df -P /home/jovyan")
        assert "full" in [entry["name"] for entry in server.api("contents")["content"]]
        server.api("contents/full", "DELETE")
        assert " 100% " not in server.sh("df -P /home/jovyan")


async def test_server_boots_with_a_read_only_home(pytorch: str, home: Home) -> None:
    with UserServer(pytorch, home.mount + ",readonly") as server:
        await check(server)


async def test_server_boots_with_a_read_only_home_that_has_notebooks(
    pytorch: str, home: Home
) -> None:
    home.prepare("mkdir work && cp /opt/examples/01-first-lesson.ipynb work/")
    with UserServer(pytorch, home.mount + ",readonly") as server:
        await check(server)
        assert server.api("contents/work/01-first-lesson.ipynb")["content"]["cells"]


async def test_what_jupyterlab_keeps_for_the_user_is_in_the_home(pytorch: str, home: Home) -> None:
    with UserServer(pytorch, home.mount) as server:
        server.wait()
        said = await server.run(
            "import os; [os.environ[n] for n in ('JUPYTERLAB_SETTINGS_DIR',"
            " 'JUPYTERLAB_WORKSPACES_DIR', 'JUPYTER_DATA_DIR', 'JUPYTER_RUNTIME_DIR')]"
        )
        assert eval(said.result) == [
            "/home/jovyan/.jupyter/lab/user-settings",
            "/home/jovyan/.jupyter/lab/workspaces",
            "/home/jovyan/.local/share/jupyter",
            "/run/jupyter",
        ]
        assert "jupyter_cookie_secret" in server.sh("ls /run/jupyter")
        assert server.sh("find . -name '*cookie*' -o -name '*.sock' -o -name 'kernel-*'") == ""


async def test_a_hub_that_comes_back_within_a_minute_finds_the_server_alive(
    pytorch: str, home: Home
) -> None:
    late = f"import time; time.sleep(8)\n{HUB}"
    with UserServer(pytorch, home.mount, f"--env=HUB={late}") as server:
        wait_until(lambda: "Failed to connect to my Hub" in server.logs(), timeout=60)
        await check(server)
        # It was asked at last, and nothing else has failed meanwhile.
        assert "(attempt 5/5)" not in docker("logs", server.name)


def test_a_server_whose_hub_is_never_there_ends_by_itself_and_says_why(
    pytorch: str, home: Home
) -> None:
    with UserServer(pytorch, home.mount, "--env=HUB=pass") as server:
        # It answers meanwhile, so that a slow hub delays nobody's start.
        wait_until(server.listens, timeout=60, explain=server.logs)
        state = "--format={{.State.Status}} {{.State.ExitCode}}"
        wait_until(
            lambda: docker("inspect", state, server.name).strip() == "exited 1",
            timeout=120,
            explain=server.logs,
        )
        assert "(attempt 5/5). Is it running?" in docker("logs", server.name)
