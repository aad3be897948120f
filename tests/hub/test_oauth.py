"""Login by OpenID Connect against a real provider process, as a browser goes the way."""

import json
import re

import httpx
import pytest

from tests.hub.conftest import Browser, Hub, text_of
from tests.utils.hub import free_port
from tests.utils.oidc_provider import CLIENT_ID, CLIENT_SECRET, PASSWORD, Provider

PEOPLE = {
    "alice": {"groups": ["students", "ml101"], "email": "alice@school.example"},
    "bob": {"groups": ["students"]},
    "carol": {"groups": ["visitors"]},
    "dave": {"groups": "students"},
    "root": {"groups": ["students"]},
    "eve": {"groups": ["students"]},
    "frank": {"groups": ["students"]},
    "grace": {"groups": ["students"]},
    "an na": {"groups": ["students"]},
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    directory = tmp_path_factory.mktemp("oauth")
    secret = directory / "client-secret"
    secret.write_text(f"{CLIENT_SECRET}\n")
    port = free_port()
    made = Hub(
        directory,
        {
            "login": {
                "oauth": {
                    "provider": "oidc",
                    "issuer": f"http://127.0.0.1:{port}/o",
                    "client_id": CLIENT_ID,
                    "client_secret_file": str(secret),
                    "groups_claim": "groups",
                    "allowed_groups": ["students"],
                    "scopes": ["openid", "profile", "email", "groups"],
                    "label": "School",
                }
            }
        },
    )
    provider = Provider(directory, port, f"{made.public_url}/hub/oauth_callback", PEOPLE)
    made.provider = provider
    made.url = made.public_url
    made.start()
    yield made
    made.close()
    provider.stop()


@pytest.fixture
def browser(hub):
    with Browser(hub) as made:
        yield made


def log_in_there(browser: Browser, login: str, start: str = "/hub/oauth_login") -> httpx.Response:
    """Go to the provider, log in there, and come back."""
    form = browser.get(start)
    assert "/login/" in str(form.url), text_of(form)
    hidden = dict(
        re.findall(r'name=[\'"]?(csrfmiddlewaretoken|next)[\'"]? value=[\'"]([^\'"]*)', form.text)
    )
    hidden["next"] = hidden["next"].replace("&amp;", "&")
    return browser.post(
        str(form.url),
        data={**hidden, "username": login, "password": PASSWORD},
        headers={"Referer": str(form.url)},
    )


def groups(hub: Hub, login: str) -> list[str]:
    return sorted(hub.api("GET", f"/users/{login}").json()["groups"])


def test_the_page_offers_the_provider_and_the_token(hub, browser) -> None:
    text = text_of(browser.get("/hub/login"))
    assert "Sign in with School" in text
    assert "Login link or token" in text


def test_the_whole_way_ends_where_the_person_wanted_with_the_claimed_groups(hub, browser) -> None:
    page = browser.get("/hub/login?next=/hub/home").text
    start = re.search(r'id="provider" href="([^"]+)"', page).group(1).replace("&amp;", "&")
    answer = log_in_there(browser, "alice", start)
    assert (answer.status_code, answer.url.path) == (200, "/hub/home")
    assert browser.who() == "alice"
    assert groups(hub, "alice") == ["ml101", "students"]


def test_the_request_carries_state_and_a_pkce_challenge(hub) -> None:
    with Browser(hub) as browser:
        answer = browser.get("/hub/oauth_login", follow_redirects=False)
    query = httpx.URL(answer.headers["Location"]).params
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    assert query["state"]
    assert query["redirect_uri"] == f"{hub.public_url}/hub/oauth_callback"


def test_groups_are_claims_and_roster_together(hub, browser) -> None:
    hub.people.add("bob", ["dl202"])
    log_in_there(browser, "bob")
    assert groups(hub, "bob") == ["dl202", "students"]


def test_one_group_as_a_plain_text_is_one_group(hub, browser) -> None:
    log_in_there(browser, "dave")
    assert groups(hub, "dave") == ["students"]


def test_who_is_in_no_allowed_group_is_told_so_and_the_roster_does_not_help(hub, browser) -> None:
    hub.people.add("carol", ["students"])
    answer = log_in_there(browser, "carol")
    assert answer.status_code == 403
    assert "this room is not open to it" in text_of(answer)
    assert browser.who() is None


def test_an_account_does_not_get_an_admins_login_by_its_name(hub, browser) -> None:
    token = hub.person("root", admin=True)
    answer = log_in_there(browser, "root")
    assert answer.status_code == 403
    assert "same name as somebody in this room" in text_of(answer)
    assert browser.who() is None
    browser.log_in(token)
    assert browser.who() == "root", "the token goes on working beside OAuth"
    assert hub.api("GET", "/users/root").json()["admin"]


def test_another_account_of_the_same_name_does_not_get_the_login(hub, browser) -> None:
    hub.people.enter_by_oauth("frank", "oidc:the-one-who-had-it-before")
    answer = log_in_there(browser, "frank")
    assert "same name as somebody in this room" in text_of(answer)
    hub.people.forget_account("frank")
    with Browser(hub) as again:
        log_in_there(again, "frank")
        assert again.who() == "frank"


def test_a_revoked_person_does_not_come_in_by_the_provider(hub, browser) -> None:
    log_in_there(browser, "eve")
    hub.people.revoke("eve")
    import time

    time.sleep(1.1)
    assert browser.who() is None
    with Browser(hub) as again:
        assert "access to this room has ended" in text_of(log_in_there(again, "eve"))
        assert again.who() is None


def test_a_name_that_can_be_no_login_is_refused(hub, browser) -> None:
    answer = log_in_there(browser, "an na")
    assert answer.status_code == 403
    assert hub.people.find("an na") is None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param("error=access_denied&state=x", "cancelled or refused", id="cancelled there"),
        pytest.param("code=x&state=forged", "took too long or was opened twice", id="forged state"),
        pytest.param("", "took too long or was opened twice", id="no code"),
    ],
)
def test_a_broken_return_is_answered_in_words(hub, browser, query, words) -> None:
    browser.get("/hub/oauth_login", follow_redirects=False)
    text = text_of(browser.get(f"/hub/oauth_callback?{query}"))
    assert words in text
    assert not re.search(r"OAuth|Exception|Traceback|\b[45]\d\d\b", text)


