"""The start page's choice of a class's packages: by keyboard, without a script, by eye."""

from __future__ import annotations

import pytest

from tests.hub.conftest import Browser, Hub, text_of
from tests.hub.test_browser import LOOKS, check, log_in, open_page
from tests.utils.chromium import chromium
from tests.utils.wait import wait_until

CLASSES = ["dl202", "ml101"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    made = Hub(tmp_path_factory.mktemp("environments"))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine():
    with chromium() as browser:
        yield browser


def chosen(hub, login: str):
    """Return what a running server was started with."""
    server = hub.api("GET", f"/users/{login}").json()["servers"][""]
    return server["user_options"].get("environment")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        pytest.param("en", "Packages of your class Those of dl202 Those of ml101 None", id="en"),
        pytest.param("zh-CN", "班级的软件包 dl202 的软件包 ml101 的软件包 不用", id="zh"),
    ],
)
def test_who_has_a_choice_is_shown_it(hub, language, words) -> None:
    hub.script({"environments": CLASSES})
    with Browser(hub, **{"Accept-Language": language}) as browser:
        browser.log_in(hub.person(f"reader-{language.lower()}"))
        assert words in text_of(browser.get("/hub/spawn"))


def test_who_has_none_is_shown_nothing(hub) -> None:
    hub.script({})
    with Browser(hub) as browser:
        browser.log_in(hub.person("nothing"))
        assert 'name="environment"' not in browser.get("/hub/spawn").text


@pytest.mark.browser
def test_it_is_chosen_with_the_keyboard_and_remembered(hub, engine) -> None:
    for page in open_page(hub, engine):
        hub.script({"environments": CLASSES})
        log_in(page, hub, "keys")
        assert page.locator("#environment").input_value() == "dl202", "the first"
        page.focus("#environment")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.focus("#spawn_form .actions button")
        page.keyboard.press("Enter")
        page.wait_for_url("**/user/keys/**")
        assert chosen(hub, "keys") == "none"
        hub.api("DELETE", "/users/keys/server")
        wait_until(lambda: not hub.api("GET", "/users/keys").json()["servers"], timeout=20)
        page.goto("/hub/spawn")
        assert page.locator("#environment").input_value() == "none"


@pytest.mark.browser
@pytest.mark.parametrize("look", [LOOKS[0], LOOKS[-1]])
def test_it_reads_well_for_everyone(hub, engine, look, request) -> None:
    width, name = look["width"], request.node.callspec.id
    options = {key: value for key, value in look.items() if key != "width"}
    for page in open_page(hub, engine, viewport={"width": width, "height": 800}, **options):
        hub.script({"environments": CLASSES, "datasets": [{"name": "birds"}]})
        log_in(page, hub, f"eye-{name}")
        check(page, f"environment-{name}")
