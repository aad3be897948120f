"""A Docker Engine of a test's own, which may be restarted and killed: no other one notices.

Two engines in one network namespace take away each other's bridges and firewall rules. So this one
runs in a namespace of its own, and so must all who talk to its containers over the network.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import docker
import requests

from tests.utils.wait import wait_until

#: <sched.h>; Python has these calls from 3.12 on.
CLONE_NEWNET = 0x40000000
IMAGE = "stub:1"
#: The host's own Python, which containers of ``IMAGE`` have by these mounts.
PYTHON = os.path.realpath(sys.executable)
BINDS = {path: {"bind": path, "mode": "ro"} for path in ("/usr", sys.base_prefix)}


def _namespace() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def _call(name: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


@contextmanager
def own_network() -> Iterator[str]:
    """Give the calling thread, and what it starts meanwhile, a network namespace of its own.

    Yields which one it was in before. The new one has no name: it is gone with the last process
    in it. Only root may.
    """
    outside = _namespace()
    with Path("/proc/thread-self/ns/net").open() as before:
        _call("unshare", CLONE_NEWNET)
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield outside
        finally:
            _call("setns", before.fileno(), CLONE_NEWNET)


class PrivateEngine:
    """An engine with its own containerd, data and socket, and nothing of the machine's settings.

    ``outside`` is the network namespace in which it must not run.
    """

    def __init__(self, outside: str) -> None:
        if _namespace() == outside:
            raise RuntimeError("a second engine in the machine's network would break the first")
        # Not pytest's directory: the path of a socket has 107 characters at most.
        self._at = Path(tempfile.mkdtemp(prefix="engine-"))
        self._log = (self._at / "log").open("ab")
        self._daemon: subprocess.Popen[bytes] | None = None
        (self._at / "containerd.toml").write_text(
            f"version = 2\nroot = '{self._at}/c-root'\nstate = '{self._at}/c-state'\n"
            "disabled_plugins = ['io.containerd.grpc.v1.cri']\n"
            f"[grpc]\naddress = '{self._at}/c.sock'\n"
        )
        (self._at / "daemon.json").write_text(json.dumps({"features": {"cdi": True}}))
        self._containerd = self._run("containerd", "--config", f"{self._at}/containerd.toml")
        self.client = docker.DockerClient(base_url=self.url, version="1.43", timeout=60)
        try:
            wait_until((self._at / "c.sock").exists, timeout=30, explain=self.tail)
            self.start()
            self._import_image()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return f"unix://{self._at}/d.sock"

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)

    def tail(self) -> str:
        return "\n".join((self._at / "log").read_text().splitlines()[-30:])

    def _import_image(self) -> None:
        """Make an image of links only: what they lead to is mounted."""
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name in ("bin", "lib", "lib64"):
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
                tar.addfile(link)
        name, tag = IMAGE.split(":")
        self.client.api.import_image_from_data(packed.getvalue(), repository=name, tag=tag)

    def start(self) -> None:
        """Start the daemon, and wait until it answers."""
        self._daemon = self._run(
            "dockerd",
            f"--config-file={self._at}/daemon.json",
            f"--host={self.url}",
            f"--containerd={self._at}/c.sock",
            f"--data-root={self._at}/data",
            f"--exec-root={self._at}/exec",
            f"--pidfile={self._at}/pid",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
        )
        wait_until(self._answers, timeout=30, explain=self.tail)

    def _answers(self) -> bool:
        assert self._daemon is not None
        assert self._daemon.poll() is None, self.tail()
        try:
            return bool(self.client.ping())
        except (docker.errors.DockerException, requests.exceptions.RequestException):
            return False

    def end(self, number: signal.Signals) -> None:
        """Send the daemon a signal, and wait until it has ended."""
        if self._daemon is not None:
            self._daemon.send_signal(number)
            self._daemon.wait(timeout=40)
            self._daemon = None

    def close(self) -> None:
        """End every process, undo every mount, and remove all data."""
        if self._daemon is not None and self._daemon.poll() is None:
            with contextlib.suppress(docker.errors.DockerException):
                for container in self.client.containers.list(all=True, ignore_removed=True):
                    container.remove(force=True)
        self.client.close()
        self.end(signal.SIGTERM)
        self._containerd.terminate()
        self._containerd.wait(timeout=20)
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self._left(), timeout=20, explain=lambda: f"{self._left()}")
        mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for path in reversed(mounted):
            if path.startswith(f"{self._at}/"):
                subprocess.run(["umount", "--lazy", path], check=True)
        self._log.close()
        shutil.rmtree(self._at)

    def _left(self) -> list[int]:
        """Return the shims that outlived their containerd: they are called with its socket."""
        found = []
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if f"{self._at}/".encode() in each.read_bytes():
                    found.append(int(each.parent.name))
        return found


@contextmanager
def private_engine() -> Iterator[PrivateEngine]:
    """Yield an engine in a network of its own, into which the calling thread goes too."""
    with own_network() as outside:
        made = PrivateEngine(outside)
        try:
            yield made
        finally:
            made.close()


def stub(*command: str) -> dict[str, Any]:
    """Return RoomSpawner's traits for servers of ``IMAGE`` that run Python with ``command``."""
    return {
        "image": IMAGE,
        "cmd": [PYTHON, *command],
        "extra_host_config": {"binds": BINDS},
        # Python as the first process of a container ignores TERM, but not INT.
        "extra_create_kwargs": {"stop_signal": "SIGINT"},
    }
