"""Tags, the order of builds, and what a build's output means; nothing here is built."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest

from engine import images, rootfs
from engine.build import Steps, explain, last_words, step_of
from engine.errors import BuildError
from engine.images import File, digest, generations, images_for, missing, read_context, tar
from room.settings import Images, Mirrors, Settings

HERE = Path(__file__).resolve().parents[2]


def checkout(folder: Path) -> Path:
    """Return a small checkout with every file that an image may copy."""
    for spec in images.SPECS:
        for source in spec.files.values():
            path = folder / source.format(cuda="cu128", flavor="runtime")
            if path.suffix or path.name == "Dockerfile":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{source}\n")
            else:
                path.mkdir(parents=True, exist_ok=True)
                (path / "one.py").write_text("1\n")
    return folder


# --- tags -----------------------------------------------------------------------------------


def test_tags_name_what_is_inside_and_are_the_same_every_time(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    first = {name: image.tag for name, image in images_for(Settings(), root).items()}
    assert list(first) == ["base", "room", "proxy", "front", "pytorch"]
    for name in ("base", "room", "proxy", "front"):
        assert re.fullmatch(rf"torchroom/{name}:[0-9a-f]{{12}}", first[name])
    assert re.fullmatch(r"torchroom/pytorch:2\.9\.1-cu128-[0-9a-f]{12}", first["pytorch"])
    assert first == {name: image.tag for name, image in images_for(Settings(), root).items()}


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        pytest.param(
            "images/base/Dockerfile", {"base", "room", "proxy", "front", "pytorch"}, id="base"
        ),
        pytest.param("spawner/one.py", {"room"}, id="code"),
        pytest.param("requirements/room.txt", {"room"}, id="the control plane's lock"),
        pytest.param("requirements/uv.txt", {"room", "pytorch"}, id="the installer"),
        pytest.param("images/pytorch/torch-cu128.txt", {"pytorch"}, id="PyTorch's lock"),
        pytest.param("images/pytorch/examples/one.py", {"pytorch"}, id="a lesson"),
        pytest.param("server/one.py", {"pytorch"}, id="the launcher"),
        pytest.param("images/proxy/start.mjs", {"proxy"}, id="the proxy's start"),
        pytest.param("images/pytorch/README.md", set(), id="a text about an image"),
        pytest.param("spawner/__pycache__/one.pyc", set(), id="compiled code"),
        pytest.param("tests/unit/test_images.py", set(), id="a test"),
    ],
)
def test_a_changed_file_changes_the_tags_of_what_copies_it(
    tmp_path: Path, path: str, changed: set[str]
) -> None:
    root = checkout(tmp_path)
    before = images_for(Settings(), root)
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text("something else\n")
    after = images_for(Settings(), root)
    assert {name for name in before if before[name].tag != after[name].tag} == changed


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        pytest.param(
            Settings(mirrors=Mirrors(debian="http://mirror.example/debian", pypi="http://p/")),
            set(),
            id="mirrors",
        ),
        pytest.param(Settings(mirrors=Mirrors(ca_file=Path("/ca.pem"))), set(), id="the site's CA"),
        pytest.param(Settings(name="other"), set(), id="the room's name"),
        pytest.param(Settings(images=Images(flavor="devel")), {"pytorch"}, id="the flavor"),
        pytest.param(Settings(images=Images(cuda="cu126")), {"pytorch"}, id="the CUDA"),
        pytest.param(
            Settings(images=Images(base="debian@sha256:" + "0" * 64)),
            {"base", "room", "proxy", "front", "pytorch"},
            id="another base",
        ),
    ],
)
def test_a_setting_changes_tags_only_when_it_changes_what_is_inside(
    tmp_path: Path, settings: Settings, changed: set[str]
) -> None:
    root = checkout(tmp_path)
    before, after = images_for(Settings(), root), images_for(settings, root)
    assert {name for name in before if before[name].tag != after[name].tag} == changed


def test_tag_tells_cuda_and_flavor_apart() -> None:
    settings = Settings(images=Images(cuda="cu128", flavor="devel"))
    assert ":2.9.1-cu128-devel-" in images_for(settings, HERE)["pytorch"].tag


def test_an_executable_file_is_another_file() -> None:
    one, other = {"run": File(b"x")}, {"run": File(b"x", executable=True)}
    assert digest(one, {}, "") != digest(other, {}, "")


def test_no_two_contexts_share_a_digest_by_moving_bytes_between_name_and_content() -> None:
    assert digest({"a": File(b"bc")}, {}, "") != digest({"ab": File(b"c")}, {}, "")
    assert digest({}, {"A": "b"}, "") != digest({}, {}, "Ab")


def test_files_of_this_checkout_are_all_there() -> None:
    """Every file that a spec names exists; only other CUDA versions' locks may be missing."""
    for spec in images.SPECS:
        for source in spec.files.values():
            assert (HERE / source.format(cuda="cu128")).exists(), source


