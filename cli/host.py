"""Preparing this machine: Ansible's roles on localhost, with a line a person can follow."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

from cli.context import project_root
from cli.errors import Problem
from cli.steps import Step, console, step

if TYPE_CHECKING:
    from room.settings import Settings

#: What doctor's findings call the parts of a machine, and the role that makes each.
ROLES = {
    "data": "room_data",
    "engine": "room_engine",
    "gpu": "room_gpu",
    "sim-gpu": "room_sim_gpu",
}


def prepare(
    settings: Settings,
    *,
    upgrade_engine: bool = False,
    enable_cdi: bool = False,
    simulate_gpus: int = 0,
    needed: set[str] | None = None,
) -> None:
    """Make this machine ready for the room, by the same roles that make remote ones ready.

    ``needed`` are keys of ``ROLES``, None for all of them; what is ready already is left as it
    is. Needs root, and asks sudo for it. Raises ``Problem`` with the words of the step that
    failed and the place of the log.
    """
    log = project_root() / "build" / "ansible.log"
    wanted = roles(needed, upgrade_engine or enable_cdi, simulate_gpus)
    values = variables(
        settings, upgrade_engine=upgrade_engine, enable_cdi=enable_cdi, simulate_gpus=simulate_gpus
    )
    with step("Preparing this machine") as current, _open_log(log) as file:
        run = Run(current, file, log)
        status = run.follow(command(wanted, values), environment(os.environ))
        run.check(status)
        current.note = f"{run.changed} changed" if run.changed else "nothing to change"
    for note in run.notes:
        console.print(f"! {note}", style="yellow", markup=False, soft_wrap=True)


def roles(needed: set[str] | None, engine: bool, simulate_gpus: int) -> list[str]:
    """Return the roles to run, in the order of site.yml.

    Raises ``Problem`` for a part that no role makes.
    """
    parts = set(ROLES) if needed is None else set(needed)
    unknown = sorted(parts - ROLES.keys())
    if unknown:
        raise Problem(
            f"room up does not know how to prepare {', '.join(unknown)}.",
            f"It prepares {', '.join(ROLES)}.",
        )
    parts |= {"engine"} if engine else set()
    parts |= {"sim-gpu"} if simulate_gpus else set()
    return [role for part, role in ROLES.items() if part in parts]


def variables(
    settings: Settings, *, upgrade_engine: bool, enable_cdi: bool, simulate_gpus: int
) -> dict[str, Any]:
    """Return the roles' variables for these settings."""
    return {
        # The whole of Ansible runs as root here, and as the Python that has apt's module.
        "ansible_become": False,
        "ansible_python_interpreter": "/usr/bin/python3",
        "room_data_root": str(settings.data_root),
        "room_engine_socket": str(settings.engine_socket),
        "room_engine_debian_mirror": settings.mirrors.debian,
        "room_engine_upgrade": upgrade_engine,
        "room_engine_enable_cdi": enable_cdi,
        "room_sim_gpu_count": simulate_gpus,
    }


def command(wanted: list[str], values: Mapping[str, Any]) -> list[str]:
    """Return the command that runs these roles on this machine."""
    program = Path(sys.executable).parent / "ansible-playbook"
    playbook = [
        str(program),
        "--inventory=localhost,",
        "--connection=local",
        f"--tags={','.join(wanted)}",
        f"--extra-vars={json.dumps(dict(values))}",
        str(project_root() / "ansible" / "site.yml"),
    ]
    if os.geteuid() == 0:
        return playbook
    return ["sudo", f"--preserve-env={','.join(_ours())}", *playbook]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return Ansible's environment. It needs a UTF-8 locale, which a bare machine may not set."""
    utf8 = "UTF-8" in environ.get("LC_ALL", environ.get("LANG", "")).upper().replace(
        "UTF8", "UTF-8"
    )
    return {**environ, **_ours(), **({} if utf8 else {"LC_ALL": "C.UTF-8"})}


def _ours() -> dict[str, str]:
    ansible = project_root() / "ansible"
    return {
        "ANSIBLE_CONFIG": str(ansible / "ansible.cfg"),
        "ANSIBLE_CALLBACK_PLUGINS": str(ansible / "plugins" / "callback"),
        "ANSIBLE_STDOUT_CALLBACK": "room_events",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }


