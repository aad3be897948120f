"""Every rule of doctor: what it looks at, and what it says."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

from room.doctor import Facts, check, disk, status
from room.doctor.facts import Certificate, Engine, GPUs, Mirror, Place, Port
from room.quotas import Support
from room.settings import Settings
from tests.utils.facts import CARD, GB, NOW, card, change, healthy, with_gpu

GIB = 1024**3
DAY = 24 * 3600
DEFAULT = Settings()
HTTPS = {"address": "https://room.school.example", "tls": {"mode": "files"}}


def configured(**keys) -> Settings:
    return Settings.model_validate(keys)


GPU_PROFILE = configured(profiles=[{"display_name": "g", "spawner_override": {"gpus": 1}}])
GOOD = Certificate(
    names=("room.school.example",), not_after=NOW + 90 * DAY, key_mode=0o600, key_fits=True
)


def engine(**changes) -> Facts:
    return change(healthy(), "engine", **changes)


def machine(**changes) -> Facts:
    return change(healthy(), "machine", **changes)


def network(**changes) -> Facts:
    return change(healthy(), "network", **changes)


def data(**changes) -> Facts:
    return change(healthy(), "data", **changes)


def place(which: str, **changes) -> Facts:
    facts = healthy()
    return data(**{which: replace(getattr(facts.data, which), **changes)})


def certificate(**changes) -> Facts:
    return data(certificate=replace(GOOD, **changes))


def no_cdi(facts: Facts, version: str = "28.3.0") -> Facts:
    return change(facts, "engine", cdi_directories=(), version=version)


IMAGES = ("base", "room", "proxy", "front", "pytorch")

CHOICE_OF_MORE = {
    "display_name": "A",
    "profile_options": {
        "memory": {
            "display_name": "Memory",
            "choices": {
                "all": {"display_name": "All", "spawner_override": {"mem_limit": "64G"}},
                "more": {"display_name": "More", "spawner_override": {"mem_limit": "65G"}},
            },
        }
    },
}

#: facts, settings, id, level, what room up prepares
TROUBLES = [
    # --- machine
    pytest.param(machine(architecture="aarch64"), DEFAULT, "architecture", "fatal", "", id="arm"),
    pytest.param(
        machine(os_id="fedora", os_version="42"), DEFAULT, "system", "warning", "", id="fedora"
    ),
    pytest.param(machine(os_version="11"), DEFAULT, "system", "warning", "", id="debian-11"),
    pytest.param(machine(root=False), DEFAULT, "root", "warning", "", id="not-root"),
    pytest.param(machine(memory=GIB - 1), DEFAULT, "memory-small", "fatal", "", id="tiny"),
    pytest.param(machine(memory=4 * GIB), DEFAULT, "memory-limit", "warning", "", id="limit-all"),
    pytest.param(
        machine(), configured(host={"memory_reserve": "63.5G", "memory_headroom": "513M"}),
        "memory-never", "fatal", "", id="reserve-of-all",
    ),
    pytest.param(
        machine(),
        configured(profiles=[{"display_name": "A", "spawner_override": {"mem_limit": "65G"}}]),
        "memory-profile", "warning", "", id="profile-of-more",
    ),
    pytest.param(machine(), configured(profiles=[CHOICE_OF_MORE]), "memory-profile", "warning", "",
        id="choice-of-more",
    ),
    pytest.param(machine(cores=1), DEFAULT, "cpu-limit", "warning", "", id="one-core"),
    pytest.param(machine(clock_ahead=31.0), DEFAULT, "clock-off", "warning", "", id="clock-ahead"),
    pytest.param(machine(clock_ahead=-9e4), DEFAULT, "clock-off", "fatal", "", id="clock-day-off"),
    pytest.param(
        machine(clock_synchronized=False), DEFAULT, "clock-free", "warning", "", id="no-ntp"
    ),
    # --- engine
    pytest.param(
        replace(healthy(), engine=Engine()), DEFAULT, "engine-missing", "fatal", "engine", id="none"
    ),
    pytest.param(
        engine(answer="stopped"), DEFAULT, "engine-stopped", "fatal", "engine", id="stopped"
    ),
    pytest.param(engine(answer="refused"), DEFAULT, "engine-permission", "fatal", "", id="refused"),
    pytest.param(engine(answer="strange"), DEFAULT, "engine-strange", "fatal", "", id="strange"),
    pytest.param(engine(kind="Podman Engine"), DEFAULT, "engine-podman", "fatal", "", id="podman"),
    pytest.param(
        engine(root="/var/snap/docker/common/var-lib-docker"),
        DEFAULT, "engine-snap", "fatal", "", id="snap",
    ),
    pytest.param(
        engine(security=("rootless",)), DEFAULT, "engine-rootless", "fatal", "", id="rootless"
    ),
    pytest.param(engine(security=("userns",)), DEFAULT, "engine-userns", "fatal", "", id="userns"),
    pytest.param(engine(version="20.10.9"), DEFAULT, "engine-old", "fatal", "", id="20.10.9"),
    pytest.param(engine(client=False), DEFAULT, "client-missing", "fatal", "engine", id="client"),
    pytest.param(engine(compose=""), DEFAULT, "compose-missing", "fatal", "engine", id="compose"),
    pytest.param(engine(compose="2.16.0"), DEFAULT, "compose-old", "fatal", "", id="compose-2.16"),
    pytest.param(engine(buildx=""), DEFAULT, "buildx-missing", "fatal", "engine", id="no-buildx"),
    pytest.param(
        engine(unlimited=("memory",)), DEFAULT, "limits-missing", "fatal", "", id="no-memory-limit"
    ),
    pytest.param(engine(unlimited=("pids",)), DEFAULT, "limits-missing", "fatal", "", id="no-pids"),
    pytest.param(engine(unlimited=("swap",)), DEFAULT, "limits-swap", "warning", "", id="no-swap"),
    pytest.param(engine(storage="vfs"), DEFAULT, "storage-vfs", "warning", "", id="vfs"),
    pytest.param(
        change(machine(selinux="enforcing"), "engine", security=("selinux",)),
        DEFAULT, "selinux", "warning", "", id="selinux",
    ),
    # --- GPUs
    pytest.param(
        with_gpu(cards=(), problem="mismatch"),
        DEFAULT, "gpu-driver-mismatch", "warning", "", id="driver-mismatch",
    ),
    pytest.param(
        with_gpu(cards=(), problem="mismatch"),
        GPU_PROFILE, "gpu-driver-mismatch", "fatal", "", id="driver-mismatch-and-gpu-profile",
    ),
    pytest.param(
        with_gpu(cards=(), problem="permission"),
        DEFAULT, "gpu-permission", "warning", "", id="nvml-permission",
    ),
    pytest.param(
        with_gpu(cards=(), problem="not-loaded", driver=""),
        DEFAULT, "gpu-driver-missing", "warning", "", id="no-driver",
    ),
    pytest.param(
        with_gpu(driver="470.256.02"), DEFAULT, "gpu-driver-old", "warning", "", id="driver-470"
    ),
    pytest.param(
        with_gpu(driver="470.256.02"), GPU_PROFILE, "gpu-driver-old", "fatal", "", id="470-fatal"
    ),
    pytest.param(
        with_gpu(driver="570.86.10"),
        configured(images={"cuda": "cu130"}),
        "gpu-driver-old", "warning", "", id="driver-570-for-cu130",
    ),
    pytest.param(
        with_gpu(driver="550.54.14", cards=(card("12.0"),)),
        DEFAULT, "gpu-driver-old", "warning", "", id="blackwell-with-driver-550",
    ),
    pytest.param(
        with_gpu(cards=(card("6.1"),)), DEFAULT, "gpu-unsupported", "warning", "", id="pascal-cu128"
    ),
    pytest.param(
        with_gpu(cards=(card("6.1"),)), GPU_PROFILE, "gpu-unsupported", "fatal", "", id="pascal"
    ),
    pytest.param(
        with_gpu(
            cards=(card("6.1"), card("8.6", uuid="GPU-bbbb")),
            cdi_names=frozenset({"nvidia.com/gpu=GPU-aaaa", "nvidia.com/gpu=GPU-bbbb"}),
        ),
        GPU_PROFILE, "gpu-unsupported", "warning", "", id="one-pascal-of-two",
    ),
    pytest.param(
        with_gpu(toolkit=""), DEFAULT, "toolkit-missing", "warning", "gpu", id="no-toolkit"
    ),
    pytest.param(with_gpu(toolkit="1.13.5"), DEFAULT, "toolkit-old", "warning", "", id="1.13"),
    pytest.param(
        change(with_gpu(toolkit="1.20.1"), "engine", version="25.0.5"),
        DEFAULT, "toolkit-new", "warning", "", id="cdi-0.7-for-engine-25",
    ),
    pytest.param(no_cdi(with_gpu()), DEFAULT, "cdi-off", "warning", "", id="cdi-off-with-hook"),
    pytest.param(
        no_cdi(with_gpu(hook=False)), GPU_PROFILE, "cdi-off", "fatal", "", id="cdi-off-no-hook"
    ),
    pytest.param(
        no_cdi(with_gpu()),
        configured(gpus={"driver": "cdi"}),
        "cdi-off", "fatal", "", id="cdi-off-and-asked-for",
    ),
    pytest.param(
        no_cdi(replace(healthy(), gpus=GPUs(simulated=4))),
        DEFAULT, "cdi-off", "fatal", "", id="cdi-off-and-simulated-gpus",
    ),
    pytest.param(
        no_cdi(with_gpu(), "20.10.24"), DEFAULT, "cdi-impossible", "warning", "", id="engine-20.10"
    ),
    pytest.param(
        no_cdi(replace(healthy(), gpus=GPUs(simulated=1)), "24.0.9"),
        DEFAULT, "cdi-impossible", "fatal", "", id="engine-24-and-simulated-gpus",
    ),
    pytest.param(
        with_gpu(cdi_names=frozenset({"room.sim/gpu=0"})),
        DEFAULT, "cdi-spec-missing", "warning", "gpu", id="no-spec",
    ),
    pytest.param(
        with_gpu(cdi_names=frozenset({"nvidia.com/gpu=0", "nvidia.com/gpu=GPU-old"})),
        DEFAULT, "cdi-spec-stale", "warning", "gpu", id="stale-spec",
    ),
    pytest.param(
        engine(default_runtime="nvidia"), DEFAULT, "runtime-nvidia", "warning", "", id="runtime"
    ),
    pytest.param(
        with_gpu(cards=(replace(CARD, health="sick", why="it is lost"),)),
        DEFAULT, "gpu-unwell", "warning", "", id="lost-card",
    ),
    pytest.param(
        with_gpu(), configured(gpus={"seats": [{"model": "T4", "seats": 4}]}),
        "seats-none", "warning", "", id="no-card-to-share",
    ),
    pytest.param(healthy(), GPU_PROFILE, "profile-gpus", "warning", "", id="gpu-profile-no-gpu"),
    pytest.param(
        with_gpu(),
        configured(
            profiles=[
                {
                    "display_name": "a",
                    "profile_options": {
                        "n": {
                            "choices": {
                                "2": {"display_name": "2", "spawner_override": {"gpus": 2}}
                            }
                        }
                    },
                }
            ]
        ),
        "profile-gpus", "warning", "", id="choice-asks-for-two",
    ),
    # --- disk
    pytest.param(place("data", read_only=True), DEFAULT, "data-read-only", "fatal", "", id="ro"),
    pytest.param(place("data", kind="nfs4"), DEFAULT, "data-network", "fatal", "", id="nfs"),
    pytest.param(place("data", kind="tmpfs"), DEFAULT, "data-memory", "warning", "", id="tmpfs"),
    pytest.param(data(ready=False), DEFAULT, "data-missing", "warning", "data", id="no-data-root"),
    pytest.param(
        data(bootstrap=False, missing_images=IMAGES),
        DEFAULT, "bootstrap-missing", "warning", "data", id="no-mmdebstrap",
    ),
    pytest.param(place("data", free=GB // 2 - 1), DEFAULT, "data-full", "fatal", "", id="full"),
    pytest.param(place("data", free=0), DEFAULT, "data-full", "fatal", "", id="no-byte-left"),
    pytest.param(place("data", free=9 * GB), DEFAULT, "data-low", "warning", "", id="low"),
    pytest.param(
        data(
            data=Place("/", 1, 25 * GB, 50 * GB),
            images=Place("/", 1, 25 * GB, 50 * GB),
            missing_images=IMAGES,
            missing_bytes=19 * GB,
        ),
        DEFAULT, "data-low", "warning", "", id="images-and-homes-on-one-disk",
    ),
    pytest.param(
        data(
            images=Place("/var/lib/docker", 2, 18 * GB, 50 * GB),
            missing_images=IMAGES,
            missing_bytes=19 * GB,
        ),
        DEFAULT, "images-full", "fatal", "", id="no-space-to-build",
    ),
    pytest.param(place("images", free=GB), DEFAULT, "images-full", "warning", "", id="run"),
    pytest.param(
        place("images", free_inodes=9_000), DEFAULT, "images-inodes", "fatal", "", id="no-inodes"
    ),
    pytest.param(
        data(
            images=Place("/var/lib/docker", 2, 200 * GB, 400 * GB, "ext4", 10**6, 150_000),
            missing_images=("pytorch",),
        ),
        DEFAULT, "images-inodes", "fatal", "", id="too-few-inodes-to-build",
    ),
    pytest.param(
        place("data", free_inodes=9_999), DEFAULT, "data-inodes", "fatal", "", id="data-inodes"
    ),
    # --- network
    pytest.param(
        network(ports=(Port(8000, "127.0.0.1", "nginx (process 7)"),)),
        DEFAULT, "port-taken", "fatal", "", id="port",
    ),
    pytest.param(
        network(resolves=False),
        configured(address="https://room.school.example"),
        "name-unknown", "warning", "", id="name",
    ),
    pytest.param(
        change(
            network(mirrors=(Mirror("pypi", "https://m.example", "no answer"),)),
            "data", missing_images=("pytorch",), missing_bytes=GB,
        ),
        DEFAULT, "mirror-unreachable", "fatal", "", id="mirror-for-a-missing-image",
    ),
    pytest.param(
        change(
            network(mirrors=(Mirror("npm", "https://m.example", "no answer"),)),
            "data", missing_images=("pytorch",), missing_bytes=GB,
        ),
        DEFAULT, "mirror-unreachable", "warning", "", id="mirror-that-no-missing-image-asks",
    ),
    pytest.param(
        network(mirrors=(Mirror("debian", "", "no answer"),)),
        DEFAULT, "mirror-unreachable", "warning", "", id="mirror-and-everything-is-built",
    ),
    pytest.param(network(ip_forward=False), DEFAULT, "forwarding-off", "warning", "", id="forward"),
    pytest.param(
        network(docker_chains=False), DEFAULT, "firewall-flushed", "warning", "", id="flushed"
    ),
    pytest.param(
        network(silent_bridges=("docker0", "br-0123456789ab")),
        DEFAULT, "bridge-silent", "warning", "engine", id="bridges-that-change",
    ),
    # --- files
    pytest.param(
        data(unreadable=(("mirrors.ca_file", "/ca: no such file or directory"),)),
        DEFAULT, "file-unreadable", "fatal", "", id="ca-file",
    ),
    pytest.param(
        certificate(problem="/c holds no certificate"),
        configured(**HTTPS), "certificate-unreadable", "fatal", "", id="certificate",
    ),
    pytest.param(
        certificate(key_problem="/k is locked with a password"),
        configured(**HTTPS), "certificate-unreadable", "fatal", "", id="key-locked",
    ),
    pytest.param(
        certificate(key_fits=False),
        configured(**HTTPS), "certificate-key", "fatal", "", id="other-key",
    ),
    pytest.param(
        certificate(key_mode=0o644),
        configured(**HTTPS), "certificate-key-open", "fatal", "", id="key-open",
    ),
    pytest.param(
        certificate(not_after=NOW),
        configured(**HTTPS), "certificate-expired", "fatal", "", id="expired",
    ),
    pytest.param(
        certificate(not_after=NOW + 20 * DAY),
        configured(**HTTPS), "certificate-ending", "warning", "", id="ending",
    ),
    pytest.param(
        certificate(names=("other.example", "*.b.school.example")),
        configured(**HTTPS), "certificate-name", "fatal", "", id="other-name",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "settings", "name", "level", "prepare"), TROUBLES)
def test_trouble_is_found_with_its_meaning_and_remedy(facts, settings, name, level, prepare):
    found = {finding.id: finding for finding in check(facts, settings) if finding.level != "ok"}
    assert name in found
    finding = found[name]
    assert (finding.level, finding.prepare) == (level, prepare)
    assert finding.meaning
    assert finding.remedy


@pytest.mark.parametrize(
    ("facts", "settings"),
    [
        pytest.param(healthy(), DEFAULT, id="cpu"),
        pytest.param(with_gpu(), DEFAULT, id="gpu"),
        pytest.param(with_gpu(), GPU_PROFILE, id="gpu-profile"),
        pytest.param(replace(healthy(), gpus=GPUs(simulated=4)), GPU_PROFILE, id="simulated"),
        pytest.param(machine(systemd=False), DEFAULT, id="no-systemd"),
        pytest.param(machine(clock_ahead=None, clock_synchronized=None), DEFAULT, id="no-clock"),
        pytest.param(machine(os_id="ubuntu", os_version="22.04"), DEFAULT, id="ubuntu"),
        pytest.param(engine(version="20.10.24", cdi_directories=()), DEFAULT, id="old-without-gpu"),
        pytest.param(engine(cgroup_version="1"), DEFAULT, id="cgroup-v1"),
        pytest.param(place("data", inodes=0, free_inodes=0), DEFAULT, id="btrfs-has-no-inodes"),
        pytest.param(
            network(ports=(Port(8000, "127.0.0.1", "the container room-front-1", ours=True),)),
            DEFAULT,
            id="port-is-ours",
        ),
        pytest.param(network(ports=(Port(8000, "127.0.0.1"),)), DEFAULT, id="port-is-free"),
        pytest.param(network(ip_forward=None, docker_chains=None), DEFAULT, id="filter-unknown"),
        pytest.param(data(certificate=GOOD), configured(**HTTPS), id="certificate"),
        pytest.param(certificate(names=("*.school.example",)), configured(**HTTPS), id="wildcard"),
        pytest.param(
            data(bootstrap=False, missing_images=("room",), missing_bytes=GB),
            DEFAULT,
            id="base-is-built",
        ),
        pytest.param(
            data(bootstrap=False, missing_images=IMAGES, missing_bytes=GB),
            configured(images={"base": "debian@sha256:" + "0" * 64}),
            id="base-from-a-registry",
        ),
    ],
)
def test_machine_with_nothing_wrong_is_ready(facts, settings):
    assert [f for f in check(facts, settings) if f.level != "ok"] == []
    assert status(check(facts, settings)) == 0


@pytest.mark.parametrize(
    ("facts", "result"),
    [
        pytest.param(healthy(), 0, id="ok"),
        pytest.param(place("data", free=9 * GB), 1, id="warning"),
        pytest.param(place("data", free=0), 2, id="fatal"),
        pytest.param(change(place("data", free=9 * GB), "engine", buildx=""), 2, id="both"),
    ],
)
def test_status_is_the_worst_finding(facts, result):
    assert status(check(facts, DEFAULT)) == result


def test_bare_machine_is_left_to_room_up():
    bare = replace(healthy(), engine=Engine(), data=replace(healthy().data, ready=False))
    troubles = [f for f in check(bare, DEFAULT) if f.level != "ok"]
    assert {f.prepare for f in troubles} == {"engine", "data"}


def test_who_may_not_ask_the_engine_is_told_that_and_not_what_follows_from_it():
    facts = replace(healthy(), engine=Engine(answer="refused", client=True))
    assert [f.id for f in check(facts, DEFAULT) if f.level != "ok"] == ["engine-permission"]


def test_driver_too_old_for_cu130_names_the_build_that_it_runs():
    settings = configured(images={"cuda": "cu130"})
    (found,) = (f for f in check(with_gpu(), settings) if f.id == "gpu-driver-old")
    assert "580.65.06" in found.title
    assert "images.cuda: cu128" in found.remedy


def test_card_that_no_build_knows_is_not_promised_another_build():
    (found,) = (
        f for f in check(with_gpu(cards=(card("3.5"),)), DEFAULT) if f.id == "gpu-unsupported"
    )
    assert "images.cuda" not in found.remedy


@pytest.mark.parametrize(
    ("changes", "keeper"),
    [
        pytest.param({}, "the room watches, because the driver is 570.86.10", id="old-driver"),
        pytest.param(
            {"driver": "615.10.01", "toolkit": "1.20.1"}, "the driver caps", id="driver-caps"
        ),
    ],
)
def test_who_keeps_the_seats_memory_is_said(changes, keeper):
    settings = configured(gpus={"seats": [{"model": "a10", "seats": 4}]})
    (found,) = (f for f in check(with_gpu(**changes), settings) if f.id == "seats")
    assert found.level == "ok"
    assert "4 cooperative seats" in found.title
    assert keeper in found.title


@pytest.mark.parametrize(("seats", "enough"), [(4, True), (2, False)])
def test_seats_count_as_what_a_profile_may_ask_for(seats, enough):
    settings = configured(
        gpus={"seats": [{"model": "A10", "seats": seats}]},
        profiles=[{"display_name": "S", "spawner_override": {"gpus": 3, "gpu_kind": "seat"}}],
    )
    assert enough == ("profile-gpus" not in {f.id for f in check(with_gpu(), settings)})


def test_port_in_use_names_who_has_it_and_another_port():
    facts = network(ports=(Port(8000, "127.0.0.1", "nginx (process 7)"),))
    (found,) = (f for f in check(facts, DEFAULT) if f.level == "fatal")
    assert "nginx (process 7)" in found.title
    assert "http://127.0.0.1:8080" in found.remedy


# --- nothing is left out ----------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[2]


def ids_in_the_rules(*names: str) -> set[str]:
    """Return the first argument of every ``Finding(…)`` in room/doctor, or in some of it."""
    found = set()
    for file in (ROOT / "room" / "doctor").glob("*.py"):
        if names and file.stem not in names:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                found |= {a.value for a in node.args[:1] if isinstance(a, ast.Constant)}
    return found


def test_every_finding_has_a_row_in_the_table_above():
    # What the running room knows of itself has a table of its own: test_doctor_checkup.py.
    said = {parameters.values[2] for parameters in TROUBLES}
    assert said == ids_in_the_rules() - ids_in_the_rules("running")


def test_every_finding_is_explained_in_the_documentation():
    page = (ROOT / "docs" / "how-to" / "troubleshooting.md").read_text()
    assert set(re.findall(r"^### ([a-z0-9-]+)$", page, re.MULTILINE)) == ids_in_the_rules()


@pytest.mark.parametrize(
    ("quotas", "words"),
    [
        pytest.param(Support("btrfs"), "btrfs with subvolumes", id="btrfs"),
        pytest.param(Support("project"), "with project quotas", id="project"),
        pytest.param(Support("btrfs", "its quotas are off"), "its quotas are off", id="off"),
        pytest.param(Support("none", "zfs cannot"), "not limited: zfs cannot", id="none"),
    ],
)
def test_it_is_said_whether_homes_can_be_limited(quotas: Support, words: str) -> None:
    found = disk.homes(place("data", kind="btrfs", quotas=quotas), DEFAULT)
    (finding,) = found
    assert (finding.id, finding.level) == ("homes", "ok")
    assert words in finding.title
    assert ("docs/how-to/disk-quotas.md" in finding.meaning) == bool(quotas.why)