def test_every_dockerfile_copies_only_what_its_context_has() -> None:
    for spec in images.SPECS:
        context = read_context(spec, HERE, {"cuda": "cu128"})
        text = context["Dockerfile"].content.decode().replace("${CUDA}", "cu128")
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M):
            for source in line.split()[:-1]:
                inside = [
                    n for n in context if n == source or n.startswith(source.rstrip("/") + "/")
                ]
                assert inside, f"{spec.name}: COPY {source}"


def test_tar_has_the_same_bytes_whoever_makes_it_and_keeps_executables() -> None:
    context = {"b": File(b"2", executable=True), "a/c": File(b"1")}
    assert tar(context) == tar(dict(reversed(context.items())))
    with tarfile.open(fileobj=io.BytesIO(tar(context))) as archive:
        members = archive.getmembers()
    assert [(m.name, m.mode, m.uid, m.mtime) for m in members] == [
        ("a/c", 0o644, 0, 0),
        ("b", 0o755, 0, 0),
    ]


# --- what has to be built ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "present", "built"),
    [
        pytest.param(["room"], [], ["base", "room"], id="a parent first"),
        pytest.param(["room", "pytorch"], ["base"], ["room", "pytorch"], id="the parent is there"),
        pytest.param(["room"], ["room"], [], id="a parent that nobody needs any more"),
        pytest.param(["front", "room"], ["room"], ["base", "front"], id="one of two"),
        pytest.param(["base"], [], ["base"], id="the base itself"),
        pytest.param([], [], [], id="nothing"),
    ],
)
def test_only_what_is_missing_is_built(
    tmp_path: Path, wanted: list[str], present: list[str], built: list[str]
) -> None:
    found = images_for(Settings(), checkout(tmp_path))
    there = {found[name].tag for name in present}
    assert [image.spec.name for image in missing(found, wanted, there)] == built


@pytest.mark.parametrize(
    ("todo", "expected"),
    [
        pytest.param(
            ["base", "room", "proxy", "front", "pytorch"],
            [["base"], ["pytorch", "room", "proxy", "front"]],
            id="the largest of those that have what they start from",
        ),
        pytest.param(["front", "room"], [["room", "front"]], id="the parent is there"),
        pytest.param(["base"], [["base"]], id="the base itself"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_what_has_its_parent_is_built_at_once(
    tmp_path: Path, todo: list[str], expected: list[list[str]]
) -> None:
    found = images_for(Settings(), checkout(tmp_path))
    made = generations([found[name] for name in todo])
    assert [[image.spec.name for image in one] for one in made] == expected


def test_an_unknown_image_is_refused_by_name() -> None:
    with pytest.raises(BuildError, match="no image 'jupyter'"):
        images.ensure(Settings(), ["jupyter"])


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param("debian:trixie-slim", id="a tag"),
        pytest.param("debian:latest", id="latest"),
        pytest.param("debian@sha256:abc", id="half a digest"),
    ],
)
def test_a_base_that_could_change_is_refused(setting: str) -> None:
    with pytest.raises(BuildError, match="named by its digest"):
        rootfs.identity(setting)


def test_pulled_or_bootstrapped_the_default_base_has_a_digest() -> None:
    assert re.fullmatch(r"debian:trixie-slim@sha256:[0-9a-f]{64}", rootfs.identity(""))
    assert rootfs.identity("bootstrap") != rootfs.identity("")


def test_other_cuda_without_a_lock_stops_with_what_to_do() -> None:
    with pytest.raises(BuildError, match="no lock file for PyTorch with cu126") as caught:
        images._require_lock("cu126", {"Dockerfile": File(b"")})
    assert "room images lock" in caught.value.remedy


# --- what a build says ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "step"),
    [
        pytest.param("#10 [torch 2/2] RUN --mount=…", ("10", "torch, step 2 of 2"), id="a stage"),
        pytest.param("#7 [2/5] COPY a b", ("7", "step 2 of 5"), id="one stage only"),
        pytest.param("#7 [stage-3 2/5] RUN x", ("7", "step 2 of 5"), id="a stage without a name"),
        pytest.param("#6 [python 1/2] FROM torchroom/base:1", None, id="where it starts from"),
        pytest.param("#3 [internal] load build context", None, id="BuildKit's own"),
        pytest.param("#10 12.3 downloading", None, id="output"),
        pytest.param("#10 DONE 129.1s", None, id="an end"),
    ],
)
def test_steps_are_read_from_plain_progress(line: str, step: tuple[str, str] | None) -> None:
    assert step_of(line) == step


