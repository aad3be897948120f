"""The ``room`` command itself: help, lazy commands, and errors in words."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from cli import main as cli_main
from cli.errors import Problem, from_os_error
from engine.client import EngineRefusedError, EngineUnavailableError
from engine.errors import BuildError


def run(*arguments: str, **options):
    return CliRunner().invoke(cli_main.main, list(arguments), **options)


def test_help_names_every_command():
    said = run("--help")
    assert said.exit_code == 0
    for name, lazy in cli_main.COMMANDS.items():
        assert f"  {name} " in said.output
        assert lazy.help in " ".join(said.output.split())


def test_help_imports_no_command_and_none_of_the_slow_libraries():
    script = (
        "import sys; from cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'docker', 'pydantic', 'sqlalchemy', 'rich', 'yaml', 'requests', 'ansible'}\n"
        "from cli.main import COMMANDS\n"
        "slow |= {lazy.target.split(':')[0] for lazy in COMMANDS.values()}\n"
        "print(sorted(slow & sys.modules.keys()), file=sys.stderr)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stderr.strip() == "[]"


@pytest.mark.parametrize("name", list(cli_main.COMMANDS))
def test_every_command_in_the_table_is_there_and_explains_itself(name):
    said = run(name, "--help")
    assert said.exit_code == 0, said.output
    assert said.output.startswith(f"Usage: main {name}")
    assert len(said.output.split("Options:")[0].split()) > 8, "the help says nothing"


def test_command_that_is_not_there_names_the_nearest():
    said = run("doctr")
    assert said.exit_code == 2
    assert "There is no command 'doctr'." in said.output
    assert "Did you mean: room doctor" in said.output


def test_version_is_the_distributions():
    from importlib.metadata import version

    assert run("--version").output == f"room {version('torchroom')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_every_shell(shell):
    said = run("completion", shell)
    assert said.exit_code == 0
    assert "_ROOM_COMPLETE" in said.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_valid_in_its_shell(shell, tmp_path):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed here")
    script = tmp_path / "script"
    script.write_text(run("completion", shell).stdout)
    option = "--no-execute" if shell == "fish" else "-n"
    subprocess.run([program, option, str(script)], check=True)


def test_words_are_completed_without_importing_commands():
    import os

    environment = os.environ | {
        "COMP_WORDS": "room d",
        "COMP_CWORD": "1",
        "_ROOM_COMPLETE": "bash_complete",
    }
    said = subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main(prog_name='room')"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert said.stdout.split() == ["plain,down", "plain,doctor", "plain,dataset"]


def failing(error: BaseException, monkeypatch) -> str:
    """Return what a person sees when a command raises ``error``."""

    @click.command()
    def broken() -> None:
        raise error

    monkeypatch.setattr(cli_main.LazyGroup, "get_command", lambda self, ctx, name: broken)
    said = run("doctor")
    assert said.exit_code == 2
    assert "Traceback" not in said.output
    return said.output


def test_problem_is_printed_with_its_remedies(monkeypatch):
    said = failing(Problem("The [disk] is full.", "Free some.\nOr add one."), monkeypatch)
    assert said == "✗ The [disk] is full.\n  → Free some.\n  → Or add one.\n"


def test_problem_without_remedy_is_one_line(monkeypatch):
    assert failing(Problem("No."), monkeypatch) == "✗ No.\n"


@pytest.mark.parametrize(
    ("error", "message", "remedy"),
    [
        pytest.param(
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            "You may not read or change /x.",
            "with sudo",
            id="permission",
        ),
        pytest.param(
            OSError(errno.ENOSPC, "No space left on device", "/x"),
            "There is no space left to write /x.",
            "Free some space",
            id="full-disk",
        ),
        pytest.param(
            OSError(errno.ENOSPC, "No space left on device"),
            "There is no space left on the disk.",
            "Free some space",
            id="full-disk-somewhere",
        ),
        pytest.param(
            OSError(errno.EDQUOT, "Disk quota exceeded", "/x"), "no space left", "", id="quota"
        ),
        pytest.param(
            OSError(errno.EROFS, "Read-only file system", "/x"),
            "is read-only",
            "data_root",
            id="ro",
        ),
        pytest.param(
            FileNotFoundError(errno.ENOENT, "No such file", "/x"),
            "There is no file or directory /x.",
            "Check the path",
            id="missing",
        ),
        pytest.param(
            OSError(errno.EIO, "Input/output error", "/x"), "Input/output", "", id="other"
        ),
    ],
)
def test_systems_error_is_said_in_words(error, message, remedy, monkeypatch):
    found = from_os_error(error)
    assert message in found.message
    assert remedy in found.remedy
    assert message in failing(error, monkeypatch)


def _database_error(words: str) -> Exception:
    import sqlite3

    from sqlalchemy.exc import OperationalError

    return OperationalError("INSERT", {}, sqlite3.OperationalError(words))


@pytest.mark.parametrize(
    ("error", "message", "remedy"),
    [
        pytest.param(BuildError("No mirror.", "Set one."), "No mirror.", "Set one.", id="build"),
        pytest.param(
            EngineUnavailableError("listing containers: the Docker Engine does not answer"),
            "the Docker Engine does not answer.",
            "room doctor",
            id="engine-away",
        ),
        pytest.param(
            EngineRefusedError("creating container x: no such image", 404),
            "The Docker Engine refused: creating container x: no such image.",
            "room doctor",
            id="engine-refuses",
        ),
        pytest.param(
            _database_error("database or disk is full"),
            "There is no space left for the room's database.",
            "Free some space",
            id="database-full",
        ),
        pytest.param(
            _database_error("attempt to write a readonly database"),
            "You may not change",
            "with sudo",
            id="database-readonly",
        ),
        pytest.param(
            _database_error("database is locked"), "writing to the room's", "again", id="locked"
        ),
        pytest.param(
            _database_error("database disk image is malformed"), "damaged", "backup", id="damaged"
        ),
        pytest.param(
            ValueError("first line\nsecond line"), "handle: first line.", "ROOM_DEBUG=1", id="other"
        ),
    ],
)
def test_error_of_a_layer_below_is_said_in_words(error, message, remedy, monkeypatch):
    monkeypatch.delenv("ROOM_DEBUG", raising=False)
    said = " ".join(failing(error, monkeypatch).split())
    assert message in said
    assert remedy in said
    assert "Error" not in said
    assert "second line" not in said


def test_fault_of_our_own_is_one_sentence_and_how_to_report_it(monkeypatch):
    monkeypatch.delenv("ROOM_DEBUG", raising=False)
    said = failing(KeyError("x"), monkeypatch)
    assert "ROOM_DEBUG=1" in said


def test_fault_of_our_own_is_shown_whole_when_asked_for(monkeypatch):
    @click.command()
    def broken() -> None:
        raise KeyError("x")

    monkeypatch.setenv("ROOM_DEBUG", "1")
    monkeypatch.setattr(cli_main.LazyGroup, "get_command", lambda self, ctx, name: broken)
    with pytest.raises(KeyError):
        run("doctor", catch_exceptions=False)
