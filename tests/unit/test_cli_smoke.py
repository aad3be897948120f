"""``room smoke``: which profile it takes, and how it ends."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cli import smoke as module
from cli.errors import Problem
from cli.lesson import Promise
from room.gpus.inventory import simulated
from room.models import GPUUnit, Inventory


def profile(slug, gpus=0, **more):
    return {"slug": slug, "display_name": slug, "spawner_override": {"gpus": gpus}, **more}


PROFILES = [profile("two", 2), profile("one", 1), profile("cpu", default=True), {"slug": "bare"}]


@pytest.mark.parametrize(
    ("slug", "gpus", "chosen"),
    [
        pytest.param("", False, "cpu", id="the default"),
        pytest.param("two", False, "two", id="named"),
        pytest.param("bare", False, "bare", id="without overrides"),
        pytest.param("", True, "one", id="the first with one GPU"),
        pytest.param("one", True, "one", id="named with one GPU"),
    ],
)
def test_profile(slug, gpus, chosen):
    assert module.choose(PROFILES, slug, gpus)["slug"] == chosen


def test_without_a_default_the_first_profile_is_it():
    assert module.choose(PROFILES[:2], "", False)["slug"] == "two"


@pytest.mark.parametrize(
    ("profiles", "slug", "gpus", "words"),
    [
        pytest.param(PROFILES, "gone", False, "There is no profile gone", id="unknown"),
        pytest.param(PROFILES, "two", True, "two has 2 GPUs", id="not one GPU"),
        pytest.param([PROFILES[2]], "", True, "No profile .* exactly one GPU", id="no GPU profile"),
    ],
)
def test_profile_refused(profiles, slug, gpus, words):
    with pytest.raises(Problem, match=words) as caught:
        module.choose(profiles, slug, gpus)
    assert caught.value.remedy


CARD = GPUUnit("GPU-1", 0, "H200", 141312)


@pytest.mark.parametrize(
    ("chosen", "inventory", "promised"),
    [
        pytest.param({"slug": "bare"}, Inventory(), Promise(0), id="no GPU"),
        pytest.param(PROFILES[1], Inventory((CARD,)), Promise(1), id="a card"),
        pytest.param(PROFILES[1], simulated(4), Promise(1, simulated=True), id="simulated"),
    ],
)
def test_promise(chosen, inventory, promised):
    assert module.promise(chosen, inventory) == promised


@pytest.fixture
def empty_room(tmp_path, monkeypatch):
    """A room that was prepared and is not running."""
    (tmp_path / "data" / "state").mkdir(parents=True)
    config = tmp_path / "room.yaml"
    config.write_text(f"address: http://127.0.0.1:1\ndata_root: {tmp_path / 'data'}\n")
    monkeypatch.setenv("ROOM_CONFIG", str(config))
    monkeypatch.setattr(module.steps.console, "quiet", False)


@pytest.mark.usefixtures("empty_room")
def test_a_room_that_is_down_fails_the_first_step_and_exits_1():
    ended = CliRunner().invoke(module.smoke, ["--json"])

    said = json.loads(ended.stdout)
    assert ended.exit_code == 1
    assert said["ok"] is False
    assert "no connection at http://127.0.0.1:1" in said["problem"]["message"]
    assert "make up" in said["problem"]["remedy"]
    assert [(done["step"], done["ok"]) for done in said["steps"]] == [
        ("Logging in as room-smoke with a token", False),
        ("Cleaning up", True),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--user", "alice"], "alice may be a person", id="a person's name"),
        pytest.param(["--gpus"], "This room has no GPU", id="no GPUs"),
        pytest.param(["--gpus", "--keep"], "--keep has no meaning", id="keep what"),
        pytest.param(["--profile", "x"], "no profile x", id="unknown profile"),
    ],
)
@pytest.mark.usefixtures("empty_room")
def test_what_cannot_begin_exits_2(arguments, words):
    ended = CliRunner().invoke(module.smoke, arguments)

    assert ended.exit_code == 2
    assert words in ended.output