def test_a_cached_step_is_not_said_and_a_long_one_is_said_again() -> None:
    said: list[str] = []
    steps = Steps(said.append)
    steps.see("#5 [python 2/2] RUN apt-get", 0.0)
    steps.see("#5 CACHED", 0.01)
    steps.see("#6 [torch 2/2] RUN uv", 0.1)
    for tenth in range(1, 400):
        steps.tick(tenth / 10)
    steps.see("#6 DONE 40s", 40.0)
    for tenth in range(400, 800):
        steps.tick(tenth / 10)
    assert said == ["torch, step 2 of 2", "torch, step 2 of 2, 16 s", "torch, step 2 of 2, 31 s"]


WORDS = {
    "free": "0.2 GB",
    "debian": "http://mirror.example/debian",
    "pypi": "http://pypi.example/simple",
    "npm": "http://npm.example",
    "log": "build/room.log",
}


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        pytest.param(
            "#9 4.1 OSError: [Errno 28] No space left on device",
            "The disk is full: 0.2 GB",
            id="disk",
        ),
        pytest.param(
            "ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading "
            "from server: EOF",
            "The Docker Engine went away",
            id="the engine is gone",
        ),
        pytest.param(
            "ERROR: Cannot connect to the Docker daemon at unix:///x. Is the daemon running?",
            "The Docker Engine went away",
            id="the engine is not there",
        ),
        pytest.param(
            "#5 2.0 Err:1 http://mirror.example/debian trixie InRelease\n"
            "#5 2.0   Could not resolve 'mirror.example'",
            "The Debian mirror http://mirror.example/debian did not answer",
            id="apt cannot resolve",
        ),
        pytest.param(
            "#5 2.0 E: Unable to locate package nodejs", "lacks a package", id="apt lacks a package"
        ),
        pytest.param(
            "error: Failed to fetch: `http://pypi.example/simple/six/`\n"
            "  Caused by: error sending request for url (http://pypi.example/simple/six/)",
            "The PyPI mirror http://pypi.example/simple did not answer",
            id="uv",
        ),
        pytest.param(
            "WARNING: Retrying: NewConnectionError('<pip._vendor...>')",
            "The PyPI mirror http://pypi.example/simple did not answer",
            id="pip",
        ),
        pytest.param(
            "#12 9.1 npm error network request to http://npm.example/ws failed",
            "The npm mirror http://npm.example did not answer",
            id="npm",
        ),
        pytest.param(
            "error: invalid peer certificate: UnknownIssuer",
            "certificate is not trusted",
            id="the site's CA is missing",
        ),
        pytest.param(
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "something else than the lock files name",
            id="another package than locked",
        ),
        pytest.param(
            "npm error code EINTEGRITY",
            "something else than the lock files name",
            id="npm integrity",
        ),
        pytest.param(
            "… did not complete successfully: exit code: 137", "ran out of memory", id="memory"
        ),
        pytest.param("something nobody has seen", "The build did not succeed.", id="unknown"),
    ],
)
def test_failures_are_explained(line: str, meaning: str) -> None:
    said, remedy = explain(["#1 something before", *line.splitlines()], WORDS)
    assert meaning in said
    assert remedy


def test_last_words_are_the_steps_own() -> None:
    lines = ["#9 [room 2/5] RUN x", "#9 0.412 one", "#9 0.5 two", "------", "#9 ERROR: no"]
    assert last_words(lines).splitlines()[-3:] == ["  one", "  two", "  ERROR: no"]
