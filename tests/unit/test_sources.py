"""Where a build gets its packages: what a host's files mean, and what a build reads."""

from __future__ import annotations

import pytest

from engine import site
from engine.sources import Site, apt_auth, apt_sources, debian_mirrors, npm_registry, pip_index

DEB822 = """Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        pytest.param(
            [DEB822],
            ("http://mirror.example/debian", "http://mirror.example/debian-security"),
            id="deb822",
        ),
        pytest.param(
            [
                "deb [arch=amd64 signed-by=/k.gpg] https://m.example/debian/ trixie main contrib\n"
                "deb-src https://src.example/debian trixie main\n"
                "deb https://m.example/debian-security trixie-security main\n"
            ],
            ("https://m.example/debian", "https://m.example/debian-security"),
            id="one line each",
        ),
        pytest.param(
            ["deb http://other.example bookworm main\ndeb http://m.example/debian bookworm main\n"],
            ("http://m.example/debian", ""),
            id="somebody else's repository with Debian's suite names",
        ),
        pytest.param(
            ["deb http://u.example/ubuntu noble main universe\n"], ("", ""), id="Ubuntu has none"
        ),
        pytest.param(
            ["deb https://docker.example/linux/debian bookworm stable\n"], ("", ""), id="not main"
        ),
        pytest.param(["# deb http://m.example/debian trixie main\n"], ("", ""), id="a comment"),
        pytest.param(
            [DEB822.replace("Types: deb\n#", "Types: deb\nEnabled: no\n#")],
            ("", "http://mirror.example/debian-security"),
            id="switched off",
        ),
        pytest.param(
            [
                "Types: deb deb-src\nURIs: mirror+file:/etc/apt/mirrors/debian.list\n"
                "Suites: trixie trixie-updates\nComponents: main\n"
            ],
            ("mirror+file:/etc/apt/mirrors/debian.list", ""),
            id="a cloud image",
        ),
        pytest.param(
            [
                "deb http://m.example/debian bullseye main\n"
                "deb http://s.example bullseye/updates main\n"
            ],
            ("http://m.example/debian", ""),
            id="an old security suite",
        ),
    ],
)
def test_debian_mirrors_are_those_of_the_host(texts: list[str], found: tuple[str, str]) -> None:
    assert debian_mirrors(texts) == found


@pytest.mark.parametrize(
    ("files", "environment", "index"),
    [
        pytest.param([], {}, "", id="nothing: pip's own default"),
        pytest.param(["[global]\nindex-url = http://a/simple\n"], {}, "http://a/simple", id="file"),
        pytest.param(
            ["[global]\nindex-url = http://a/simple\n", "[install]\nindex-url=http://b/simple\n"],
            {},
            "http://b/simple",
            id="the user's file after the machine's",
        ),
        pytest.param(
            ["[global]\nindex-url = http://a/simple\n"],
            {"PIP_INDEX_URL": "http://c/simple"},
            "http://c/simple",
            id="the environment first",
        ),
        pytest.param(["not a pip.conf ["], {}, "", id="a file that is none"),
        pytest.param(
            ["[global]\nindex-url = http://a/%20x\n"], {}, "http://a/%20x", id="a percent"
        ),
    ],
)
def test_pip_index_is_that_of_the_host(
    files: list[str], environment: dict[str, str], index: str
) -> None:
    assert pip_index(files, environment) == index


def test_npm_registry_is_that_of_the_host() -> None:
    assert npm_registry([], {}) == ""
    assert npm_registry(["registry = http://n/\nfund=false"], {}) == "http://n/"
    assert npm_registry(["registry=http://n/"], {"npm_config_registry": "http://o/"}) == "http://o/"


SITE = Site(
    debian="http://ann:s%40cret@mirror.example/debian",
    debian_security="http://ann:s%40cret@mirror.example/debian-security",
    pypi="https://bob:hush@pypi.example/simple",
    npm="https://eve:npmpw@npm.example/registry/",
    ca=b"-----BEGIN CERTIFICATE-----\n",
)


def test_apt_sources_stay_in_an_image_and_hold_no_credentials() -> None:
    text = apt_sources(SITE.debian, SITE.debian_security)
    assert "URIs: http://mirror.example/debian\nSuites: trixie trixie-updates\n" in text
    assert "URIs: http://mirror.example/debian-security\nSuites: trixie-security\n" in text
    assert "ann" not in text


def test_credentials_reach_apt_pip_and_npm_beside_their_addresses() -> None:
    secrets = {name: text.decode() for name, text in SITE.secrets("cu128").items()}
    assert "machine http://mirror.example/debian login ann password s@cret\n" in secrets["apt-auth"]
    assert "index-url = https://bob:hush@pypi.example/simple\n" in secrets["pip-conf"]
    assert "//npm.example/registry/:username=eve\n" in secrets["npmrc"]
    assert "registry=https://npm.example/registry/\n" in secrets["npmrc"]
    assert apt_auth(["http://mirror.example/debian"]) == ""


def test_only_another_cuda_asks_pytorchs_index() -> None:
    assert b"pytorch" not in SITE.secrets("cu128")["uv-conf-torch"]
    assert b"/whl/cu126" in SITE.secrets("cu126")["uv-conf-torch"]
    assert b"/whl/" not in SITE.secrets("cu126")["uv-conf"]


def test_passwords_are_kept_out_of_logs() -> None:
    line = "GET https://bob:hush@pypi.example/simple/ and s%40cret and s@cret"
    assert "hush" not in SITE.redact(line)
    assert "cret" not in SITE.redact(line)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        pytest.param("http://127.0.0.1:3141/simple", True, id="loopback"),
        pytest.param("http://localhost/simple", True, id="by name"),
        pytest.param("http://pypi.example/simple", False, id="elsewhere"),
    ],
)
def test_a_mirror_on_this_machine_is_known(url: str, local: bool) -> None:
    assert Site(debian="http://m.example/debian", pypi=url).on_this_machine is local


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("http://127.0.0.1:9/debian", "Connection refused", id="nobody listens"),
        pytest.param("file:///etc/passwd", "no http or https address", id="another scheme"),
        pytest.param("mirror.example/debian", "no http or https address", id="no scheme"),
    ],
)
def test_a_mirror_out_of_reach_is_said_in_words(url: str, reason: str) -> None:
    assert reason in site.probe(url, b"")