@contextmanager
def _open_log(log: Path) -> Iterator[TextIO]:
    log.parent.mkdir(exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        yield file


class Run:
    """One run of Ansible: what it says becomes progress, a log, and at the end words."""

    EVERY = 5.0  # seconds

    def __init__(self, current: Step, file: TextIO, log: Path) -> None:
        self.current = current
        self.file = file
        self.log = log
        self.changed = 0
        self.failure: dict[str, Any] | None = None
        self.notes: list[str] = []
        self.stray: list[str] = []
        self._task = "starting Ansible"
        self._items: list[dict[str, Any]] = []
        self._said = time.monotonic()

    def follow(self, command: list[str], env: Mapping[str, str]) -> int:
        """Run ``command`` to its end and return its exit status."""
        try:
            running = subprocess.Popen(
                command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except FileNotFoundError as error:
            raise Problem(
                f"There is no {error.filename}.", "Run make up, which installs it into .venv."
            ) from error
        with running:
            assert running.stdout is not None  # noqa: S101 - PIPE was asked for
            for line in lines(running.stdout, pause=1.0):
                if line is None:
                    self._say(self._task)
                else:
                    self.take(line)
        return running.returncode

    def take(self, line: str) -> None:
        """Take in one line that Ansible wrote."""
        event = _event(line)
        if event is None:
            self.stray.append(line)
            self.file.write(f"{line}\n")
            return
        kind = event["event"]
        self.file.write(_for_log(event))
        self.file.flush()
        if kind == "task":
            self._task = event["task"].rpartition(" : ")[2]
            self._items = []
            if console.is_terminal:
                self.current.say(self._task)
        elif kind == "changed":
            self.changed += 1
        elif kind == "note":
            self.notes.append(str(event.get("msg", "")))
        elif kind == "item":
            self._items.append(event)
        elif kind in ("failed", "unreachable") and not event.get("ignored"):
            # A loop's own message only says that items failed; what happened is in theirs.
            self.failure = self._items[0] if self._items else event

    def _say(self, task: str) -> None:
        """Show a task that takes its time; where each is a line of its own, only now and then."""
        now = time.monotonic()
        if console.is_terminal or now - self._said > self.EVERY:
            self._said = now
            self.current.say(task)

    def check(self, status: int) -> None:
        """Raise ``Problem`` when the run failed."""
        if status == 0:
            return
        remedy = f"What was done stays done; room up goes on from here. The whole log: {self.log}"
        if self.failure is None:
            last = "\n".join(f"  {line}" for line in self.stray[-4:])
            raise Problem(f"This machine could not be prepared:\n{last}".rstrip(), remedy)
        raise Problem(f"This machine could not be prepared. {words(self.failure)}", remedy)


def lines(stream: IO[bytes], pause: float) -> Iterator[str | None]:
    """Yield each line of ``stream``, and None whenever ``pause`` seconds brought none."""
    rest = b""
    while True:
        if not select.select([stream], [], [], pause)[0]:
            yield None
            continue
        # What there is, not a whole buffer: a slow task's line must not wait for the next one's.
        data = os.read(stream.fileno(), 65536)
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
        if not data:
            if rest:
                yield rest.decode(errors="replace")
            return


def words(failure: Mapping[str, Any]) -> str:
    """Return what a task that failed says to a person."""
    task = str(failure.get("task", "")).rpartition(" : ")[2]
    message = str(failure.get("msg") or "").strip()
    # A command's own message says only that its status is not zero.
    if not message or message.startswith(("non-zero return code", "MODULE FAILURE")):
        message = str(failure.get("stderr") or failure.get("stdout") or message).strip()
    tail = "\n".join(message.splitlines()[-12:])
    return tail if failure.get("stdout") is None and message else f"{task}: {tail}"


def _event(line: str) -> dict[str, Any] | None:
    if not line.startswith('{"event"'):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _for_log(event: Mapping[str, Any]) -> str:
    kind = event["event"]
    if kind == "task":
        return f"\n{event['task']}\n"
    details = {key: value for key, value in event.items() if key not in ("event", "task", "host")}
    lines = [f"  {kind}"]
    for key, value in details.items():
        text = value if isinstance(value, str) else json.dumps(value)
        lines.append(f"    {key}: " + text.replace("\n", "\n      "))
    return "\n".join(lines) + "\n"
