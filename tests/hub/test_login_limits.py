"""Wrong logins are limited by network and by name; right ones pass always.

The proxies in front of the hub are the tests themselves, at 127.0.0.1.
"""

import re
import time

import pytest

from room.limiter import ADDRESS, NAME
from room.tokens import Token
from tests.hub.conftest import Browser, text_of


def from_(hub, address: str) -> Browser:
    return Browser(hub, **{"X-Forwarded-For": address})


def wrong(token: str) -> str:
    """Return the same person's token with another secret."""
    return str(Token(token.partition("_")[0], "a" * 40))


def unknown(n: int) -> str:
    """Return a token that is nobody's."""
    return str(Token("a" * 9 + "bcdefghi"[n], "a" * 40))


def attempts(browser: Browser, xsrf: str, token: str, count: int) -> list[int]:
    form = {"_xsrf": xsrf, "token": token}
    return [browser.post("/hub/login", data=form).status_code for _ in range(count)]


def test_thirty_good_logins_from_one_address_pass_after_some_wrong_ones(hub) -> None:
    tokens = [hub.person(f"student{n}") for n in range(30)]
    with from_(hub, "192.0.2.1") as other:
        assert set(attempts(other, other.xsrf(), unknown(7), 20)) == {403}
    for n, token in enumerate(tokens):
        with from_(hub, "192.0.2.1") as browser:
            browser.log_in(token)
            assert browser.who() == f"student{n}"


def test_an_address_over_its_budget_waits_and_a_right_link_does_not(hub) -> None:
    token = hub.person("owner")
    with from_(hub, "192.0.2.2") as browser:
        xsrf = browser.xsrf()
        assert attempts(browser, xsrf, unknown(1), ADDRESS.burst) == [403] * ADDRESS.burst
        # What comes back into the budget meanwhile is used up, too.
        while attempts(browser, xsrf, unknown(1), 1) != [429]:
            pass
        answer = browser.post("/hub/login", data={"_xsrf": xsrf, "token": unknown(2)})
        seconds = int(answer.headers["Retry-After"])
        assert 1 <= seconds <= ADDRESS.every
        assert re.search(rf"Wait {seconds} seconds? before you try again", text_of(answer))
        browser.log_in(token)
        assert browser.who() == "owner"
    with from_(hub, "192.0.2.3") as browser:
        assert attempts(browser, browser.xsrf(), unknown(3), 1) == [403], "another address"


def test_a_name_over_its_budget_is_limited_from_everywhere_but_not_locked(hub) -> None:
    token = hub.person("victim")
    for n in range(NAME.burst):
        with from_(hub, f"198.51.100.{n}") as browser:
            assert attempts(browser, browser.xsrf(), wrong(token), 1) == [403]
    with from_(hub, "198.51.100.200") as browser:
        xsrf = browser.xsrf()
        assert attempts(browser, xsrf, wrong(token), 1) == [429]
        form = {"_xsrf": xsrf, "token": unknown(4), "username": "victim"}
        assert browser.post("/hub/login", data=form).status_code == 429
        browser.log_in(token)
        assert browser.who() == "victim"


@pytest.mark.parametrize(
    ("real", "claimed"),
    [
        pytest.param("203.0.113.7", {"X-Real-Ip": "10.9.8.{n}"}, id="X-Real-Ip"),
        pytest.param("203.0.113.8", {"X-Forwarded-For": "10.9.8.{n}, "}, id="X-Forwarded-For"),
    ],
)
def test_a_client_cannot_choose_its_address(hub, real, claimed) -> None:
    """What it writes itself stands before what the proxy appends, or is not asked at all."""
    began, tries = time.monotonic(), 0
    # What comes back into the budget while a slow machine goes through it is no address of ours.
    for n in range(4 * ADDRESS.burst):
        said = {name: value.format(n=n) for name, value in claimed.items()}
        said["X-Forwarded-For"] = said.get("X-Forwarded-For", "") + real
        with Browser(hub, **said) as browser:
            tries += 1
            if attempts(browser, browser.xsrf(), unknown(5), 1) == [429]:
                break
    refilled = (time.monotonic() - began) / ADDRESS.every
    assert ADDRESS.burst < tries <= ADDRESS.burst + refilled + 1


def test_attempts_over_the_budget_are_not_logged_one_by_one(hub) -> None:
    with from_(hub, "192.0.2.99") as browser:
        xsrf = browser.xsrf()
        attempts(browser, xsrf, unknown(6), ADDRESS.burst)
        before = len(hub.log.read_text().splitlines())
        assert set(attempts(browser, xsrf, unknown(6), 100)) <= {429, 403}
        assert len(hub.log.read_text().splitlines()) - before <= 10
