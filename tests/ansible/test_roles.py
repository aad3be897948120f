"""The roles: documented as they are, and their decisions as tables."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.utils.modules import ROOT, load

ANSIBLE = ROOT / "ansible"
ROLES = sorted(path.name for path in (ANSIBLE / "roles").iterdir())

engine = load("ansible/roles/room_engine/filter_plugins/room_engine.py")
data = load("ansible/roles/room_data/filter_plugins/room_data.py")
gpu = load("ansible/roles/room_gpu/library/room_gpu_facts.py")


def read(role: str, file: str) -> Any:
    path = ANSIBLE / "roles" / role / file
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


# -- documentation ---------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_documented_with_its_value(role):
    options = read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items()} == read(
        role, "defaults/main.yml"
    )


@pytest.mark.parametrize("role", ROLES)
def test_every_option_has_a_type_and_a_sentence(role):
    spec = read(role, "meta/argument_specs.yml")["argument_specs"]["main"]
    assert spec["short_description"]
    for name, option in spec["options"].items():
        assert option["type"], name
        assert option["description"], name


@pytest.mark.parametrize("role", ROLES)
def test_variables_carry_the_name_of_their_role(role):
    assert all(name.startswith(f"{role}_") for name in read(role, "defaults/main.yml"))
    assert all(name.startswith(f"_{role}_") for name in read(role, "vars/main.yml"))


def tasks_of(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for entry in entries:
        found.append(entry)
        for part in ("block", "rescue", "always"):
            found += tasks_of(entry.get(part, []))
    return found


def all_tasks() -> list[Any]:
    return [
        pytest.param(task, id=f"{file.parts[-3]}/{file.name}: {task.get('name')}")
        for file in sorted((ANSIBLE / "roles").glob("*/*/*.yml"))
        if file.parts[-2] in ("tasks", "handlers")
        for task in tasks_of(yaml.safe_load(file.read_text()))
    ]


@pytest.mark.parametrize("task", all_tasks())
def test_a_task_has_a_name_and_a_module_that_ansible_core_brings(task):
    assert task["name"]
    modules = [key for key in task if "." in key or key.startswith("room_")]
    if "block" not in task:
        assert len(modules) == 1, task
        assert re.fullmatch(r"ansible\.builtin\.\w+|room_gpu_facts", modules[0])


@pytest.mark.parametrize(
    "task", [p for p in all_tasks() if "ansible.builtin.command" in p.values[0]]
)
def test_a_command_says_when_it_changed_something(task):
    assert "changed_when" in task


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_the_shape_of_the_others(role):
    names = [task["name"] for task in tasks_of(read(role, "tasks/main.yml"))]
    order = [name for name in names if name in ("Preflight", "Install", "Configure", "Verify")]
    assert order == sorted(order, key=["Preflight", "Install", "Configure", "Verify"].index)
    assert order[0] == "Preflight"
    assert order[-1] == "Verify"


# -- the machine's own mirror ----------------------------------------------------------------


def source(name: str, content: str) -> dict[str, str]:
    return {"path": f"/etc/apt/sources.list.d/{name}", "content": content}


DEB822 = """\
# comment
Types: deb deb-src
URIs: http://mirror.example/debian http://second.example/debian
Suites: bookworm bookworm-updates
# inside
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


@pytest.mark.parametrize(
    ("files", "uri", "signed_by"),
    [
        pytest.param(
            [source("debian.sources", DEB822)],
            "http://mirror.example/debian",
            "/usr/share/keyrings/debian-archive-keyring.gpg",
            id="deb822",
        ),
        pytest.param(
            [source("sources.list", "deb http://a.example/debian bookworm main # x\n")],
            "http://a.example/debian",
            "",
            id="one-line",
        ),
        pytest.param(
            [
                source(
                    "a.list",
                    "deb [arch=amd64 signed-by=/k.gpg] https://u:p@a.example/d bookworm main\n",
                )
            ],
            "https://u:p@a.example/d",
            "/k.gpg",
            id="options",
        ),
        pytest.param(
            [
                source("a.list", "deb cdrom:[Debian 12]/ bookworm main\n"),
                source("b.list", "deb mirror+file:/etc/apt/mirrors.list bookworm main\n"),
            ],
            "mirror+file:/etc/apt/mirrors.list",
            "",
            id="no-cd",
        ),
        pytest.param(
            [
                source("a.list", "deb http://vendor.example/apt bookworm stable\n"),
                source("b.list", "# deb http://off.example/debian bookworm main\n"),
                source("c.list", "deb-src http://src.example/debian bookworm main\n"),
                source("d.list", "deb http://sec.example/debian-security bookworm-security main\n"),
                source(
                    "e.sources", DEB822.replace("Types: deb deb-src", "Enabled: no\nTypes: deb")
                ),
            ],
            None,
            None,
            id="none-that-does",
        ),
        pytest.param(
            [
                source(
                    "x.sources",
                    "Types: deb\nURIs: https://in.example/debian\nSuites: bookworm\n"
                    "Components: main\nSigned-By:\n -----BEGIN PGP"
                    " PUBLIC KEY BLOCK-----\n .\n mDM=\n",
                )
            ],
            "https://in.example/debian",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDM=",
            id="key-inside",
        ),
    ],
)
def test_debian_13_comes_from_where_debian_12_comes_from(files, uri, signed_by):
    found = engine.debian_mirror(files, "bookworm")
    assert found.get("uri") == uri
    assert found.get("signed_by") == signed_by


def test_what_slurp_read_is_what_was_there():
    encoded = base64.b64encode(DEB822.encode()).decode()
    assert engine.from_slurp([{"source": "/a.sources", "content": encoded}]) == [
        {"path": "/a.sources", "content": DEB822}
    ]


