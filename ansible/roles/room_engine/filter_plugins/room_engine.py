"""What an engine is installed with: the machine's own mirror, and daemon.json."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<rest>.*)"
)


def apt_sources(files: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return the enabled binary sources of apt's files (``path``, ``content``), in their order.

    Each has ``uri``, ``suites``, ``components``, ``signed_by`` and ``trusted``, as they are
    written. Both of apt's formats are read; a deb822 file's name ends with ``.sources``.
    """
    found: list[dict[str, Any]] = []
    for file in files:
        deb822 = file["path"].endswith(".sources")
        found += (_deb822 if deb822 else _one_line)(file["content"])
    return found


def from_slurp(results: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return ``path`` and ``content`` of the files in a loop's results of ansible.builtin.slurp."""
    return [
        {
            "path": one["source"],
            "content": base64.b64decode(one["content"]).decode(errors="replace"),
        }
        for one in results
    ]


def debian_mirror(files: list[dict[str, str]], codename: str) -> dict[str, Any]:
    """Return the source that this machine takes Debian ``codename`` from; {} where there is none.

    A CD and a security archive hold no other release, so they do not count.
    """
    for source in apt_sources(files):
        whole = codename in source["suites"] and "main" in source["components"]
        if whole and not source["uri"].startswith("cdrom:"):
            return source
    return {}


def daemon_settings(existing: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Return daemon.json for an engine that is being installed.

    What the site wrote before stays. Options of a log driver mean nothing to another driver,
    so ours come whole or not at all.
    """
    logs = {"log-driver", "log-opts"}
    keep_logs = bool(logs & existing.keys())
    ours = {key: value for key, value in ours.items() if not (keep_logs and key in logs)}
    return with_cdi({**ours, **existing})


def with_cdi(existing: dict[str, Any]) -> dict[str, Any]:
    """Return daemon.json with CDI switched on, and everything else as it was."""
    return {**existing, "features": {**existing.get("features", {}), "cdi": True}}


def json_object(text: str) -> dict[str, Any] | None:
    """Return the object that ``text`` holds, {} for an empty file, None for anything else."""
    try:
        value = json.loads(text) if text.strip() else {}
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def start_again(cmdline: str, starter: list[str]) -> list[str]:
    """Return ``starter`` with the program and arguments that /proc/<pid>/cmdline holds."""
    program, *arguments = cmdline.rstrip("\0").split("\0")
    return [*starter, "--startas", program, "--", *arguments]


def environment(environ: str) -> dict[str, str]:
    """Return the environment of a process as /proc/<pid>/environ has it."""
    return dict(entry.split("=", 1) for entry in environ.split("\0") if "=" in entry)


def _one_line(content: str) -> list[dict[str, Any]]:
    found = []
    for line in content.splitlines():
        entry = ONE_LINE.fullmatch(line.split("#")[0].strip())
        if entry is None:
            continue
        options = dict(
            option.split("=", 1) for option in (entry["options"] or "").split() if "=" in option
        )
        found.append(
            {
                "uri": entry["uri"],
                "suites": [entry["suite"]],
                "components": entry["rest"].split(),
                "signed_by": options.get("signed-by", ""),
                "trusted": options.get("trusted", ""),
            }
        )
    return found


def _deb822(content: str) -> list[dict[str, Any]]:
    found = []
    for paragraph in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", content)):
        fields = {
            name.lower(): value.strip()
            for name, value in re.findall(r"(?m)^([A-Za-z-]+):((?:.*(?:\n[ \t].*)*))", paragraph)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled") == "no":
            continue
        found += [
            {
                "uri": uri,
                "suites": fields.get("suites", "").split(),
                "components": fields.get("components", "").split(),
                "signed_by": fields.get("signed-by", ""),
                "trusted": fields.get("trusted", ""),
            }
            for uri in fields.get("uris", "").split()
        ]
    return found


class FilterModule:
    """The filters of this role."""

    def filters(self) -> dict[str, Any]:
        return {
            "room_engine_daemon_settings": daemon_settings,
            "room_engine_debian_mirror": debian_mirror,
            "room_engine_environment": environment,
            "room_engine_from_slurp": from_slurp,
            "room_engine_json_object": json_object,
            "room_engine_start_again": start_again,
            "room_engine_with_cdi": with_cdi,
        }
