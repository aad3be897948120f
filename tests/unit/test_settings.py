"""``room.yaml`` → settings, or every mistake in it with its line."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from room.settings import Settings, SettingsError, load, parse, settings_warnings

GIB = 1024**3


def said(text: str | bytes) -> list[str]:
    """Return the problems of a file, as a person reads them."""
    raw = text if isinstance(text, bytes) else textwrap.dedent(text).encode()
    with pytest.raises(SettingsError) as caught:
        parse(raw)
    return [str(problem) for problem in caught.value.problems]


def settings(text: str) -> Settings:
    return parse(textwrap.dedent(text).encode(), Path("/srv/site")).settings


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("# nothing\n\n", id="comments-only"),
        pytest.param("---\n...\n", id="empty-document"),
        pytest.param("limits:\ntls:\nprofiles:\n", id="keys-without-values"),
        pytest.param("\ufeffname: torchroom\n", id="byte-order-mark"),
    ],
)
def test_file_that_sets_nothing_is_the_defaults(text):
    assert settings(text) == Settings()


def test_values_are_read():
    found = settings(
        """
        name: lab1
        address: https://room.example.org/
        limits: {cpu: 1, memory: 8G, shm: 512M, boot_timeout: 1h, session: 12h}
        """
    )
    assert (found.name, found.address) == ("lab1", "https://room.example.org")
    assert (found.limits.cpu, found.limits.memory) == (1.0, 8 * GIB)
    assert (found.limits.shm, found.limits.boot_timeout) == (GIB // 2, 3600.0)
    assert (found.limits.session, Settings().limits.session) == (43200.0, 0.0)


def test_relative_path_is_relative_to_the_file(tmp_path):
    file = tmp_path / "room.yaml"
    file.write_text("mirrors: {ca_file: certs/ca.pem}\n")
    assert load(file).mirrors.ca_file == tmp_path / "certs" / "ca.pem"


def test_relative_path_in_a_container_is_the_hosts(tmp_path, monkeypatch):
    monkeypatch.setenv("ROOM_CONFIG_BASE", "/srv/site")
    file = tmp_path / "room.yaml"
    file.write_text("mirrors: {ca_file: ca.pem}\n")
    assert load(file).mirrors.ca_file == Path("/srv/site/ca.pem")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            "nme: x", "line 1: nme: there is no key 'nme' here; did you mean name?", id="misspelled"
        ),
        pytest.param(
            "\nlimits:\n  memroy: 1G",
            "line 3: limits.memroy: there is no key 'memroy' here; did you mean memory?",
            id="misspelled-below",
        ),
        pytest.param(
            "memory: 8G",
            "line 1: memory: there is no key 'memory' here; it belongs at limits.memory",
            id="right-key-wrong-place",
        ),
        pytest.param(
            "limits: {cores: 2}",
            "line 1: limits.cores: there is no key 'cores' here; known are: "
            "cpu, memory, shm, pids, log_size, log_files, boot_timeout, session",
            id="nothing-near",
        ),
        pytest.param("language: fr", "line 1: language: 'fr' is none of 'en' or 'zh_CN'", id="set"),
        pytest.param(
            "name: 5", "line 1: name: must be a text: put it in quotes, and is 5", id="text"
        ),
        pytest.param(
            "name: no", "line 1: name: must be a text: put it in quotes, and is false", id="yaml-no"
        ),
        pytest.param("tls: acme", "must hold keys and values of its own", id="section-is-text"),
        pytest.param("login: {admins: alice}", "must be a list", id="list-is-text"),
        pytest.param(
            "insecure_http: 1", "line 1: insecure_http: must be true or false, and is 1", id="flag"
        ),
        pytest.param(
            "limits: {cpu: yes}", "limits.cpu: must be a number, and is true", id="number-is-true"
        ),
        pytest.param(
            "limits: {cpu: 0}", "limits.cpu: must be more than 0, and is 0", id="number-too-small"
        ),
        pytest.param("limits: {cpu: .inf}", "limits.cpu: must be", id="number-infinite"),
        pytest.param("limits: {cpu: .nan}", "limits.cpu: must be", id="number-not-one"),
        pytest.param(
            "limits: {memory: 100M}", "must be at least 256M, and is '100M'", id="size-too-small"
        ),
        pytest.param("limits: {memory: 8X}", "'8X' is no size", id="size-unknown-unit"),
        pytest.param("limits: {pids: 1.5}", "must be a whole number, and is 1.5", id="whole"),
        pytest.param("data_root: lib/room", "must be a whole path that starts with /", id="root"),
        pytest.param("data_root: /etc/room", "belongs to the system", id="root-in-etc"),
        pytest.param("data_root: /var/lib", "belongs to the system", id="root-is-var-lib"),
        pytest.param("data_root: /var/lib/docker/x", "belongs to the system", id="root-in-docker"),
        pytest.param("data_root: /srv/../etc", "holds '..'", id="root-dotted"),
        pytest.param("data_root: '/srv/my room'", "Docker cannot mount", id="root-with-space"),
        pytest.param("data_root: '/srv/$HOME'", "Docker cannot mount", id="root-with-dollar"),
        pytest.param("name: Room", "a letter a-z, then at most 14", id="name-upper"),
        pytest.param("name: a-b", "a letter a-z, then at most 14", id="name-dash"),
        pytest.param("name: " + "a" * 16, "a letter a-z, then at most 14", id="name-long"),
        pytest.param("login: {admins: ['../x']}", "is no login", id="admin-hostile"),
        pytest.param("mirrors: {pypi: pypi/simple}", "it starts with https://", id="url"),
        pytest.param("images: {base: 'debian:13'}", "write name@sha256:", id="base-by-tag"),
        pytest.param("images: {cuda: cu118}", "is none of 'cu126', 'cu128' or 'cu130'", id="cuda"),
        pytest.param("mirrors: {ca_file: ~/ca.pem}", "write the whole path", id="path-tilde"),
        pytest.param("mirrors: {ca_file: ''}", "the path is empty", id="path-empty"),
    ],
)
def test_wrong_value_is_said_with_its_line(text, problem):
    (found,) = said(text)
    assert problem in found
    assert found.startswith("line ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            "name: a\n\tx: 1\n", "line 2: there is a tab; YAML takes spaces only", id="tab"
        ),
        pytest.param("name: a\nlimits:\n\tcpu: 1\n", "line 3: there is a tab", id="tab-indent"),
        pytest.param("name: a\naddress: http: //x\n", "line 2: this is not YAML", id="colon"),
        pytest.param("name: [a\nlimits:\n", "this is not YAML", id="bracket"),
        pytest.param("name: 'a\n", "this is not YAML", id="quote"),
        pytest.param("limits:\n  cpu: 1\n memory: 1\n", "line 3: this is not YAML", id="indent"),
        pytest.param("name: @x\n", "in quotes", id="at-sign"),
        pytest.param("name: *x\n", "anchor", id="alias-unknown"),
        pytest.param("name: a\n---\nname: b\n", "one file holds one room", id="two-documents"),
        pytest.param("- name: a\n", "line 1: the file must hold keys and values", id="list"),
        pytest.param("just text\n", "line 1: the file must hold keys and values", id="text"),
        pytest.param(
            "name: a\n\nname: b\n", "line 3: name: the key stands on line 1 already", id="twice"
        ),
        pytest.param(
            "limits: {cpu: 1, cpu: 2}", "limits.cpu: the key stands on line 1", id="twice-inline"
        ),
        pytest.param("a: &a [*a]\n", "an alias goes on without end", id="alias-of-itself"),
        pytest.param("limits:\n  <<: {cpu: 1}\n", "write the keys out", id="merge-key"),
        pytest.param("{a: b}: c\n", "a key must be a word", id="key-is-mapping"),
        pytest.param("name: !!python/object:os.system x\n", "put the value in quotes", id="tag"),
        pytest.param("name: !secret x\n", "the tag !secret is not known", id="own-tag"),
        pytest.param(b"name: a\naddress: \xff\xfe\n", "line 2: this is not UTF-8", id="latin-1"),
        pytest.param(b"name: a\x00b\n", "cannot be in YAML", id="null-byte"),
        pytest.param("limits: {memory: 2024-13-45}\n", "put it in quotes", id="impossible-date"),
        pytest.param("[" * 5000, "", id="nested-deeply"),
    ],
)
def test_malformed_file_is_said_in_words(text, problem):
    (found,) = said(text)
    assert problem in found


def test_aliases_that_multiply_are_stopped():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join(f'*a{i - 1}' for _ in range(9))}]" for i in range(1, 12)]
    (found,) = said("\n".join(lines))
    assert "an alias goes on without end" in found


def test_file_that_is_no_settings_file_is_refused_by_size():
    assert "a room.yaml is shorter" in said(b"# " + b"x" * 2_000_000)[0]


def test_all_mistakes_are_said_at_once_and_in_order():
    found = said(
        """\
        nme: x
        limits:
          cpu: many
          memory: 8X
        profiles:
          - slug: A
        """
    )
    assert [line.split(":")[0] for line in found] == [
        "line 1", "line 3", "line 4", "line 6", "line 6",
    ]  # fmt: skip
    assert "profiles[0].display_name: is required here" in found[3]


def test_no_message_names_a_class_or_a_library():
    found = "\n".join(said("nme: 1\nlimits: []\nlogin: {oauth: {provider: x}}\ntls: {mode: 1}"))
    for word in ("pydantic", "Section", "validation error", "dict", "NoneType", "input_value"):
        assert word not in found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("address: http://10.0.0.5", "plain http to 10.0.0.5", id="http-to-others"),
        pytest.param("address: https://10.0.0.5", "acme signs only those", id="acme-for-an-ip"),
        pytest.param("address: https://lab.local", "acme signs only those", id="acme-private"),
        pytest.param("address: https://lab", "acme signs only those", id="acme-single-label"),
        pytest.param(
            "{address: https://x.org, tls: {mode: files, key: /k}}",
            "tls.certificate: tls.mode files needs both",
            id="files-without-certificate",
        ),
        pytest.param(
            "{address: https://x.org, tls: {email: nobody}}", "no e-mail address", id="email"
        ),
        pytest.param("limits: {memory: 1G, shm: 2G}", "2G is more than the 1G", id="shm-memory"),
    ],
)
def test_rule_between_keys_is_said(text, problem):
    (found,) = said(text)
    assert problem in found


OIDC = "login: {oauth: {provider: oidc, client_id: a, client_secret_file: /s, "


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        pytest.param("allow_all: true}}", "oidc needs the address", id="issuer-missing"),
        pytest.param("issuer: 'https://i'}}", "nobody of the provider may come in", id="nobody"),
        pytest.param(
            "issuer: 'http://idp.example.org/r', allow_all: true}}", "by https", id="issuer-http"
        ),
        pytest.param(
            "issuer: 'https://i', allowed_groups: [x]}}", "needs the claim", id="groups-no-claim"
        ),
        pytest.param(
            "issuer: 'https://i', allowed_organizations: [x]}}", "only github", id="organizations"
        ),
    ],
)
def test_oidc_rule_is_said(rest, problem):
    (found,) = said(OIDC + rest)
    assert problem in found


@pytest.mark.parametrize(
    ("provider", "rest", "problem"),
    [
        pytest.param("github", "issuer: 'https://x'", "one address only", id="github-issuer"),
        pytest.param("google", "allowed_groups: [x]", "tells no groups", id="google-groups"),
        pytest.param(
            "github", "allowed_domains: [x]", "vouches for no address", id="github-domains"
        ),
        pytest.param("gitlab", "groups_claim: x", "only oidc takes this key", id="gitlab-claim"),
    ],
)
def test_key_of_another_provider_is_refused(provider, rest, problem):
    text = OIDC.replace("oidc", provider) + rest + ", allow_all: true}}"
    assert problem in said(text)[0]


def test_provider_on_loopback_may_be_plain_http():
    assert settings(OIDC + "issuer: 'http://127.0.0.1:9/r', allow_all: true}}").login.oauth


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        pytest.param(
            "{address: 'http://10.0.0.5', insecure_http: true}",
            "can be read and changed",
            id="http",
        ),
        pytest.param("tls: {mode: internal}", "tls has no effect", id="tls-unused"),
        pytest.param(
            "{address: 'https://lab', tls: {mode: internal}}", "Browsers warn", id="internal-ca"
        ),
        pytest.param("address: https://room.org:8443", "ports 80 and 443", id="acme-other-port"),
        pytest.param("data_root: /tmp/room", "may empty at reboot", id="root-in-tmp"),
        pytest.param("login: {admins: []}", "no admin", id="no-admin"),
        pytest.param(
            OIDC.replace("oidc", "github") + "allow_all: true}}",
            "Everyone in the world",
            id="world",
        ),
    ],
)
def test_what_is_allowed_and_dangerous_is_warned_of(text, warning):
    assert any(warning in said for said in settings_warnings(settings(text)))


def test_defaults_warn_of_nothing():
    assert settings_warnings(Settings()) == []


@given(st.binary(max_size=200))
def test_any_bytes_give_settings_or_words(raw):
    try:
        parse(raw)
    except SettingsError as error:
        found = error.problems
    else:
        return
    assert found
    assert all(problem.message for problem in found)
