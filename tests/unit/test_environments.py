"""Environments of classes: what is taken of requirements, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.environments import failures, requirements
from room.environments.choice import NONE, choose
from room.environments.files import Change, refused
from room.environments.lock import (
    Package,
    lock_of,
    packages_in,
    packages_of,
    pins_of,
    repository,
    tag_of,
)
from room.environments.model import Build, Environment, as_dict, from_dict
from room.environments.upkeep import due
from room.models import Reject

NOW = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
A, B = "a" * 64, "b" * 64
HASHED = f"humanize==4.9.0 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n"
ENVIRONMENT = Environment(1, "ml101", "einops\n", "", "t:1", "base", 5, NOW, "tina", "job")
BUILD = Build("b", "ml101", "tina", "einops\n", 0.0)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        pytest.param("einops\nhumanize>=4,<5\n", "einops\nhumanize<5,>=4\n", id="names-and-ranges"),
        pytest.param("# ours\n\neinops==0.8.1  # pinned\r\n", "einops==0.8.1\n", id="comments"),
        pytest.param("datasets[audio]~=3.0", "datasets[audio]~=3.0\n", id="extras"),
        pytest.param(
            "a==1; python_version < '3'\na==2; python_version >= '3'\n",
            'a==1; python_version < "3"\na==2; python_version >= "3"\n',
            id="twice-with-markers",
        ),
        pytest.param(HASHED, f"humanize==4.9.0 --hash=sha256:{A} --hash=sha256:{B}\n", id="hashes"),
        pytest.param("einops \\\n", "einops\n", id="goes-on-to-nowhere"),
    ],
)
def test_requirements_are_taken_in_one_form(text: str, taken: str) -> None:
    found = requirements.read(text)
    assert isinstance(found, requirements.Wanted), found
    assert found.text == taken
    assert found.hashed == ("--hash" in text)
    assert requirements.read(found.text) == found


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        pytest.param("", "requirements-none", "No package is named", id="empty"),
        pytest.param("# nothing\n", "requirements-none", "No package", id="comment-alone"),
        pytest.param("a\n-r more.txt\n", "requirements-option", "Line 2 is an option", id="file"),
        pytest.param("-e .\n", "requirements-option", "(-e)", id="editable"),
        pytest.param(
            "--index-url https://u:p@x/\n", "requirements-option", "(--index-url)", id="index"
        ),
        pytest.param("a @ https://u:p@x/a.whl", "requirements-address", "//x/a.whl", id="direct"),
        pytest.param("git+https://x/a", "requirements-address", "Line 1 names", id="git"),
        pytest.param("./a\n", "requirements-address", "Line 1 names", id="path"),
        pytest.param("a-1.0-py3-none-any.whl\n", "requirements-address", "Line 1", id="wheel"),
        pytest.param("a b c\n", "requirements-line", "a b c", id="no-requirement"),
        pytest.param("einops = 1\n", "requirements-line", "Line 1", id="one-sign"),
        pytest.param("a\nA\n", "requirements-twice", "on line 1 and on line 2", id="twice"),
        pytest.param("a_b\na.B\n", "requirements-twice", "a-b is on", id="twice-by-other-names"),
        pytest.param("a==1 --hash=md5:1\n", "requirements-hash", "md5:1", id="other-hash"),
        pytest.param(
            f"b\na==1 --hash=sha256:{A}\n", "requirements-some-hashes", "Line 1 has no", id="some"
        ),
        pytest.param(f"a>=1 --hash=sha256:{A}", "requirements-loose", "a==1.2.3", id="loose"),
        pytest.param(
            f"a==1.* --hash=sha256:{A}", "requirements-loose", "Line 1", id="loose-by-star"
        ),
        pytest.param(
            "".join(f"a{n}\n" for n in range(requirements.MOST + 1)),
            "requirements-many",
            "There are 301",
            id="many",
        ),
        pytest.param(
            "#" * (requirements.LONGEST + 1), "requirements-long", "200,001", id="long"
        ),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_said_with_its_line(text: str, reason: str, words: str) -> None:
    found = requirements.read(text)
    assert isinstance(found, Reject)
    assert found.reason == reason
    assert words in found.message
    assert "u:p" not in found.message


@given(st.text(max_size=300))
def test_nothing_that_is_taken_is_an_option_or_an_address(text: str) -> None:
    found = requirements.read(text)
    if isinstance(found, Reject):
        return
    for line in found.text.splitlines():
        assert line.strip()
        assert not line.startswith("-")
        assert "://" not in line
        assert " @ " not in line


def test_a_lock_is_by_name_and_its_tag_by_content() -> None:
    found = packages_of(
        [
            {"name": "Zope.Event", "version": "5", "sha256": B},
            {"name": "einops", "version": "0.8.1", "sha256": A},
        ]
    )
    lock = lock_of(found)
    assert lock == f"einops==0.8.1 --hash=sha256:{A}\nzope-event==5 --hash=sha256:{B}\n"
    assert packages_in(lock) == found
    assert pins_of(lock) == "einops==0.8.1\nzope-event==5\n"
    tags = {tag_of("room", base, text) for base in ("b1", "b2") for text in (lock, lock[:-1])}
    assert len(tags) == 4
    assert tag_of("room", "b1", lock) in tags
    assert all(tag.startswith(f"{repository('room')}:") for tag in tags)


@given(
    st.lists(
        st.builds(
            Package,
            st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True),
            st.from_regex(r"[0-9][0-9.]{0,6}", fullmatch=True),
            st.just(A),
        )
    )
)
def test_a_lock_says_all_of_its_packages(packages: list[Package]) -> None:
    assert packages_in(lock_of(packages)) == tuple(packages)


TORCH = "/usr/local/lib/python3.13/dist-packages/torch"


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        pytest.param("/usr/local/lib/python3.13/dist-packages/a.py", "added", "", id="package"),
        pytest.param("/usr/local/bin/tool", "added", "", id="command"),
        pytest.param("/usr/local/lib/python3/numpy/a.py", "modified", "", id="newer"),
        pytest.param("/run/site", "added", "", id="the-build-s-own-place"),
        pytest.param(f"{TORCH}/extra.py", "added", "", id="beside-torch"),
        pytest.param(f"{TORCH}/__init__.py", "modified", "files-ours", id="torch"),
        pytest.param(f"{TORCH}/__init__.py", "deleted", "files-ours", id="torch-gone"),
        pytest.param(TORCH, "deleted", "files-ours", id="all-of-torch-gone"),
        pytest.param(f"{TORCH}2/__init__.py", "modified", "", id="another-s-name-begins-so"),
        pytest.param("/usr/local/bin/jupyterhub-singleuser", "modified", "files-ours", id="server"),
        pytest.param("/etc/passwd", "modified", "files-outside", id="outside"),
        pytest.param("/opt/jupyter/lib/x.py", "added", "files-outside", id="server-s-packages"),
        pytest.param("/run/site/pip.conf", "added", "files-outside", id="settings"),
    ],
)  # fmt: skip
def test_a_build_touches_packages_alone(path: str, kind: str, reason: str) -> None:
    # The engine names the folders above, too.
    above = [Change(f"/{path.split('/')[1]}", "modified")]
    found = refused([*above, Change(path, kind)], [TORCH])  # type: ignore[arg-type]
    assert (found.reason if found else "") == reason
    if found is not None:
        assert path in found.message


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        pytest.param("OSError: [Errno 28] No space left on device", "disk", id="disk"),
        pytest.param("Too little disk is left where", "disk", id="floor"),
        pytest.param("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "hash", id="hash"),
        pytest.param(
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('\n"
            "ERROR: No matching distribution found for einops",
            "mirror",
            id="silent-index",
        ),
        pytest.param("SSLError: CERTIFICATE_VERIFY_FAILED", "mirror", id="certificate"),
        pytest.param(
            "ERROR: Cannot install a because these package versions have conflicting ...\n"
            "    a 1 depends on torch<2.9\n    The user requested (constraint) torch==2.9.1",
            "torch",
            id="torch",
        ),
        pytest.param(
            "ERROR: Cannot install a and b because these package versions have conflicting ...",
            "conflict",
            id="conflict",
        ),
        pytest.param("ERROR: No matching distribution found for einopz", "not-found", id="name"),
        pytest.param("Traceback (most recent call last):", "failed", id="unknown"),
    ],
)  # fmt: skip
def test_why_a_build_failed_is_known_by_what_it_said(said: str, reason: str) -> None:
    found = failures.explain(["Collecting things", *said.splitlines()])
    assert found.reason == reason


@pytest.mark.parametrize(
    ("environments", "base", "images", "builds", "found"),
    [
        pytest.param([ENVIRONMENT], "base", ["t:1"], [], 0, id="as-it-is-to-be"),
        pytest.param([ENVIRONMENT], "new", ["t:1"], [], 1, id="a-new-image"),
        pytest.param([ENVIRONMENT], "base", [], [], 1, id="gone"),
        pytest.param([ENVIRONMENT], "", ["t:1"], [], 0, id="no-image-to-build-on"),
        pytest.param([ENVIRONMENT], "new", [], [BUILD], 0, id="under-way"),
        pytest.param(
            [ENVIRONMENT], "new", [], [replace(BUILD, state="built")], 0, id="built-and-not-said"
        ),
        pytest.param(
            [ENVIRONMENT],
            "new",
            [],
            [replace(BUILD, state="failed", replaces=1, base="new")],
            0,
            id="failed-on-this-image",
        ),
        pytest.param(
            [ENVIRONMENT],
            "new",
            [],
            [replace(BUILD, state="failed", replaces=1, base="old")],
            1,
            id="failed-on-another-image",
        ),
        pytest.param(
            [ENVIRONMENT],
            "new",
            [],
            [replace(BUILD, state="failed", base="new")],
            1,
            id="somebody-s-own-failed",
        ),
        pytest.param(
            [ENVIRONMENT], "new", [], [replace(BUILD, class_name="dl202")], 1, id="another-class"
        ),
    ],
)  # fmt: skip
def test_what_is_built_anew_by_itself(
    environments: list[Environment], base: str, images: list[str], builds: list[Build], found: int
) -> None:
    assert due(environments, base, images, builds) == environments[:found]


OTHER = replace(ENVIRONMENT, id=2, class_name="dl202")


@pytest.mark.parametrize(
    ("theirs", "asked", "own_image", "found"),
    [
        pytest.param([OTHER, ENVIRONMENT], None, True, OTHER, id="the-first"),
        pytest.param([OTHER, ENVIRONMENT], "ml101", True, ENVIRONMENT, id="chosen"),
        pytest.param([ENVIRONMENT], NONE, True, None, id="none"),
        pytest.param([], None, True, None, id="no-class"),
        pytest.param([ENVIRONMENT], None, False, None, id="another-image"),
        pytest.param([ENVIRONMENT], "ml101", False, None, id="chosen-with-another-image"),
    ],
)
def test_which_environment_a_server_has(
    theirs: list[Environment], asked: str | None, own_image: bool, found: Environment | None
) -> None:
    assert choose(theirs, asked, own_image=own_image) == found


@pytest.mark.parametrize("own_image", [True, False])
def test_another_class_s_is_refused_as_one_that_is_nowhere(own_image: bool) -> None:
    found = choose([OTHER], "ml101", own_image=own_image)
    assert isinstance(found, Reject)
    assert found == replace(
        choose([], "nosuch", own_image=own_image),  # type: ignore[type-var]
        message=found.message,
    )
    assert "'ml101'" in found.message


def test_a_build_is_written_down_and_read_again() -> None:
    build = replace(BUILD, state="failed", why="It did not.", pins="a==1\n", replaces=3)
    assert from_dict(as_dict(build)) == build
