"""Builds as the agent is asked for them, what is kept of their logs, and where packages are from.

What a build does is in ``tests/engine``: here the engine does not answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from agent.__main__ import builder
from agent.app import make_app
from agent.environment_log import MOST, Log, shown
from agent.environments import Builds, site_reader
from agent.gpus import Options
from engine import buildsite
from engine.buildsite import BuildSite
from engine.sources import Site
from engine.workshop import Workshop

HUBS, TOKEN = "h" * 40, "p" * 40
SITE = BuildSite(
    "https://u:p%2Fw@index.example/simple/", "CA", {"https_proxy": "http://u:other@proxy:1"}
)


def builds_in(root: Path) -> Builds:
    workshop = Workshop(f"unix://{root}/nobody.sock", "room")
    return Builds(root / "environments", workshop, lambda: SITE, room="room", image="image:1")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[TestClient]:
    app = make_app(tmp_path, HUBS, builds=builds_in(tmp_path), publisher=TOKEN)
    with TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def ask(agent: TestClient, requirements: str = "einops\n", class_name: str = "ml101") -> object:
    body = {"class_name": class_name, "actor": "tina", "requirements": requirements}
    return agent.post("/v1/environments", json=body)


def test_only_who_publishes_may_ask(agent: TestClient) -> None:
    paths = [("GET", ""), ("GET", "/images"), ("PUT", "/kept"), ("POST", "")]
    paths += [("GET", f"/{'0' * 36}/log"), ("DELETE", f"/{'0' * 36}")]
    for token in ("", f"Bearer {HUBS}", "Bearer x"):
        for method, path in paths:
            answer = agent.request(
                method, f"/v1/environments{path}", headers={"Authorization": token}
            )
            assert answer.status_code == 401, (method, path)


def test_what_is_no_requirement_is_not_taken(agent: TestClient) -> None:
    assert ask(agent, "-r other.txt").status_code == 422
    assert ask(agent, "").status_code == 422
    assert agent.get("/v1/environments").json() == []


def test_while_the_engine_is_away_a_build_waits(agent: TestClient) -> None:
    build = ask(agent).json()
    assert build["state"] == "waiting"
    assert ask(agent).status_code == 409
    assert ask(agent, class_name="dl202").status_code == 201
    assert agent.get("/v1/environments/images").status_code == 503
    assert agent.put("/v1/environments/kept", json={"tags": []}).status_code == 503
    assert agent.get(f"/v1/environments/{build['id']}/log").json() == {"log": ""}
    assert agent.delete(f"/v1/environments/{build['id']}").status_code == 200
    assert agent.delete(f"/v1/environments/{build['id']}").status_code == 404
    assert [each["class_name"] for each in agent.get("/v1/environments").json()] == ["dl202"]


def test_the_next_agent_goes_on_with_what_waits_and_drops_half_a_build(tmp_path: Path) -> None:
    first = builds_in(tmp_path)
    first.open()
    begun = first.begin("ml101", "tina", "einops\n")
    first.close()
    half = tmp_path / "environments" / "half"
    half.mkdir()
    (half / "build.json").write_text("{")
    (tmp_path / "environments" / begun.id / "site").mkdir()
    (tmp_path / "environments" / begun.id / "site" / "pip.conf").write_text("secret")
    second = builds_in(tmp_path)
    second.open()
    try:
        assert second.all() == [begun]
        assert [path.name for path in (tmp_path / "environments").iterdir()] == [begun.id]
        assert not (tmp_path / "environments" / begun.id / "site").exists()
    finally:
        second.close()


def test_an_agent_that_is_told_of_no_image_builds_nothing(tmp_path: Path) -> None:
    options = Options(state=tmp_path, socket="/var/run/docker.sock")
    assert builder(options, {}) is None
    assert builder(options, {"PYTORCH_IMAGE": "torchroom/pytorch:1"}) is not None
    client = TestClient(make_app(tmp_path, HUBS, publisher=TOKEN))
    assert client.get("/v1/environments").status_code == 404


def test_a_log_has_no_password_no_control_character_and_an_end(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.txt", SITE.redact)
    # The engine cuts where it likes: in a password, and in a letter.
    for chunk in (b"from https://u:p%2", b"Fw@index\n\x1b[31mred\xe2\x80", b"\xa6\tp/w\nno end"):
        log.feed(chunk)
    log.end()
    assert shown(tmp_path / "log.txt") == "from https://u:…@index\n[31mred…\t…\nno end\n"
    assert list(log.tail)[-1] == "no end"
    for _ in range(3 * MOST // 1000):
        log.feed(b"x" * 999 + b"\n")
    assert (tmp_path / "log.txt").stat().st_size < MOST + 2000
    assert "is not kept" in shown(tmp_path / "log.txt").splitlines()[-1]
    assert shown(tmp_path / "nothing.txt") == ""


@pytest.mark.parametrize(
    ("site", "network"),
    [
        pytest.param(BuildSite("", ""), "", id="pip-s-own"),
        pytest.param(SITE, "", id="elsewhere"),
        pytest.param(BuildSite("http://127.0.0.1:3141/simple", ""), "host", id="index-here"),
        pytest.param(BuildSite("", "", {"https_proxy": "http://localhost:1"}), "host", id="proxy"),
        pytest.param(BuildSite("", "", {"NO_PROXY": "localhost"}), "", id="no-proxy"),
    ],
)
def test_only_what_listens_on_loopback_is_reached_as_the_host(
    site: BuildSite, network: str
) -> None:
    assert site.network == network


def test_a_site_is_written_down_and_read_again(tmp_path: Path) -> None:
    found = buildsite.of(
        Site(debian="d", pypi="https://i/simple", ca=b"PEM"),
        {"https_proxy": "http://p", "HOME": "/nowhere"},
    )
    assert found == BuildSite("https://i/simple", "PEM", {"https_proxy": "http://p"})
    path = tmp_path / "builds.json"
    read = site_reader(path)
    assert read() is None
    path.write_text(buildsite.dumps(found))
    assert read() == found
    path.write_text("[]")
    assert read() is None
    files = found.files()
    assert "index-url = https://i/simple" in files["pip.conf"]
    assert json.loads(files["proxies.json"]) == {"https_proxy": "http://p"}
