"""``room config``, and the settings that every command starts from."""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

from cli import context
from cli.errors import Problem
from cli.main import main
from room.settings import Settings
from tests.unit.test_doctor_probe import make_certificate


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    """Settings are read once a process; here every test is one."""
    monkeypatch.delenv("ROOM_SIMULATE_GPUS", raising=False)
    monkeypatch.delenv("ROOM_CONFIG", raising=False)
    context._load.cache_clear()
    yield
    context._load.cache_clear()


@pytest.fixture
def room(tmp_path, monkeypatch):
    """Return a function that writes a room.yaml and runs ``room`` with it."""
    file = tmp_path / "room.yaml"

    def run(text: str, *arguments: str):
        file.write_text(text)
        monkeypatch.setenv("ROOM_CONFIG", str(file))
        return CliRunner().invoke(main, list(arguments))

    return run


# --- show -------------------------------------------------------------------------------------


def test_show_prints_what_is_in_force_as_yaml_that_means_the_same(room):
    text = "name: lab\nlimits: {memory: 8G, boot_timeout: 90s}\nlogin: {admins: [Ada, bob]}\n"
    said = room(text, "config", "show")
    assert said.exit_code == 0, said.output
    found = Settings.model_validate(yaml.safe_load(said.output))
    assert (found.name, found.limits.memory) == ("lab", 8 * 1024**3)
    assert (found.limits.boot_timeout, found.login.admins) == (90.0, ("ada", "bob"))


def test_show_says_where_a_value_comes_from(room):
    said = room("name: lab\n\nlimits:\n  memory: 8G\n", "config", "show", "--json")
    origins = {row["key"]: row["origin"] for row in json.loads(said.output)}
    assert origins["name"] == "room.yaml line 1"
    assert origins["limits.memory"] == "room.yaml line 4"
    assert origins["limits.cpu"] == "default"


def test_show_names_every_key_of_the_schema(room):
    said = room("", "config", "show", "--json")
    keys = {row["key"] for row in json.loads(said.output)}
    assert set(Settings.model_fields) <= keys
    assert "login.oauth" in keys
    assert "mirrors.ca_file" in keys


def test_show_names_the_environments_part(room, monkeypatch):
    monkeypatch.setenv("ROOM_SIMULATE_GPUS", "4")
    assert "# environment: ROOM_SIMULATE_GPUS=4" in room("", "config", "show").output


def test_show_hides_what_is_secret(room):
    said = room(
        """
        mirrors: {pypi: "https://me:hunter2@mirror.example/simple"}
        profiles:
          - display_name: a
            spawner_override: {environment: {WANDB_API_KEY: hunter2}}
        """,
        "config",
        "show",
    )
    assert said.exit_code == 0, said.output
    assert "hunter2" not in said.output
    assert "WANDB_API_KEY" in said.output
    assert "https://mirror.example/simple" in said.output


def test_show_without_a_file_says_that_these_are_the_defaults(tmp_path, monkeypatch):
    monkeypatch.setattr(context, "project_root", lambda: tmp_path)
    said = CliRunner().invoke(main, ["config", "show"])
    assert said.exit_code == 0
    assert "no room.yaml yet" in said.output


# --- check ------------------------------------------------------------------------------------


def test_check_of_a_good_file_is_quiet(room):
    said = room("name: lab\n", "config", "check")
    assert (said.exit_code, said.output.count("\n")) == (0, 1)


def test_check_of_a_file_with_warnings_is_1(room):
    said = room("{address: 'http://10.0.0.1', insecure_http: true}", "config", "check")
    assert said.exit_code == 1
    assert "can be read and changed" in said.output


def test_check_of_a_wrong_file_is_2_with_every_line(room):
    said = room("nme: x\nlimits: {cpu: no}\n", "config", "check")
    assert said.exit_code == 2
    assert "line 1: nme:" in said.output
    assert "line 2: limits.cpu:" in said.output


def test_check_looks_at_another_file(tmp_path):
    file = tmp_path / "other.yaml"
    file.write_text("name: [")
    said = CliRunner().invoke(main, ["config", "check", str(file)])
    assert said.exit_code == 2
    assert "this is not YAML" in said.output


def test_check_of_a_file_that_is_not_there_is_2(tmp_path):
    said = CliRunner().invoke(main, ["config", "check", str(tmp_path / "none.yaml")])
    assert said.exit_code == 2
    assert "There is no settings file" in said.output


@pytest.mark.parametrize(
    ("names", "days", "status", "words"),
    [
        pytest.param(["room.example.org"], 90, 0, "can be used", id="good"),
        pytest.param(["room.example.org"], 5, 1, "The certificate ends on", id="ending"),
        pytest.param(["room.example.org"], -1, 2, "The certificate ended on", id="expired"),
        pytest.param(["other.example.org"], 90, 2, "is not for room.example.org", id="name"),
    ],
)
def test_check_looks_at_the_certificate(room, tmp_path, names, days, status, words):
    certificate, key = make_certificate(tmp_path / "tls", *names, days=days)
    tls = f"tls: {{mode: files, certificate: {certificate}, key: {key}}}"
    said = room(f"address: https://room.example.org\n{tls}\n", "config", "check")
    assert said.exit_code == status, said.output
    assert words in said.output


def test_check_looks_at_the_providers_secret(room):
    oauth = "{provider: github, client_id: a, client_secret_file: none, allowed_users: [a]}"
    said = room(f"login:\n  oauth: {oauth}\n", "config", "check")
    assert said.exit_code == 2
    assert "login.oauth.client_secret_file" in said.output


# --- what every command starts from -----------------------------------------------------------


def test_settings_are_read_once(tmp_path, monkeypatch):
    file = tmp_path / "room.yaml"
    file.write_text("name: one\n")
    monkeypatch.setenv("ROOM_CONFIG", str(file))
    first = context.settings()
    file.write_text("name: two\n")
    assert context.settings() is first


def test_settings_that_are_missing_are_a_problem_with_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(context, "project_root", lambda: tmp_path)
    with pytest.raises(Problem, match="There is no settings file") as caught:
        context.settings()
    assert "make up" in caught.value.remedy
    assert context.settings(or_defaults=True) == Settings()


def test_named_settings_that_are_missing_are_a_problem_even_where_defaults_would_do(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("ROOM_CONFIG", str(tmp_path / "none.yaml"))
    with pytest.raises(Problem, match="There is no settings file"):
        context.settings(or_defaults=True)


def test_settings_that_are_wrong_are_a_problem_with_their_lines(room, tmp_path):
    said = room("nme: x\n", "doctor")
    assert said.exit_code == 2
    assert "line 1: nme:" in said.output


def test_option_config_wins_over_the_environment(room, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("name: other\n")
    said = room("name: one\n", "--config", str(other), "config", "show")
    assert "name: other" in said.output
