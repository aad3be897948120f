"""Making ``.venv``: what is kept, what is made anew, and what a person is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.utils.modules import load

rules = load("tools/bootstrap_rules.py")


def python(*version: int) -> rules.Python:
    return rules.Python(Path("/usr/bin/python3"), version)


@pytest.mark.parametrize(
    ("existing", "made_by", "running", "this_python", "reason"),
    [
        pytest.param(python(3, 11, 2), (3, 11, 2), python(3, 11, 2), False, None, id="same"),
        pytest.param(python(3, 11, 9), (3, 11, 2), python(3, 11, 9), False, None, id="patched"),
        pytest.param(python(3, 11, 2), (3, 11, 2), python(3, 13, 0), False, None, id="other-runs"),
        pytest.param(python(3, 11, 2), (3, 11, 2), python(3, 11, 9), True, None, id="asked-same"),
        pytest.param(
            python(3, 11, 2), (3, 11, 2), python(3, 13, 0), True, "3.13.0 was asked", id="asked"
        ),
        pytest.param(None, (3, 11, 2), python(3, 11, 2), False, "is gone", id="python-removed"),
        pytest.param(None, (), python(3, 11, 2), False, "is gone", id="none-yet"),
        pytest.param(
            python(3, 13, 5), (3, 11, 2), python(3, 13, 5), False, "replaced", id="new-release"
        ),
        pytest.param(python(3, 9, 2), (3, 9, 2), python(3, 11, 2), False, "3.9.2", id="too-old"),
    ],
)
def test_an_environment_is_made_anew_only_for_a_reason(
    existing, made_by, running, this_python, reason
):
    said = rules.kept_python(existing, made_by, running, this_python)
    assert said is None if reason is None else reason in said


@pytest.mark.parametrize("version", [(3, 7, 3), (3, 9, 18)])
def test_an_old_python_is_refused_with_its_number(version):
    with pytest.raises(rules.Problem, match=f"{version[0]}.{version[1]}.*too old(?s:.*)PYTHON="):
        rules.check_python(version)


@pytest.mark.parametrize(
    ("version", "remark"), [((3, 10, 0), False), ((3, 13, 1), False), ((3, 14, 0), True)]
)
def test_only_a_python_that_was_not_tried_is_remarked(version, remark):
    assert bool(rules.check_python(version)) is remark


@pytest.mark.parametrize(
    ("contents", "version"),
    [
        pytest.param([b"a==1", b"project 2"], (3, 11, 2), id="project"),
        pytest.param([b"a==2", b"project"], (3, 11, 2), id="lock"),
        pytest.param([b"a==1", b"project"], (3, 12, 2), id="python"),
        pytest.param([b"a==1p", b"roject"], (3, 11, 2), id="boundary"),
    ],
)
def test_a_stamp_changes_with_everything_an_environment_is_made_of(contents, version):
    assert rules.digest(contents, version) != rules.digest([b"a==1", b"project"], (3, 11, 2))


def test_a_stamp_outlives_a_patch_release():
    assert rules.digest([b"a"], (3, 11, 2)) == rules.digest([b"a"], (3, 11, 9))


@pytest.mark.parametrize(
    ("output", "words"),
    [
        pytest.param("SSLError(... CERTIFICATE_VERIFY_FAILED ...)", "ca_file", id="ca"),
        pytest.param(
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "not the one", id="hash"
        ),
        pytest.param("NewConnectionError: [Errno 111] Connection refused", "mirror", id="network"),
        pytest.param("ERROR: No matching distribution found for x==1", "up to date", id="version"),
        pytest.param("OSError: [Errno 28] No space left on device", "full", id="disk"),
        pytest.param("something new", "end of the log", id="unknown"),
    ],
)
def test_a_pip_that_fails_is_explained(output, words):
    assert words in rules.remedy(output)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", {}, id="empty"),
        pytest.param("mirrors:\n  debian: x\n", {}, id="others"),
        pytest.param(
            "mirrors:\n  pypi: https://a/simple\n", {"pypi": "https://a/simple"}, id="one"
        ),
        pytest.param(
            'mirrors:\n  # ours\n\n  pypi: "https://a/simple"  # inside\n  ca_file: /etc/x.pem\n',
            {"pypi": "https://a/simple", "ca_file": "/etc/x.pem"},
            id="both",
        ),
        pytest.param("mirrors:\n  pypi: ''\n  ca_file: null\n", {}, id="unset"),
        pytest.param("other:\n  pypi: https://a\n", {}, id="other-section"),
        pytest.param("mirrors:\nname: x\n  pypi: https://a\n", {}, id="next-section"),
        pytest.param("#mirrors:\n#  pypi: https://a\n", {}, id="commented-out"),
    ],
)
def test_the_mirrors_of_room_yaml_are_read_without_a_yaml_library(text, expected):
    assert rules.mirrors(text) == expected


@pytest.mark.parametrize(
    ("environ", "settings", "system", "expected"),
    [
        pytest.param({}, {}, None, {}, id="nothing"),
        pytest.param({}, {}, "/sys.crt", {"PIP_CERT": "/sys.crt"}, id="system-ca"),
        pytest.param(
            {"PIP_CERT": "/mine"},
            {"ca_file": "/site"},
            "/sys",
            {"PIP_CERT": "/mine"},
            id="mine-wins",
        ),
        pytest.param({}, {"ca_file": "/site"}, "/sys", {"PIP_CERT": "/site"}, id="site-wins"),
        pytest.param(
            {"PIP_INDEX_URL": "i"}, {"pypi": "s"}, None, {"PIP_INDEX_URL": "i"}, id="own-index"
        ),
        pytest.param({}, {"pypi": "s"}, None, {"PIP_INDEX_URL": "s"}, id="site-index"),
    ],
)
def test_pip_asks_where_the_person_said_then_the_site_then_the_system(
    environ, settings, system, expected
):
    made = rules.pip_environment(environ, settings, system)
    assert {key: made[key] for key in made if key in ("PIP_CERT", "PIP_INDEX_URL")} == expected


def test_sudo_keeps_what_the_command_needs_and_shows_no_value():
    environ = {"ROOM_SIMULATE_GPUS": "4", "PIP_INDEX_URL": "https://u:secret@i", "HOME": "/home/u"}
    assert rules.with_sudo(["room", "up"], environ, uid=1000) == [
        "sudo",
        "--preserve-env=PIP_INDEX_URL,ROOM_SIMULATE_GPUS",
        "room",
        "up",
    ]


def test_root_needs_no_sudo():
    assert rules.with_sudo(["room", "up"], {"ROOM_X": "1"}, uid=0) == ["room", "up"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("  Downloading torch-2.9.1.whl (900 MB)\n", "Downloading torch-2.9.1.whl"),
        (
            "Collecting click==8.5.1 (from -r requirements/host.txt (line 1))",
            "Collecting click==8.5.1",
        ),
        ("x" * 50, "x" * 29 + "…"),
    ],
)
def test_a_progress_line_fits_into_its_place(line, words):
    assert rules.last_words(line, 30) == words
