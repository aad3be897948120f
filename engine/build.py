"""Running ``docker buildx build``: its progress in steps, its log, and its failures in words."""

from __future__ import annotations

import fcntl
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from engine.errors import BuildError
from engine.sources import Site, shown

GB = 1000**3
#: Seconds after which a step is said, and after which a long one is said again.
_MOMENT, _HEARTBEAT = 0.7, 15.0
_TICK = 0.5
#: How many of a build's last lines are looked at, and how many are shown.
_TAIL, _SHOWN = 200, 12

_STEP = re.compile(r"^#(\d+) \[(?:(\S+) )?(\d+)/(\d+)\] (\S+)")
_DONE = re.compile(r"^#(\d+) (DONE|CACHED|ERROR|CANCELED)")


# --- what BuildKit's output means ---------------------------------------------------------------


def step_of(line: str) -> tuple[str, str] | None:
    """Return a step's number and its words when a line of plain progress begins one."""
    found = _STEP.match(line)
    if not found or found[5] in {"FROM", "ARG", "ENV"}:
        return None
    stage = f"{found[2]}, " if found[2] and not found[2].startswith("stage-") else ""
    return found[1], f"{stage}step {found[3]} of {found[4]}"


#: (what a failed build's last lines hold, what that means, what to do), the first match wins.
#: ``{…}`` are filled from the site's mirrors and the machine.
_FAILURES: tuple[tuple[str, str, str], ...] = (
    (
        r"no space left on device|disk quota exceeded",
        "The disk is full: {free} free where the engine keeps its images.",
        "Free some with: docker image prune (it asks first), or give the engine a larger disk.",
    ),
    (
        r"cannot connect to the docker daemon|is the docker daemon running|error reading from "
        r"server: eof|graceful_stop|transport is closing|connection reset by peer\"?$"
        r"|failed to receive status|the docker daemon .*connection refused",
        "The Docker Engine went away in the middle of the build.",
        "See why in its log (journalctl --unit docker), start it, and run the same command again: "
        "finished steps are kept.",
    ),
    (
        r"certificate_verify_failed|certificate verification failed|unknownissuer"
        r"|self[-_ ]signed[-_ ]cert|unable_to_get_issuer_cert|unable to get local issuer",
        "A mirror's certificate is not trusted inside the build.",
        "Set mirrors.ca_file in room.yaml to your site's CA; it stays out of the images.",
    ),
    (
        r"hash mismatch|do not match the hashes|eintegrity|hash sum mismatch",
        "A mirror served something else than the lock files name.",
        "Try again in a few minutes; if it stays, the mirror is stale or changes packages: "
        "set another one in room.yaml (mirrors.*).",
    ),
    (
        r"\bnpm err(or|!) (network|code e(notfound|timedout|connrefused|connreset|ai_again))"
        r"|npm err(or|!) .*fetch failed",
        "The npm mirror {npm} did not answer.",
        "Set mirrors.npm in room.yaml to one that this machine reaches.",
    ),
    (
        r"(err:\d+|e: failed to fetch) .*|could not resolve '|unable to connect to .*:http"
        r"|unable to locate package|the repository .* does not have a release file",
        "The Debian mirror {debian} did not answer, or lacks a package.",
        "Set mirrors.debian in room.yaml to one that containers on this machine reach.",
    ),
    (
        r"error sending request for url|failed to fetch: `|failed to download"
        r"|newconnectionerror|could not find a version that satisfies|connecttimeouterror"
        r"|was not found in the package registry|dns error",
        "The PyPI mirror {pypi} did not answer, or lacks a package.",
        "Set mirrors.pypi in room.yaml to one that containers on this machine reach.",
    ),
    (
        r"exit code: 137|signal: killed|cannot allocate memory",
        "A step was killed: the machine ran out of memory.",
        "Stop what else runs, or add memory; a build needs 4 GB.",
    ),
)


