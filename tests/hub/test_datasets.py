"""The start page's list of datasets: by keyboard, without a script, in both languages, by eye."""

from __future__ import annotations

import re

import pytest

from tests.hub.conftest import Browser, Hub, text_of
from tests.hub.test_browser import LOOKS, check, link, log_in, open_page, press
from tests.utils.chromium import chromium
from tests.utils.wait import wait_until

CIFAR = {"name": "cifar10", "description": "Ten classes <b>of</b> things", "licence": "MIT"}
FEW = [
    {"name": "birds", "files": 1},
    {**CIFAR, "versions": 3, "files": 60000},
    {"name": "flowers", "description": "From a garden", "files": 12},
]
MANY = [*FEW, *({"name": f"set-{number:03}", "files": number} for number in range(197))]
PRESELECTED = {"One GPU": ["cifar10@2"], "CPU": ["flowers"]}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    made = Hub(tmp_path_factory.mktemp("datasets"))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(hub, engine):
    yield from open_page(hub, engine)


def open_list(page, hub, login: str, datasets=FEW, **script) -> None:
    """Come to the start page with these datasets, and unfold their list."""
    hub.script({"datasets": datasets, **script})
    log_in(page, hub, login)
    page.click(".datasets > summary")


def shown(page) -> list[str]:
    return page.locator(".dataset:visible > label").all_inner_texts()


def ticked(page) -> list[str]:
    boxes = page.locator(".dataset > input:checked")
    return [box.get_attribute("value") for box in boxes.all()]


def chosen(hub, login: str):
    """Return what a running server was started with."""
    return hub.api("GET", f"/users/{login}").json()["servers"][""]["user_options"].get("datasets")


def start(page, login: str) -> None:
    page.click("#spawn_form button[type=submit]")
    page.wait_for_url(f"**/user/{login}/**")


def stop(hub, login: str) -> None:
    hub.api("DELETE", f"/users/{login}/server")
    wait_until(lambda: not hub.api("GET", f"/users/{login}").json()["servers"], timeout=20)


# -- what it says ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        pytest.param(
            "en",
            [
                "Datasets 3 to choose from",
                "Version 3, the newest Version 2 Version 1",
                "Ten classes <b>of</b> things 2.861 MiB 60,000 files Licence: MIT",
                "Preselected in One GPU: version 2",
                "birds Version 1 976.6 KiB 1 file",
                "From a garden 976.6 KiB 12 files Preselected in CPU",
                "those that the profile preselects, or else the newest version of all",
            ],
            id="en",
        ),
        pytest.param(
            "zh-CN",
            [
                "数据集 可选 3 个",
                "版本 3（最新） 版本 2 版本 1",  # noqa: RUF001
                "Ten classes <b>of</b> things 2.861 MiB 60,000 个文件 许可：MIT",  # noqa: RUF001
                "在配置“一个 GPU”中预选：版本 2",  # noqa: RUF001
                "birds 版本 1 976.6 KiB 1 个文件",
                "没有预选时则得到全部数据集的最新版本",
            ],
            id="zh",
        ),
    ],
)
def test_each_is_told_with_what_is_known_of_it(hub, language, expected) -> None:
    hub.script({"datasets": FEW, "preselected": PRESELECTED})
    with Browser(hub, **{"Accept-Language": language}) as browser:
        browser.log_in(hub.person(f"reader-{language.lower()}"))
        text = text_of(browser.get("/hub/spawn"))
    assert [words for words in expected if words not in text] == [], text


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        pytest.param(FEW[:1], "Datasets 1 is in your server Each", id="one"),
        pytest.param(FEW, "3 are in your server, unless you choose some", id="some"),
        pytest.param(
            [{"name": f"n{number}"} for number in range(301)],
            "301 to choose from, 300 at most",
            id="more-than-one-server-takes",
        ),
    ],
)
def test_who_unfolds_nothing_reads_what_they_get(hub, datasets, words) -> None:
    hub.script({"datasets": datasets})
    with Browser(hub) as browser:
        browser.log_in(hub.person(f"counter-{len(datasets)}"))
        assert words in text_of(browser.get("/hub/spawn"))


def test_where_there_are_none_there_is_no_list(hub) -> None:
    hub.script({})
    with Browser(hub) as browser:
        browser.log_in(hub.person("nothing"))
        page = browser.get("/hub/spawn").text
    assert 'name="profile"' in page
    assert "Datasets" not in page
    assert 'class="dataset' not in page


# -- in a browser ------------------------------------------------------------------------------


