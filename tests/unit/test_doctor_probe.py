"""Gathering facts: what files, programs and sockets say, and those that say nothing."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from pathlib import Path

import pytest

from cli.doctor_probe import ask, data, engine, gpus, machine, network
from room.doctor.facts import Engine
from room.mounts import mount_of
from room.settings import Settings

VERSION = {
    "Version": "26.1.5+dfsg1",
    "Platform": {"Name": "Docker Engine - Community"},
    "Components": [{"Name": "Engine"}, {"Name": "containerd"}],
}
INFO = {
    "DockerRootDir": "/var/lib/docker",
    "Driver": "overlay2",
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "MemoryLimit": True,
    "SwapLimit": False,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=rootless"],
    "CDISpecDirs": ["/etc/cdi"],
    "Runtimes": {"runc": {}, "nvidia": {}},
    "DefaultRuntime": "runc",
}


# --- engine -----------------------------------------------------------------------------------


def test_what_the_engine_says_becomes_facts():
    assert engine.facts(VERSION, INFO) == {
        "version": "26.1.5+dfsg1",
        "kind": "Docker Engine - Community Engine",
        "root": "/var/lib/docker",
        "storage": "overlay2",
        "cgroup_version": "2",
        "cgroup_driver": "systemd",
        "unlimited": ("swap",),
        "security": ("apparmor", "seccomp", "rootless"),
        "cdi_directories": ("/etc/cdi",),
        "runtimes": ("nvidia", "runc"),
        "default_runtime": "runc",
    }


def test_engine_that_says_little_leaves_facts_unknown():
    found = engine.facts({"Version": "20.10.24"}, {"CDISpecDirs": None, "SecurityOptions": None})
    assert (found["unlimited"], found["security"], found["cdi_directories"]) == ((), (), ())


def test_socket_that_is_not_there_is_missing_or_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "SYSTEM_PATH", str(tmp_path))
    assert engine.knock(tmp_path / "docker.sock")[0] == "missing"
    program = tmp_path / "dockerd"
    program.write_text("")
    program.chmod(0o755)
    assert engine.knock(tmp_path / "docker.sock")[0] == "stopped"


def test_socket_that_nobody_listens_on_is_stopped(tmp_path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(str(path))
    assert engine.knock(path)[0] == "stopped"


def test_socket_of_something_else_is_strange(tmp_path):
    path = tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(str(path))
        ours.listen()

        def hang_up() -> None:
            for _ in range(4):
                try:
                    ours.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        found = engine.look(Settings(engine_socket=path))
    assert found.engine.answer == "strange"
    assert found.containers == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_socket_that_this_user_may_not_open_is_refused(tmp_path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(str(path))
        ours.listen()
        path.chmod(0o600)
        for directory in (tmp_path, *tmp_path.parents):
            if directory.stat().st_uid == os.geteuid() and directory != Path("/"):
                directory.chmod(0o755)
        script = (
            "import os, sys; from pathlib import Path; from cli.doctor_probe import engine;"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534);"
            "print(engine.knock(Path(sys.argv[1]))[0])"
        )
        said = subprocess.run(
            [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
        )
    assert said.stdout.strip() == "refused"


# --- GPUs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "proc", "version"),
    [
        pytest.param("570.86.10\n", "", "570.86.10", id="module"),
        pytest.param(
            "",
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12",
            "535.183.01",
            id="proc",
        ),
        pytest.param(
            "",
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release",
            "570.124.06",
            id="open-module",
        ),
        pytest.param("", "", "", id="none"),
    ],
)
def test_driver_version_is_read(module, proc, version):
    assert gpus.driver_version(module, proc) == version


def test_toolkit_version_is_read():
    said = "NVIDIA Container Toolkit CLI version 1.18.0\ncommit: abc123"
    assert gpus.toolkit_version(said) == "1.18.0"
    assert gpus.toolkit_version("") == ""


def test_pci_finds_nvidias_controllers_only(tmp_path):
    for name, vendor, kind in (
        ("0000:01:00.0", "0x10de", "0x030000"),  # a card with a screen
        ("0000:02:00.0", "0x10de", "0x030200"),  # one without
        ("0000:01:00.1", "0x10de", "0x040300"),  # its sound
        ("0000:03:00.0", "0x8086", "0x030000"),  # another maker's
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
        (tmp_path / name / "class").write_text(f"{kind}\n")
    assert list(gpus._pci(tmp_path)) == ["0000:01:00.0", "0000:02:00.0"]


# --- ports ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        pytest.param("127.0.0.1", "127.0.0.1", True, id="same"),
        pytest.param("0.0.0.0", "127.0.0.1", True, id="everywhere"),
        pytest.param("::", "127.0.0.1", True, id="everywhere-6"),
        pytest.param("10.0.0.1", "", True, id="we-want-everywhere"),
        pytest.param("10.0.0.1", "127.0.0.1", False, id="other"),
    ],
)
def test_addresses_that_cannot_share_a_port(one, other, verdict):
    assert network.overlap(one, other) is verdict


def settings_at(port: int) -> Settings:
    return Settings(name="probe", address=f"http://127.0.0.1:{port}")


def test_port_in_use_is_found_with_its_holder():
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        number = ours.getsockname()[1]
        (found,) = network.ports(settings_at(number), engine.Looked(Engine()))
    assert found.number == number
    assert found.holder.endswith(f"(process {os.getpid()})")
    assert not found.ours


def test_port_in_use_on_ipv6_everywhere_is_found():
    with socket.socket(socket.AF_INET6) as ours:
        ours.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        ours.bind(("::", 0))
        ours.listen()
        (found,) = network.ports(settings_at(ours.getsockname()[1]), engine.Looked(Engine()))
    assert found.holder


def test_free_port_has_no_holder():
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        number = ours.getsockname()[1]
    (found,) = network.ports(settings_at(number), engine.Looked(Engine()))
    assert found.holder == ""


def test_port_on_another_address_is_free():
    with socket.socket() as ours:
        ours.bind(("127.0.0.2", 0))
        ours.listen()
        (found,) = network.ports(settings_at(ours.getsockname()[1]), engine.Looked(Engine()))
    assert found.holder == ""


@pytest.mark.parametrize(
    ("project", "ours"),
    [pytest.param("probe", True, id="ours"), pytest.param("other", False, id="another-project")],
)
def test_port_of_a_container_is_its_containers(project, ours):
    container = {
        "Names": ["/x-front-1"],
        "Labels": {"com.docker.compose.project": project},
        "Ports": [{"IP": "127.0.0.1", "PublicPort": 8765, "PrivatePort": 80}],
    }
    looked = engine.Looked(Engine(), [container])
    (found,) = network.ports(settings_at(8765), looked)
    assert (found.holder, found.ours) == ("the container x-front-1", ours)


def test_https_asks_for_port_80_too():
    settings = Settings(address="https://room.school.example")
    assert [p.number for p in network.ports(settings, engine.Looked(Engine()))] == [443, 80]


# --- mirrors and clock ------------------------------------------------------------------------


class _Old(http.server.BaseHTTPRequestHandler):
    """A web server whose clock is an hour behind, seen through a cache that is a minute old."""

    def do_HEAD(self) -> None:
        self.send_response_only(200)
        self.send_header("Date", formatdate(time.time() - 3600 - 60, usegmt=True))
        self.send_header("Age", "60")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("name", "assigned", "announced", "silent"),
    [
        pytest.param("docker0", "1", "0", ["docker0"], id="random"),
        pytest.param("br-0123456789ab", "1", "0", ["br-0123456789ab"], id="of a network"),
        pytest.param("docker0", "3", "0", [], id="chosen, as by udev"),
        pytest.param("docker0", "1", "1", [], id="announced"),
        pytest.param("docker0", "", "0", [], id="unknown"),
        pytest.param("docker0", "1", "", [], id="no such setting"),
        pytest.param("virbr0", "1", "0", [], id="of somebody else"),
    ],
)
def test_bridge_that_changes_its_address_and_tells_nobody(
    tmp_path, name, assigned, announced, silent
):
    (tmp_path / "net" / name / "bridge").mkdir(parents=True)
    (tmp_path / "net" / "eth0").mkdir()
    (tmp_path / "net" / name / "addr_assign_type").write_text(assigned + "\n")
    (tmp_path / "notify").write_text(announced + "\n")
    found = network.silent_bridges(str(tmp_path / "net"), str(tmp_path / "notify"))
    assert list(found) == silent


def test_clock_is_compared_with_a_servers():
    server = http.server.HTTPServer(("127.0.0.1", 0), _Old)
    threading.Thread(target=server.handle_request, daemon=True).start()
    ahead = network.clock_ahead(f"http://127.0.0.1:{server.server_port}/", b"")
    server.server_close()
    assert ahead == pytest.approx(3600, abs=2)


def test_mirror_that_gave_no_answer_is_out_of_reach_and_its_password_stays_secret():
    settings = Settings.model_validate(
        {"mirrors": {"debian": "http://u:secret@127.0.0.1:9/debian"}}
    )
    site = network.site(settings)
    found = {m.name: m for m in network.mirrors(settings, site, {"pypi": "", "npm": None})}
    assert "no answer" in found["debian"].problem
    assert found["debian"].url == "http://127.0.0.1:9/debian"
    assert found["pypi"].problem == ""
    assert "npm" not in found  # nobody here knows where it would be


def test_mirror_that_nobody_named_and_that_gave_no_answer_is_not_accused():
    settings = Settings.model_validate({"mirrors": {"debian": "http://127.0.0.1:9/debian"}})
    site = network.Site(network.sources.Site(debian="http://127.0.0.1:9/debian"))
    assert [m.name for m in network.mirrors(settings, site, {"debian": ""})] == ["debian"]


def test_who_may_not_ask_the_engine_is_told_of_no_missing_image(tmp_path):
    refused = engine.Looked(Engine(answer="refused"))
    assert data.look(Settings(data_root=tmp_path), refused).missing_images == ()


def test_mirror_that_refuses_is_said_in_words():
    settings = Settings.model_validate({"mirrors": {"debian": "http://127.0.0.1:9/debian"}})
    site = network.site(settings)
    questions = {k: q for k, q in network.questions(settings, site).items() if k == "debian"}
    found = network.mirrors(settings, site, ask.together(questions, 5)())
    assert next(found).problem == "Connection refused"


def test_questions_that_hang_or_fail_are_not_waited_for():
    began = time.monotonic()
    answers = ask.together(
        {"quick": lambda: 1, "hangs": lambda: time.sleep(30), "fails": lambda: 1 / 0}, 0.3
    )()
    assert answers == {"quick": 1}
    assert time.monotonic() - began < 5


# --- machine and disks ------------------------------------------------------------------------


def test_os_release_is_read():
    found = machine.os_release('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n# x=1\n')
    assert found == {"ID": "debian", "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)"}


def test_meminfo_is_read_in_bytes():
    found = machine.meminfo("MemTotal:       2048 kB\nHugePages_Total:       3\nbad line\n")
    assert found == {"MemTotal": 2048 * 1024, "HugePages_Total": 3}


MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:40 / /srv rw - nfs4 server:/srv rw
31 30 0:41 / /srv/my\\040room rw - xfs /dev/sdb1 rw
32 22 0:42 / /srv2 rw - btrfs /dev/sdc1 rw
33 22 0:43 / /srv rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/var/lib/room", "ext4", id="root"),
        pytest.param("/srv/my room/x", "xfs", id="deepest-with-space"),
        pytest.param("/srv2/x", "btrfs", id="name-that-begins-alike"),
        pytest.param("/srv/x", "tmpfs", id="later-mount-hides"),
    ],
)
def test_file_system_of_a_path_is_the_one_mounted_over_it(path, kind):
    assert mount_of(MOUNTS, Path(path)).kind == kind


def test_place_of_a_directory_to_come_is_its_nearest_ancestor(tmp_path):
    found = data.place(tmp_path / "not" / "yet")
    assert found is not None
    assert found.path == str(tmp_path)
    assert found.device == tmp_path.stat().st_dev
    assert 0 < found.free <= found.total


def test_images_that_are_missing_are_named_with_the_space_they_take():
    names, size = data.missing_images(Settings(), frozenset())
    assert set(names) == {"base", "room", "proxy", "front", "pytorch"}
    assert size > 10 * 1000**3


def test_images_that_are_there_take_nothing():
    from engine import images

    tags = frozenset(image.tag for image in images.images_for(Settings()).values())
    assert data.missing_images(Settings(), tags) == ((), 0)


# --- files ------------------------------------------------------------------------------------


def make_certificate(folder: Path, *names: str, days: int = 90) -> tuple[Path, Path]:
    """Write a certificate that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    certificate, private = folder / "site.crt", folder / "site.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.touch(mode=0o600)
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