def explain(lines: Sequence[str], words: Mapping[str, str]) -> tuple[str, str]:
    """Return what a failed build's last lines mean, and the remedy.

    ``words`` fills in the mirrors and the free space. Lines that explain nothing
    known are shown as they are.
    """
    text = "\n".join(lines)
    for pattern, meaning, remedy in _FAILURES:
        if re.search(pattern, text, re.IGNORECASE | re.MULTILINE):
            return meaning.format_map(words), remedy
    return "The build did not succeed.", "The whole log is in {log}.".format_map(words)


def last_words(lines: Sequence[str]) -> str:
    """Return the lines of a log that say most: the last ones that a step printed."""
    said = [re.sub(r"^#\d+ (?:[\d.]+ )?", "", line).rstrip() for line in lines]
    kept = [line for line in said if line and not line.startswith(("DONE", "CANCELED", "---"))]
    return "\n".join(f"  {line[:200]}" for line in kept[-_SHOWN:])


def seconds(value: float) -> str:
    return f"{value:.0f} s" if value < 60 else f"{value // 60:.0f} min {value % 60:.0f} s"


# --- the engine's command line --------------------------------------------------------------------


@contextmanager
def only_one(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Let one build at a time go on in a checkout; a second one says so and waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build in this checkout")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Docker:
    """The ``docker`` command on one engine. Raises ``BuildError`` in words."""

    def __init__(self, socket: Path) -> None:
        self._environment = {**os.environ, "DOCKER_HOST": f"unix://{socket}"}
        self._socket = socket

    def run(self, *arguments: str, check: bool = True) -> str:
        try:
            done = subprocess.run(
                ["docker", *arguments],
                capture_output=True, text=True, env=self._environment, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise BuildError(
                "There is no docker command on this machine.", "Run: room up"
            ) from error
        if done.returncode and "Cannot connect to the Docker daemon" in done.stderr:
            raise BuildError(
                f"The Docker Engine does not answer at {self._socket}.",
                "Start it (systemctl start docker, or service docker start), then try again.",
            )
        if done.returncode and "permission denied" in done.stderr:
            raise BuildError(
                f"You may not use the Docker Engine at {self._socket}.",
                "Run the same command with sudo.",
            )
        if done.returncode and check:
            raise BuildError(
                f"docker {arguments[0]} did not succeed:\n{last_words(done.stderr.splitlines())}"
            )
        return done.stdout

    def start(
        self, arguments: Sequence[str], stdin: int | None = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["docker", *arguments],
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self._environment, text=True, errors="replace",
        )  # fmt: skip

    def tags(self) -> set[str]:
        """Return the tags of the room's images that the engine has."""
        listed = self.run(
            "image", "ls", "--filter=reference=torchroom/*", "--format={{.Repository}}:{{.Tag}}"
        )
        return set(listed.split())

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes of each of the room's images that the engine has."""
        tags = sorted(self.tags())
        if not tags:
            return {}
        form = "--format={{.Size}}"
        return dict(zip(tags, map(int, self.run("image", "inspect", form, *tags).split())))  # noqa: B905

    def free(self) -> int | None:
        """Return the bytes free where the engine keeps images, None when that is not here."""
        root = Path(self.run("info", "--format={{.DockerRootDir}}").strip())
        try:
            return shutil.disk_usage(root).free
        except OSError:
            return None

    def require_disk(self, needed: int) -> None:
        free = self.free()
        if free is not None and free < needed:
            raise BuildError(
                f"The disk is too full: the images need {needed / GB:.1f} GB while they are "
                f"built, and {free / GB:.1f} GB are free where the engine keeps them.",
                "Free some with: docker image prune (it asks first), or give the engine a "
                "larger disk.",
            )

    def build(
        self,
        tag: str | Path,
        context: bytes,
        arguments: Mapping[str, str],
        secrets: Mapping[str, bytes],
        *,
        log: Path,
        say: Callable[[str], None],
        site: Site,
        fresh: bool = False,
    ) -> None:
        """Build ``context`` and give the result its tag; whole, or not at all.

        A ``tag`` that is a directory gets the result's files instead: no image is made.
        The log goes to ``log`` without the mirrors' passwords.
        """
        with tempfile.TemporaryDirectory(prefix="room-build-") as folder:
            command = ["buildx", "build", "--progress=plain"]
            if isinstance(tag, Path):
                command.append(f"--output=type=local,dest={tag}")
            else:
                command += ["--load", f"--tag={tag}"]
            command += [f"--build-arg={k}={v}" for k, v in sorted(arguments.items())]
            command += [f"--build-arg={name}" for name in _proxies(os.environ)]
            command += ["--no-cache"] if fresh else []
            command += ["--network=host"] if site.on_this_machine else []
            for name, content in secrets.items():
                path = Path(folder) / name
                path.touch(mode=0o600)
                path.write_bytes(content)
                command.append(f"--secret=id={name},src={path}")
            path = Path(folder) / "context.tar"
            path.write_bytes(context)
            with path.open("rb") as stdin:
                process = self.start([*command, "-"], stdin=stdin.fileno())
                tail = follow(process, log, say, site.redact)
        if process.returncode:
            raise self._failure(tail, log, site)

    def _failure(self, tail: Sequence[str], log: Path, site: Site) -> BuildError:
        try:
            free = self.free()
        except BuildError:
            free = None
        words = {
            "free": f"{free / GB:.1f} GB" if free is not None else "nothing",
            "debian": shown(site.debian),
            "pypi": shown(site.pypi) or "that this machine uses",
            "npm": shown(site.npm) or "that this machine uses",
            "log": str(log),
        }
        meaning, remedy = explain(tail, words)
        return BuildError(f"{meaning}\n{last_words(tail)}", f"{remedy}\nThe whole log: {log}")


def _proxies(environment: Mapping[str, str]) -> list[str]:
    """Return the proxy variables to hand on by name: BuildKit keeps these out of an image."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
    return [name for name in names if environment.get(name)]


def follow(
    process: subprocess.Popen[str],
    log: Path,
    say: Callable[[str], None],
    redact: Callable[[str], str] = str,
) -> list[str]:
    """Write a build's output to ``log`` and say its steps; return its last lines.

    A build that is interrupted is ended, not left to run on.
    """
    assert process.stdout is not None  # noqa: S101
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
    tail: deque[str] = deque(maxlen=_TAIL)
    steps = Steps(say)
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("w") as kept:
            while True:
                steps.tick(time.monotonic())
                try:
                    line = lines.get(timeout=_TICK)
                except queue.Empty:
                    continue
                if line is None:
                    break
                line = redact(line)
                kept.write(line)
                tail.append(line.rstrip("\n"))
                steps.see(line, time.monotonic())
        process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    return list(tail)


class Steps:
    """What of a build is said: each step that really runs, and long ones again and again.

    Steps come in parallel, and a cached one is announced like any other: a step is
    said once it has been running for a moment.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._running: dict[str, tuple[str, float]] = {}
        self._said: dict[str, float] = {}

    def see(self, line: str, now: float) -> None:
        """Take in one line of plain progress, which arrived at ``now``."""
        begun, done = step_of(line), _DONE.match(line)
        if begun:
            self._running[begun[0]] = (begun[1], now)
        elif done:
            self._running.pop(done[1], None)

    def tick(self, now: float) -> None:
        """Say what has been running long enough at ``now``."""
        for number, (words, began) in self._running.items():
            last = self._said.get(number)
            if last is None and now - began >= _MOMENT:
                self._say(words)
                self._said[number] = now
            elif last is not None and now - last >= _HEARTBEAT:
                self._say(f"{words}, {seconds(now - began)}")
                self._said[number] = now


def _pump(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)
