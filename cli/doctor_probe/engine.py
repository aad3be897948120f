"""Looking at the Docker Engine, its command and its plugins."""

from __future__ import annotations

import re
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.doctor_probe.ask import SYSTEM_PATH, output, together
from room.doctor.facts import Answer, Engine
from room.settings import Settings

_PROGRAMS = ("dockerd", "docker.dockerd", "podman")
_TIMEOUT = 4

#: What /info says false to when the kernel does not let the engine limit it.
_LIMITS = {"memory": "MemoryLimit", "swap": "SwapLimit", "cpu": "CpuCfsQuota", "pids": "PidsLimit"}


@dataclass(frozen=True)
class Looked:
    """The engine, and what it was asked besides: containers and images."""

    engine: Engine
    containers: list[dict[str, Any]] = field(default_factory=list)
    tags: frozenset[str] = frozenset()


def look(settings: Settings) -> Looked:
    """Return what the engine says of itself."""
    plugins = together({"compose": _compose, "buildx": _buildx}, _TIMEOUT, wait=False)
    answer, error = knock(settings.engine_socket)
    found: dict[str, Any] = {}
    containers: list[dict[str, Any]] = []
    tags: frozenset[str] = frozenset()
    if answer == "yes":
        try:
            found, containers, tags = _ask(settings.engine_socket)
        except Exception as problem:  # noqa: BLE001 - docker-py raises many kinds, all meaning this
            answer, error = "strange", str(problem)[:200]
    versions = plugins()
    engine = Engine(
        answer=answer,
        error=error,
        client=shutil.which("docker", path=SYSTEM_PATH) is not None,
        compose=versions.get("compose", ""),
        buildx=versions.get("buildx", ""),
        **found,
    )
    return Looked(engine, containers, tags)


def knock(path: Path) -> tuple[Answer, str]:
    """Say whether anything answers at a socket, and if not, why."""
    with socket.socket(socket.AF_UNIX) as ours:
        ours.settimeout(_TIMEOUT)
        try:
            ours.connect(str(path))
        except PermissionError:
            return "refused", ""
        except FileNotFoundError:
            there = any(shutil.which(name, path=SYSTEM_PATH) for name in _PROGRAMS)
            return ("stopped", f"There is no {path}.") if there else ("missing", "")
        except OSError as error:
            return "stopped", f"{error.strerror or error}."
    return "yes", ""


def _ask(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]], frozenset[str]]:
    import docker

    with docker.APIClient(base_url=f"unix://{path}", version="auto", timeout=_TIMEOUT) as client:
        said, info = client.version(), client.info()
        containers = client.containers()
        images = client.images(name="torchroom/*")
    tags = frozenset(tag for image in images for tag in image.get("RepoTags") or ())
    return facts(said, info), containers, tags


def facts(said: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    """Return the facts in the engine's /version and /info."""
    names = [part.get("Name", "") for part in said.get("Components") or ()]
    security = [
        match[1] for text in info.get("SecurityOptions") or () if (match := _security(text))
    ]
    return {
        "version": str(said.get("Version", "")),
        "kind": " ".join([str((said.get("Platform") or {}).get("Name", "")), *names[:1]]).strip(),
        "root": str(info.get("DockerRootDir", "")),
        "storage": str(info.get("Driver", "")),
        "cgroup_version": str(info.get("CgroupVersion", "1")),
        "cgroup_driver": str(info.get("CgroupDriver", "")),
        "unlimited": tuple(name for name, key in _LIMITS.items() if info.get(key) is False),
        "security": tuple(security),
        "cdi_directories": tuple(info.get("CDISpecDirs") or ()),
        "runtimes": tuple(sorted(info.get("Runtimes") or ())),
        "default_runtime": str(info.get("DefaultRuntime", "")),
    }


def _security(text: str) -> re.Match[str] | None:
    return re.match(r"name=([a-z-]+)", text)


def _compose() -> str:
    return output("docker", "compose", "version", "--short").lstrip("v")


def _buildx() -> str:
    match = re.search(r"\bv?(\d+\.\d+\S*)", output("docker", "buildx", "version"))
    return match[1] if match else ""