# -- daemon.json -----------------------------------------------------------------------------

OURS = {"log-driver": "json-file", "log-opts": {"max-size": "10m"}, "live-restore": True}


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        pytest.param({}, {**OURS, "features": {"cdi": True}}, id="none"),
        pytest.param(
            {"data-root": "/big", "live-restore": False},
            {**OURS, "data-root": "/big", "live-restore": False, "features": {"cdi": True}},
            id="the-site's-stay",
        ),
        pytest.param(
            {"log-driver": "journald", "features": {"buildkit": True}},
            {
                "log-driver": "journald",
                "live-restore": True,
                "features": {"buildkit": True, "cdi": True},
            },
            id="no-size-for-another-log-driver",
        ),
        pytest.param(
            {"log-opts": {"tag": "x"}},
            {"log-opts": {"tag": "x"}, "live-restore": True, "features": {"cdi": True}},
            id="options-alone",
        ),
    ],
)
def test_a_new_engine_gets_our_settings_under_the_sites(existing, expected):
    before = json.dumps(existing)
    assert engine.daemon_settings(existing, OURS) == expected
    assert json.dumps(existing) == before


def test_switching_cdi_on_changes_nothing_else():
    existing = {"bip": "10.1.0.1/24", "features": {"cdi": False, "x": True}}
    assert engine.with_cdi(existing) == {
        "bip": "10.1.0.1/24",
        "features": {"cdi": True, "x": True},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", {}), ("  \n", {}), ('{"a": 1}', {"a": 1}), ("[]", None), ("{", None), ("null", None)],
)
def test_only_an_object_is_daemon_json(text, expected):
    assert engine.json_object(text) == expected


def test_an_engine_is_started_again_as_it_was():
    assert engine.start_again("/usr/sbin/dockerd\0--label=a b\0", ["start"]) == [
        "start",
        "--startas",
        "/usr/sbin/dockerd",
        "--",
        "--label=a b",
    ]
    assert engine.environment("A=1\0B=x=y\0\0broken\0") == {"A": "1", "B": "x=y"}


# -- users and GPUs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"key": "room", "value": ["x", "1100", "1100", "", "/", "/bin/sh"]}, "room=1100"),
        ({"key": "1100", "value": None}, ""),
    ],
)
def test_getent_is_read(entry, expected):
    assert data.holder(entry) == expected


UUID = "GPU-11111111-2222-3333-4444-55555555555{}"


def machine(root: Path, driver: str = "550.54.14", module: str = "nvidia", cards: int = 2) -> Path:
    """Lay out what the kernel shows of ``cards`` GPUs, a sound device and another vendor's GPU."""
    devices = [("0x10de", "0x030200", f"0000:0{i}:00.0") for i in range(cards)]
    devices += [("0x10de", "0x040300", "0000:08:00.1"), ("0x1002", "0x030000", "0000:09:00.0")]
    for vendor, kind, address in devices:
        device = root / "sys/bus/pci/devices" / address
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"{vendor}\n")
        (device / "class").write_text(f"{kind}\n")
        if module and vendor == "0x10de":
            (root / "drivers" / module).mkdir(parents=True, exist_ok=True)
            (device / "driver").symlink_to(root / "drivers" / module)
    if not driver:
        return root
    nvidia = root / "proc/driver/nvidia"
    for index in range(cards):
        folder = nvidia / "gpus" / f"0000:0{index}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(
            f"Model: \t\t NVIDIA A100\nIRQ:   \t\t 1\nGPU UUID: \t {UUID.format(index)}\n"
            f"Device Minor: \t {index}\n"
        )
    (nvidia / "version").write_text(
        f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {driver}  Release Build\n"
        "GCC version:  gcc version 12.2.0\n"
    )
    return root


def test_gpus_are_found_by_uuid_and_sound_is_no_gpu(tmp_path):
    assert gpu.facts(machine(tmp_path)) == {
        "pci": ["0000:00:00.0", "0000:01:00.0"],
        "driver": "550.54.14",
        "other_driver": "",
        "gpus": [UUID.format(0), UUID.format(1)],
        "mig": [],
    }


def test_a_gpu_without_nvidias_driver_says_who_has_it(tmp_path):
    found = gpu.facts(machine(tmp_path, driver="", module="nouveau"))
    assert (found["driver"], found["other_driver"], found["gpus"]) == ("", "nouveau", [])
    assert len(found["pci"]) == 2


def test_a_gpu_in_mig_mode_counts_by_its_instances(tmp_path):
    root = machine(tmp_path)
    (root / "proc/driver/nvidia/capabilities/gpu1/mig/gi1").mkdir(parents=True)
    (root / "proc/driver/nvidia/capabilities/gpu0/mig").mkdir(parents=True)
    found = gpu.facts(root)
    assert (found["gpus"], found["mig"]) == ([UUID.format(0)], [UUID.format(1)])


def test_a_gpu_that_fell_off_the_bus_is_not_counted_as_running(tmp_path):
    root = machine(tmp_path)
    lost = root / "proc/driver/nvidia/gpus/0000:01:00.0/information"
    lost.write_text("Model: \t\t Unknown\nGPU UUID: \t GPU-????????-????-????-????-????????????\n")
    assert gpu.facts(root)["gpus"] == [UUID.format(0)]


def test_a_machine_without_gpus_has_none(tmp_path):
    assert gpu.facts(tmp_path) == {
        "pci": [],
        "driver": "",
        "other_driver": "",
        "gpus": [],
        "mig": [],
    }
