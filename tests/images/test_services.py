"""The images of the room's own services, each by itself, hardened as compose runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.utils.user_server import docker
from tests.utils.wait import wait_until

pytestmark = pytest.mark.images

HARDENED = ("--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--network=none")


def run(image: str, *command: str, options: tuple[str, ...] = (), check: bool = True) -> str:
    return docker("run", "--rm", *HARDENED, *options, image, *command, check=check)


def test_room_has_the_hub_of_its_lock_and_our_code(tags: dict[str, str]) -> None:
    assert run(tags["room"], "jupyterhub", "--version").strip() == "6.1.1"
    code = "import spawner.spawner, agent.app, cli.main, os; print(os.getuid(), os.getcwd())"
    said = run(tags["room"], "python", "-c", code)
    assert said.split()[-2:] == ["1100", "/srv/room"]


@pytest.mark.parametrize(
    ("image", "python"), [("room", "python"), ("pytorch", "/opt/jupyter/bin/python")]
)
def test_names_are_looked_up_anew_by_the_system(
    tags: dict[str, str], image: str, python: str
) -> None:
    """A resolver that keeps answers looks for a restarted server or hub at its old address."""
    code = "from aiohttp import resolver; print(resolver.DefaultResolver.__name__)"
    assert run(tags[image], python, "-c", code).strip() == "ThreadedResolver"


def test_proxy_without_a_token_says_what_to_mount(tags: dict[str, str]) -> None:
    said = run(tags["proxy"], check=False)
    assert "cannot read its token from /run/secrets/proxy_token" in said
    assert "at " not in said.replace("at user", ""), "a stack trace"


def test_proxy_takes_its_token_from_a_file(tags: dict[str, str], tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("of-the-tests\n")
    token.chmod(0o644)
    tmp_path.chmod(0o755)
    name = docker(
        "run", "--detach", *HARDENED, f"--volume={token}:/run/secrets/proxy_token:ro",
        tags["proxy"], "--ip=127.0.0.1", "--api-ip=127.0.0.1",
    ).strip()  # fmt: skip
    ask = (
        "fetch('http://127.0.0.1:8001/api/routes', {headers: {Authorization: 'token ' + T}})"
        ".then(r => console.log(r.status), e => console.log('none'))"
    )

    def status(given: str) -> str:
        script = f"const T = '{given}'; {ask}"
        return docker("exec", name, "node", "-e", script, check=False).strip()

    try:
        wait_until(lambda: status("of-the-tests") == "200", timeout=30)
        assert status("another") == "403"
        assert "of-the-tests" not in docker("inspect", name)
    finally:
        docker("rm", "--force", name)


def test_front_binds_port_80_without_any_capability(tags: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "Caddyfile").write_text("http://localhost {\n  respond hello\n}\n")
    tmp_path.chmod(0o755)
    name = docker(
        "run", "--detach", *HARDENED, "--tmpfs=/data:uid=1100", "--tmpfs=/config:uid=1100",
        f"--volume={tmp_path}:/etc/caddy:ro", tags["front"],
    ).strip()  # fmt: skip
    hello = "exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3; cat <&3"  # noqa: E501
    try:
        wait_until(
            lambda: "hello" in docker("exec", name, "bash", "-c", hello, check=False),
            timeout=20,
            explain=lambda: docker("logs", name, check=False),
        )
        assert "uid=1100" in docker("exec", name, "id")
    finally:
        docker("rm", "--force", name)