def test_a_code_that_is_not_the_providers_is_refused_in_words(hub, browser) -> None:
    answer = browser.get("/hub/oauth_login", follow_redirects=False)
    state = httpx.URL(answer.headers["Location"]).params["state"]
    text = text_of(browser.get("/hub/oauth_callback", params={"code": "forged", "state": state}))
    assert "answered something that this room cannot use" in text
    assert browser.who() is None


def test_nothing_of_the_provider_is_kept(hub, browser) -> None:
    log_in_there(browser, "grace")
    model = hub.api("GET", "/users/grace").json()
    assert model.get("auth_state") is None
    assert "access_token" not in json.dumps(model)


def test_tokens_work_while_the_provider_is_down(tmp_path) -> None:
    secret = tmp_path / "client-secret"
    secret.write_text(CLIENT_SECRET)
    oauth = {
        "provider": "oidc",
        "issuer": f"http://127.0.0.1:{free_port()}/o",
        "client_id": CLIENT_ID,
        "client_secret_file": str(secret),
        "allow_all": True,
    }
    hub = Hub(tmp_path, {"login": {"oauth": oauth}})
    hub.start()
    try:
        token = hub.person("alice")
        with Browser(hub) as browser:
            answer = browser.get("/hub/oauth_login")
            assert answer.status_code == 503
            assert "sign-in service does not answer" in text_of(answer)
            browser.log_in(token)
            assert browser.who() == "alice"
    finally:
        hub.close()
