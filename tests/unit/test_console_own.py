# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""*My room*: what is one's own in the hub, on a page and as JSON."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest

from console import own
from console.own import SCOPES, Home, HomeNews, OwnServer, Token
from console.words import TOKEN_SCOPES
from tests.unit.test_console import NOW, PREFIX, Console, console, store  # noqa: F401  (fixtures)

GIB = 1024**3
SERVER = OwnServer(
    "", "One GPU", "torchroom/pytorch:2.9", True, "", NOW, NOW + timedelta(hours=2),
    ("A100", "A100"), "/user/alice/",
)  # fmt: skip
HOME = Home(
    used=8 * GIB,
    soft=9 * GIB,
    hard=10 * GIB,
    files=3,
    left=2 * GIB,
    enforced=False,
    complete=True,
    largest=(("work/<b>data", 7 * GIB),),
)


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def test_what_runs_is_shown_with_its_units_and_its_end(console: Console) -> None:
    console.hub.own = [SERVER]
    console.sign_in("alice")
    for path in ("", "servers"):
        told = text_of(console.get(path))
        assert "One GPU torchroom/pytorch:2.9 2 \N{MULTIPLICATION SIGN} A100" in told
        assert "running since 2026-11-26 15:00" in told
        assert "ends at 2026-11-26 17:00" in told
    assert console.get("servers").count("<html") == 0
    console.hub.own = []
    assert "Nothing of yours runs" in console.get("servers")


@pytest.mark.parametrize(
    ("news", "words"),
    [
        pytest.param(HomeNews(HOME), "8 GiB of 10 GiB You are warned at 9 GiB.", id="limits"),
        pytest.param(HomeNews(HOME), "The disk does not hold this limit", id="not held"),
        pytest.param(HomeNews(HOME), "work/<b>data 7 GiB", id="what fills it"),
        pytest.param(HomeNews(HOME, warning="Your home is full"), "Your home is full", id="full"),
        pytest.param(HomeNews(), "the first start makes it", id="none yet"),
        pytest.param(HomeNews(silent=True), "cannot look at homes right now", id="silent"),
    ],
)
def test_the_home_is_shown(console: Console, news: HomeNews, words: str) -> None:
    console.hub.home = news
    console.sign_in("alice")
    assert words in text_of(console.get(""))


def test_a_token_is_made_shown_once_and_revoked(console: Console) -> None:
    session = console.sign_in("alice")
    form = {"note": "my <script>", "life": "3600", "may": "look"}
    page = console.post(session, "tokens", 200, **form)
    assert "the-secret" in page
    assert "my &lt;script&gt;" in page
    page = console.get("")
    assert "the-secret" not in page
    assert "read:users!user" in page
    console.post(session, "tokens/revoke", token="a1")
    assert "The token is revoked" in console.get("?said=revoked")
    assert console.hub.own_tokens == []


@pytest.mark.parametrize(
    ("form", "words"),
    [
        pytest.param({"life": "3600", "may": "look"}, "what the token is for", id="no note"),
        pytest.param(
            {"note": "x" * 201, "life": "3600", "may": "look"}, "at most 200", id="long note"
        ),
        pytest.param({"note": "x", "life": "1e309", "may": "look"}, "choose one", id="no time"),
        pytest.param({"note": "x", "life": "-1", "may": "look"}, "choose one", id="the past"),
        pytest.param({"note": "x", "life": "3600"}, "tick what", id="nothing to do"),
        pytest.param(
            {"note": "x", "life": "3600", "may": "admin:users"}, "tick what", id="unknown right"
        ),
    ],
)
def test_a_token_that_may_not_be_is_refused_in_words(
    console: Console, form: dict[str, str], words: str
) -> None:
    session = console.sign_in("alice")
    page = console.post(session, "tokens", 200, **form)
    assert words in text_of(page)
    assert html.escape(form.get("note", "")) in page
    assert console.hub.own_tokens == []


def test_every_right_of_a_token_has_words() -> None:
    assert set(TOKEN_SCOPES) == set(SCOPES)
    assert own.new_token("x", "0", ["look", "all"]).scopes == ("inherit",)
    assert own.new_token("x", "0", ["look"]).expires_in is None


def test_programs_are_one_line_each_and_the_console_none() -> None:
    def token(number: int, client: str, used: str | None) -> dict[str, object]:
        return {
            "id": f"a{number}",
            "note": f"note {number}",
            "oauth_client": client,
            "scopes": [f"access:servers!server=alice/{number}"] if number in (2, 4, 6) else [],
            "last_activity": used,
            "expires_at": "2026-12-01T00:00:00Z",
        }

    found = own.tokens(
        [
            token(1, "JupyterHub", None),
            token(2, "JupyterHub", "2026-11-26T10:00:00.000Z"),
            token(3, "Server at /user/alice/", "2026-11-25T10:00:00Z"),
            token(4, "Server at /user/alice/", "2026-11-26T10:00:00Z"),
            token(5, "JupyterHub service console", "2026-11-26T10:00:00Z"),
            {**token(6, "JupyterHub", "2026-11-24T10:00:00Z"), "note": "Server at /user/alice/"},
            {**token(7, "JupyterHub", "2026-11-23T10:00:00Z"), "note": "Server at home"},
        ]
    )
    assert [(each.id, each.label, each.program) for each in found] == [
        ("a2", "note 2", False),
        ("a6", "Server at /user/alice/", False),
        ("a7", "Server at home", False),
        ("a1", "note 1", False),
        ("a4", "Server at /user/alice/", True),
    ]
    # Only what is called so, and is a server's, is held by one.
    assert [each.id for each in found if each.held] == ["a6"]
    assert isinstance(found[0], Token)
    assert found[0].expires is not None
    assert found[-1].expires is None


def test_what_the_hub_does_not_do_is_said_in_the_reader_s_language(console: Console) -> None:
    console.sign_in("alice")
    console.hub.silent = True
    page = console.client.get(PREFIX, headers={"Accept-Language": "zh-CN"})
    assert page.status_code == 503
    assert "The hub" not in page.text
