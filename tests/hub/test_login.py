import re

import pytest

from tests.hub.conftest import Browser, text_of


def test_a_link_logs_in_and_leads_where_the_person_wanted(hub, browser) -> None:
    token = hub.person("alice", "ml101")
    answer = browser.log_in(token, next_url="/hub/home")
    assert (answer.status_code, answer.url.path) == (200, "/hub/home")
    assert browser.who() == "alice"


@pytest.mark.parametrize(
    "pasted",
    [
        pytest.param("  {token}\n", id="blanks"),
        pytest.param("{url}/hub/login#token={token}", id="the whole link"),
        pytest.param("\u200b{token}\ufeff", id="invisible characters"),
    ],
)
def test_what_people_paste_logs_in(hub, browser, pasted) -> None:
    token = hub.person("pasting")
    browser.log_in(pasted.format(token=token, url=hub.url))
    assert browser.who() == "pasting"


def test_a_form_without_its_xsrf_token_is_refused_and_offered_again(hub, browser) -> None:
    token = hub.person("xsrf")
    browser.get("/hub/login")
    answer = browser.post("/hub/login", data={"token": token, "_xsrf": "forged"})
    assert answer.status_code == 403
    assert "open for too long" in text_of(answer)
    assert browser.who() is None
    fresh = re.search(r'name="_xsrf" value="([^"]+)"', answer.text).group(1)
    browser.post("/hub/login", data={"token": token, "_xsrf": fresh})
    assert browser.who() == "xsrf"


def test_nobody_is_led_off_the_site(hub, browser) -> None:
    token = hub.person("led")
    answer = browser.log_in(token, next_url="https://evil.example/")
    assert answer.url.host == "127.0.0.1"


def test_groups_and_admin_flag_are_the_rosters(hub, browser) -> None:
    token = hub.person("carol", "ml101", "dl202", admin=True)
    browser.log_in(token)
    model = hub.api("GET", "/users/carol").json()
    assert (sorted(model["groups"]), model["admin"]) == (["dl202", "ml101"], True)


def test_a_change_of_class_or_of_the_admin_flag_acts_at_once(hub, browser) -> None:
    token = hub.person("dave", "ml101", admin=True)
    browser.log_in(token)
    hub.people.leave("dave", ["ml101"])
    hub.people.add("dave", ["dl202"], admin=False)
    wait_for_refresh()
    browser.who()
    model = hub.api("GET", "/users/dave").json()
    assert (model["groups"], model["admin"]) == (["dl202"], False)


def test_revoking_ends_sessions_and_api_tokens_at_once(hub, browser) -> None:
    token = hub.person("eve")
    browser.log_in(token)
    api_token = hub.api("POST", "/users/eve/tokens").json()["token"]
    use = {"headers": {"Authorization": f"token {api_token}"}}
    assert browser.get("/hub/api/user", **use).status_code == 200
    hub.people.revoke("eve")
    wait_for_refresh()
    assert browser.who() is None
    with Browser(hub) as other:
        assert other.get("/hub/api/user", **use).status_code == 403
        assert "access to this room has ended" in text_of(other.log_in(token))


def test_a_one_time_link_works_once(hub, browser) -> None:
    token = hub.person("admin", admin=True, once=True)
    browser.log_in(token)
    assert browser.who() == "admin"
    with Browser(hub) as other:
        answer = other.log_in(token)
        assert answer.status_code == 403
        assert "it has been used" in text_of(answer)


def test_a_link_of_somebody_else_asks_before_it_ends_a_session(hub, browser) -> None:
    bob, frank = hub.person("bob"), hub.person("frank", once=True)
    browser.log_in(bob)
    answer = browser.log_in(frank)
    assert "You are signed in as bob . This link belongs to frank" in text_of(answer)
    assert browser.who() == "bob"
    browser.log_in(frank, switch="1")
    assert browser.who() == "frank"


def test_the_same_link_again_just_goes_on_and_uses_nothing_up(hub, browser) -> None:
    token = hub.person("grace")
    browser.log_in(token)
    answer = browser.log_in(token, next_url="/hub/home")
    assert answer.url.path == "/hub/home"


def test_a_name_that_does_not_fit_the_token_is_refused(hub, browser) -> None:
    token = hub.person("heidi")
    assert browser.log_in(token, username="alice").status_code == 403
    assert browser.who() is None
    browser.log_in(token, username="Heidi")
    assert browser.who() == "heidi"


def test_no_token_reaches_the_log(hub, browser) -> None:
    token = hub.person("ivan")
    browser.log_in(token)
    secret = token.partition("_")[2]
    assert secret not in hub.log.read_text()


def test_the_login_page_is_not_kept_and_sends_no_referrer(hub, browser) -> None:
    answer = browser.get("/hub/login")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def wait_for_refresh() -> None:
    """Let the second pass for which the hub holds what it knows about somebody."""
    import time

    time.sleep(1.1)