def test_certificate_and_key_are_read(tmp_path):
    found = data.certificate(*make_certificate(tmp_path, "room.example", "*.room.example"))
    assert found is not None
    assert found.names == ("room.example", "*.room.example")
    assert (found.problem, found.key_problem, found.key_mode) == ("", "", 0o600)
    assert found.key_fits is True
    assert found.not_after == pytest.approx(time.time() + 90 * 86400, abs=60)


def test_key_of_another_certificate_does_not_fit(tmp_path):
    certificate, _key = make_certificate(tmp_path / "a", "a.example")
    _certificate, key = make_certificate(tmp_path / "b", "b.example")
    found = data.certificate(certificate, key)
    assert found is not None
    assert found.key_fits is False


@pytest.mark.parametrize(
    ("certificate", "key", "problem"),
    [
        pytest.param(None, "x", "no such file", id="no-certificate"),
        pytest.param("x", None, "no such file", id="no-key"),
        pytest.param("text", "x", "holds no certificate in PEM form", id="no-pem"),
    ],
)
def test_certificate_that_cannot_be_read_is_said(tmp_path, certificate, key, problem):
    for name, content in (("c", certificate), ("k", key)):
        if content is not None:
            (tmp_path / name).write_text(content)
    found = data.certificate(tmp_path / "c", tmp_path / "k")
    assert found is not None
    assert problem in found.problem


def test_key_with_a_password_is_said(tmp_path):
    from cryptography.hazmat.primitives import serialization

    certificate, key = make_certificate(tmp_path, "a.example")
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    found = data.certificate(certificate, key)
    assert found is not None
    assert "locked with a password" in found.key_problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(None, "no such file", id="missing"),
        pytest.param("", "is empty", id="empty"),
        pytest.param("hello", "holds no certificate", id="not-pem"),
    ],
)
def test_ca_file_that_is_none_is_said(tmp_path, content, problem):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    settings = Settings.model_validate({"mirrors": {"ca_file": str(path)}})
    ((key, why),) = data.unreadable(settings)
    assert key == "mirrors.ca_file"
    assert problem in why
