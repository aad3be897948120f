#!/usr/bin/env python3
"""Make ``.venv`` from a hashed lock, then run a command in it. Standard library only.

    python3 tools/bootstrap.py [--lock host|test] [--this-python] [--root] [-- COMMAND ...]

What is current already is left alone, in a fraction of a second. COMMAND replaces this
process; ``--root`` runs it with sudo unless root runs this.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import bootstrap_rules as rules
from bootstrap_rules import Problem, Python

STAMP = "torchroom.json"


class Progress:
    """One line with the time it took; on a terminal it moves while the work goes on."""

    EVERY = 20.0  # seconds between lines where there is no terminal

    def __init__(self, title: str) -> None:
        self.title = title
        self.began = self.said = time.monotonic()
        self.moving = sys.stderr.isatty()
        if not self.moving:
            print(f"… {title}", file=sys.stderr, flush=True)

    def say(self, detail: str) -> None:
        now = time.monotonic()
        seconds = f"[{now - self.began:.0f} s]"
        if self.moving:
            room_left = shutil.get_terminal_size().columns - len(self.title) - len(seconds) - 6
            text = f"… {self.title} {seconds} {rules.last_words(detail, room_left)}"
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif now - self.said > self.EVERY:
            self.said = now
            print(f"  … {seconds} {rules.last_words(detail, 90)}", file=sys.stderr, flush=True)

    def end(self, good: bool) -> None:
        clear = "\r\033[K" if self.moving else ""
        mark = "✓" if good else "✗"
        elapsed = time.monotonic() - self.began
        print(f"{clear}{mark} {self.title}  [{elapsed:.1f} s]", file=sys.stderr, flush=True)


def watch(title: str, command: Sequence[str], log: Path, env: Mapping[str, str]) -> str:
    """Run ``command`` with a progress line and a log; return its output, or raise ``Problem``."""
    progress = Progress(title)
    lines: list[str] = []
    log.parent.mkdir(exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"\n$ {' '.join(map(str, command))}\n")
        with subprocess.Popen(
            command,
            env=dict(env),
            stdin=sys.stdin if sys.stdin.isatty() else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as running:
            assert running.stdout is not None  # noqa: S101 - PIPE was asked for
            for line in running.stdout:
                file.write(line)
                lines.append(line)
                progress.say(line)
    progress.end(running.returncode == 0)
    output = "".join(lines)
    if running.returncode:
        errors = [line.rstrip() for line in lines if re.match(r"\s*(ERROR|E:|error)", line)]
        shown = "\n".join(f"  {line}" for line in (errors or lines)[-4:])
        raise Problem(f"{title} failed:\n{shown}\n{rules.remedy(output)}\nThe whole log: {log}")
    return output


class Environment:
    """The ``.venv`` of one checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / ".venv"
        self.python = self.home / "bin" / "python"
        self.stamp_file = self.home / STAMP
        self.log = root / "build" / "bootstrap.log"

    def wanted(self, lock: str, version: tuple[int, ...]) -> str:
        files = (self.root / "requirements" / f"{lock}.txt", self.root / "pyproject.toml")
        return rules.digest([file.read_bytes() for file in files], version)

    def stamp(self) -> dict[str, str]:
        try:
            found = json.loads(self.stamp_file.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def made_by(self) -> tuple[int, ...]:
        """Return the version of the Python that made it, () where that is not known."""
        try:
            text = (self.home / "pyvenv.cfg").read_text()
        except OSError:
            return ()
        number = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)(?:\.(\d+))?", text, re.M)
        return tuple(int(part) for part in number.groups() if part) if number else ()

    def existing(self) -> Python | None:
        """Return the interpreter that answers in it now."""
        code = "import sys; print(*sys.version_info[:3])"
        try:
            answer = subprocess.run(
                [self.python, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=30
            )
        except (OSError, subprocess.SubprocessError):
            return None
        numbers = answer.stdout.split()
        return Python(self.python, tuple(map(int, numbers))) if len(numbers) == 3 else None

    def make(self, why: str, running: Python, env: Mapping[str, str]) -> None:
        """Make it anew with the running Python; what was there is removed first."""
        if why:
            print(f"Making {self.home} anew: {why}.", file=sys.stderr)
        require_venv(running, self.log, env)
        if self.home.is_symlink() or (
            self.home.exists() and not (self.home / "pyvenv.cfg").exists()
        ):
            raise Problem(
                f"{self.home} is there, and is no Python environment.\n"
                "Move it away, then run it again."
            )
        command = [str(running.path), "-m", "venv", "--clear", str(self.home)]
        watch(f"Making .venv with Python {running.name}", command, self.log, env)

    def install(self, lock: str, env: Mapping[str, str]) -> None:
        """Install the packages of ``lock`` and the project itself, as it stands in the checkout."""
        self.stamp_file.unlink(missing_ok=True)
        pip = [str(self.python), "-m", "pip", "install", "--progress-bar=off", "--no-input"]
        # Wheels only: building a source archive would bring in tools that no lock names.
        locked = ["--require-hashes", "--no-deps", "--only-binary=:all:"]
        file = self.root / "requirements" / f"{lock}.txt"
        watch(
            f"Installing requirements/{lock}.txt", [*pip, *locked, "-r", str(file)], self.log, env
        )
        project = ["--no-deps", "--no-build-isolation", "--editable", str(self.root)]
        watch("Installing torchroom itself", [*pip, *project], self.log, env)

    def write_stamp(self, lock: str, version: tuple[int, ...]) -> None:
        stamp = {name: self.wanted(name, version) for name in rules.LOCKS[lock]}
        self.stamp_file.write_text(json.dumps(stamp, indent=1) + "\n")


def require_venv(running: Python, log: Path, env: Mapping[str, str]) -> None:
    """Install what ``python3 -m venv`` needs, which Debian and Ubuntu keep in a package apart."""
    code = "import ensurepip, venv"
    if subprocess.run([running.path, "-c", code], capture_output=True).returncode == 0:
        return
    package = f"python{running.version[0]}.{running.version[1]}-venv"
    by_hand = f"Install {package} by hand, then run it again."
    if not shutil.which("apt-get") or not str(running.path).startswith("/usr/bin/"):
        raise Problem(f"This Python ({running.path}) cannot make environments. {by_hand}")
    if os.geteuid() != 0 and not shutil.which("sudo"):
        raise Problem(f"{package} is missing, and there is no sudo to install it with. {by_hand}")
    quiet = {**env, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y"]
    for title, command in (
        ("Reading the package lists", [*apt, "update"]),
        (f"Installing {package}", [*apt, "install", "--no-install-recommends", package]),
    ):
        try:
            watch(title, rules.with_sudo(command, {}, os.geteuid()), log, quiet)
        except Problem as problem:
            raise Problem(f"{problem}\n{by_hand}") from None


def running_python() -> Python:
    """Return the Python that runs this; in an environment, the one that the environment is of."""
    executable = Path(getattr(sys, "_base_executable", "") or sys.executable)
    return Python(executable, tuple(sys.version_info[:3]))


def site_settings(root: Path) -> dict[str, str]:
    file = Path(os.environ.get("ROOM_CONFIG") or root / "room.yaml")
    try:
        return rules.mirrors(file.read_text())
    except (OSError, UnicodeDecodeError):
        return {}  # room up says in words what is wrong with it


def prepare(root: Path, lock: str, this_python: bool) -> None:
    """Make the environment current. Raises ``Problem``."""
    here = Environment(root)
    existing = here.existing()
    running = running_python()
    anew = rules.kept_python(existing, here.made_by(), running, this_python)
    if existing and anew is None:
        wanted = here.wanted(lock, existing.version)
        if rules.is_current(here.stamp(), lock, wanted) and (here.home / "bin" / "room").exists():
            return
    remark = rules.check_python(running.version)
    if remark:
        print(remark, file=sys.stderr)
    system = Path("/etc/ssl/certs/ca-certificates.crt")
    env = rules.pip_environment(
        os.environ, site_settings(root), str(system) if system.exists() else None
    )
    here.log.parent.mkdir(exist_ok=True)
    here.log.write_text("")
    if anew:
        here.make(anew if here.home.exists() else "", running, env)
    here.install(lock, env)
    here.write_stamp(lock, here.made_by())


def run(root: Path, command: Sequence[str], as_root: bool) -> NoReturn:
    """Become ``command``; its first word is looked for in the environment first."""
    program = root / ".venv" / "bin" / command[0]
    whole = [str(program) if program.exists() else command[0], *command[1:]]
    if as_root:
        whole = rules.with_sudo(whole, os.environ, os.geteuid())
    if not shutil.which(whole[0]):
        raise Problem(f"There is no {whole[0]} here. Install it, or run the same as root.")
    os.chdir(root)
    os.environ["PATH"] = f"{root / '.venv' / 'bin'}:{os.environ.get('PATH', '')}"
    os.execvp(whole[0], whole)  # noqa: S606 - becoming the command is the point


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lock", choices=sorted(rules.LOCKS), default="host")
    parser.add_argument("--this-python", action="store_true")
    parser.add_argument("--root", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(arguments)
    command = chosen.command[1:] if chosen.command[:1] == ["--"] else chosen.command
    root = Path(__file__).resolve().parents[1]
    try:
        rules.check_python(tuple(sys.version_info[:3]))
        with Alone(root):
            prepare(root, chosen.lock, chosen.this_python)
        if command:
            run(root, command, chosen.root)
    except Problem as problem:
        print(f"✗ {problem}", file=sys.stderr)
        return 2
    except PermissionError as error:
        print(
            f"✗ You may not change {error.filename}. If it belongs to root, run the same with "
            "sudo, or give it back to yourself with chown.",
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        print(f"✗ {error.strerror}: {error.filename}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\n✗ Stopped. Running it again goes on from here.", file=sys.stderr)
        return 130
    return 0


class Alone:
    """One at a time in a checkout: two would install into each other's environment."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> None:
        self.handle = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("… Another one is preparing .venv; waiting for it", file=sys.stderr)
            fcntl.flock(self.handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self.handle)


if __name__ == "__main__":
    sys.exit(main())