@pytest.mark.browser
def test_two_hundred_are_searched_and_chosen_with_the_keyboard_alone(hub, page) -> None:
    hub.script({"datasets": MANY})
    log_in(page, hub, "keys")
    page.focus(".datasets > summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "datasets-search"
    assert page.inner_text(".datasets [role=status]") == "200 of 200 shown"
    page.keyboard.type("GARDEN from")
    assert shown(page) == ["flowers"]
    assert page.inner_text(".datasets [role=status]") == "1 of 200 shown"
    page.keyboard.press("Enter")
    assert page.url.endswith("/hub/spawn"), "nothing was started"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "dataset-flowers", "nothing to untick yet"
    page.keyboard.press("Space")
    assert page.inner_text(".datasets .counted") == "1 chosen"
    page.fill("#datasets-search", "")
    assert len(shown(page)) == 200
    page.focus("#dataset-set-007")
    page.keyboard.press("Space")
    page.focus("#spawn_form .actions button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/user/keys/**")
    assert chosen(hub, "keys") == ["flowers", "set-007"]


@pytest.mark.browser
def test_what_the_search_hides_stays_chosen(hub, page) -> None:
    open_list(page, hub, "hider")
    page.check("#dataset-birds", force=True)
    page.fill("#datasets-search", "nothing is called so")
    assert shown(page) == []
    assert page.inner_text(".datasets .counted") == "1 chosen"
    start(page, "hider")
    assert chosen(hub, "hider") == ["birds"]


@pytest.mark.browser
def test_none_ticked_is_left_to_the_room(hub, page) -> None:
    open_list(page, hub, "leaver")
    assert page.is_disabled("#datasets-none")
    page.check("#dataset-birds", force=True)
    page.click("#datasets-none")
    assert ticked(page) == []
    assert page.inner_text(".datasets .counted") == "3 are in your server, unless you choose some"
    start(page, "leaver")
    assert chosen(hub, "leaver") is None


@pytest.mark.browser
def test_all_of_a_row_can_be_pressed_but_for_its_version(hub, page) -> None:
    open_list(page, hub, "presser")
    page.locator("#about-dataset-flowers").scroll_into_view_if_needed()
    press(page, "#about-dataset-flowers")
    assert ticked(page) == ["flowers"]
    page.locator(".dataset select").click()
    assert ticked(page) == ["flowers"]


@pytest.mark.browser
def test_who_chooses_a_version_has_chosen_the_dataset_and_finds_both_again(hub, page) -> None:
    open_list(page, hub, "versions")
    page.select_option("[name=dataset-version--cifar10]", "2")
    assert ticked(page) == ["cifar10"]
    start(page, "versions")
    assert chosen(hub, "versions") == ["cifar10@2"]
    stop(hub, "versions")
    page.goto("/hub/spawn")
    assert page.is_visible("#dataset-cifar10"), "the list is unfolded"
    assert ticked(page) == ["cifar10"]
    assert page.input_value("[name=dataset-version--cifar10]") == "2"
    assert page.inner_text(".datasets .counted") == "1 chosen"


@pytest.mark.browser
def test_without_a_script_it_is_a_list_to_tick(hub, engine) -> None:
    for page in open_page(hub, engine, java_script_enabled=False):
        hub.script({"datasets": FEW})
        page.goto("/hub/login")
        page.fill("#token", link(hub, "scriptless"))
        page.click("#submit")
        assert not page.is_visible("#datasets-search"), "what would do nothing is not there"
        page.click(".datasets > summary")
        assert shown(page) == ["birds", "cifar10", "flowers"]
        page.check("#dataset-cifar10", force=True)
        page.select_option("[name=dataset-version--cifar10]", "1")
        page.check("#dataset-birds", force=True)
        page.click("#spawn_form .actions button")
        wait_until(
            lambda: hub.api("GET", "/users/scriptless").json()["server"],
            timeout=20,
            explain=hub.tail,
        )
    assert chosen(hub, "scriptless") == ["birds", "cifar10@1"]


@pytest.mark.browser
@pytest.mark.parametrize("look", LOOKS)
def test_the_list_is_accessible_and_fits(hub, engine, look, request) -> None:
    name = request.node.callspec.id
    options = {key: value for key, value in look.items() if key != "width"}
    size = {"width": look["width"], "height": 800}
    for page in open_page(hub, engine, viewport=size, **options):
        hub.script({"datasets": MANY, "preselected": PRESELECTED})
        log_in(page, hub, f"eye-{name}")
        check(page, f"{name}-datasets-folded")
        page.click(".datasets > summary")
        page.check("#dataset-cifar10", force=True)
        check(page, f"{name}-datasets")
        page.fill("#datasets-search", "set-01")
        check(page, f"{name}-datasets-found")
        labels = page.locator(".dataset:visible > label").all_inner_texts()
        assert all(re.fullmatch(r"set-01\d", each) for each in labels)
        assert len(labels) == 10
