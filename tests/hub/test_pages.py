"""What the pages say, over HTTP: refusals, errors, languages."""

import re

import pytest

from tests.hub.conftest import FULL_HOME, MIB, Browser, text_of
from tests.utils.wait import wait_until

#: What no person is ever shown.
CODE = re.compile(
    r"Exception|Error\b|Traceback|reason=|HTTP|\b[45]\d\d\b|/secret|None|\{\{|%\(|undefined"
)


@pytest.fixture
def someone(hub):
    """Return what logs somebody in, and the browser they use."""
    made = []

    def log_in(login: str, language: str = "en", **person) -> Browser:
        browser = Browser(hub, **{"Accept-Language": language})
        made.append(browser)
        browser.log_in(hub.person(login, **person))
        assert browser.who() == login
        return browser

    yield log_in
    hub.script({})
    for browser in made:
        browser.close()


def start(browser: Browser, path: str = "/hub/spawn", **choice: str):
    form = browser.get(path).text
    action = re.search(r'action="([^"]+)"', form).group(1).replace("&amp;", "&")
    return browser.post(action, data=choice or {"profile": "cpu"})


def test_a_refused_start_says_why_on_the_start_page(hub, someone) -> None:
    browser = someone("refused")
    hub.script({"refuse": "This profile needs 4 GPUs and this room has 2."})
    answer = start(browser)
    text = text_of(answer)
    assert "This profile needs 4 GPUs and this room has 2." in text
    assert "What would you like to start?" in text, "and lets choose again"
    assert not CODE.search(text), text


def test_a_refusal_is_said_in_the_readers_language(hub, someone) -> None:
    browser = someone("refused-zh", "zh-CN")
    hub.script({"refuse": "This profile needs 4 GPUs and this room has 2."})
    assert "此配置需要 4 个 GPU，而这里共有 2 个。" in text_of(start(browser))  # noqa: RUF001


def failed_page(hub, browser: Browser, path: str = "/hub/spawn"):
    answer = start(browser, path)
    wait_until(
        lambda: (
            "spawn-pending" in str(answer.url)
            and "did not start" in text_of(browser.get(answer.url))
        ),
        timeout=20,
        explain=hub.tail,
    )
    return browser.get(answer.url)


def test_a_start_that_fails_later_says_why(hub, someone) -> None:
    browser = someone("failing")
    words = "JupyterLab did not answer within 120 seconds, so the server was stopped."
    hub.script({"seconds": 0.4, "fail": words})
    text = text_of(failed_page(hub, browser))
    assert "Your server did not start" in text
    assert words in text
    assert "Try again" in text
    assert not CODE.search(text), text


def test_what_went_wrong_inside_is_not_shown(hub, someone) -> None:
    browser = someone("crashing")
    hub.script({"seconds": 0.4, "crash": True})
    text = text_of(failed_page(hub, browser))
    assert "The server could not be started." in text
    assert not CODE.search(text), text
    assert "boom" not in text


def test_a_crash_at_once_is_not_shown_either(hub, someone) -> None:
    browser = someone("crashing-at-once")
    hub.script({"seconds": 0, "crash": True, "fail_at": "checking"})
    text = text_of(start(browser))
    assert "The server could not be started." in text
    assert not CODE.search(text), text


NOTHING = ("There is nothing here", "这里什么也没有")
NOT_OPEN = ("This is not open to you", "您无权打开此页")
SILENT = ("Your server does not answer", "您的服务器没有响应")
TOO_MANY = ("Too many at once", "请求太多")
WRONG = ("Something went wrong", "出了点问题")
NOT_RUNNING = ("Your server is not running", "您的服务器没有运行")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        pytest.param("/hub/nothing", 404, NOTHING, id="404"),
        pytest.param("/hub/spawn/alice/no such name!", 404, NOTHING, id="somebody else's"),
        pytest.param("/hub/admin", 403, NOT_OPEN, id="403"),
        pytest.param("/hub/error/404", 200, NOTHING, id="404 for the proxy"),
        pytest.param("/hub/error/503", 200, SILENT, id="503 for the proxy"),
        pytest.param("/hub/error/429", 200, TOO_MANY, id="429"),
        pytest.param("/hub/error/500", 200, WRONG, id="500"),
        pytest.param("/hub/user/{me}/lab", 424, NOT_RUNNING, id="not running"),
    ],
)
def test_an_error_is_said_in_words(hub, someone, path, status, words, language) -> None:
    me = f"reader-{language.lower()}"
    answer = someone(me, language).get(path.format(me=me))
    text = text_of(answer)
    assert answer.status_code == status
    assert words[language != "en"] in text
    assert not CODE.search(text), text
    assert f'<html lang="{language}">' in answer.text


def test_the_language_switch_is_remembered(hub, someone) -> None:
    browser = someone("switching", "en")
    answer = browser.get("/hub/room/language/zh_CN?next=/hub/home")
    assert answer.url.path == "/hub/home"
    assert "退出" in text_of(answer)
    assert "Sign out" in text_of(browser.get("/hub/room/language/en?next=/hub/home"))
    assert browser.get("/hub/room/language/xx").status_code == 200
    assert browser.get("/hub/room/language/en?next=//evil.example/").url.host == "127.0.0.1"


def test_the_last_choice_is_preselected(hub, someone) -> None:
    browser = someone("chooser")
    start(browser, profile="gpu")
    wait_until(lambda: hub.api("GET", "/users/chooser").json()["server"], timeout=20)
    hub.api("DELETE", "/users/chooser/server")
    wait_until(lambda: not hub.api("GET", "/users/chooser").json()["servers"], timeout=20)
    page = browser.get("/hub/spawn").text
    assert re.findall(r'value="(\w+)" required\s+checked', page) == ["gpu"]


def test_a_card_that_cannot_be_had_says_why_and_cannot_be_chosen(hub, someone) -> None:
    page = someone("looker").get("/hub/spawn").text
    assert re.search(r'value="big" required\s+disabled', page)
    assert "this choice needs 4" in text_of(page)


def test_what_a_profile_is_called_cannot_be_markup(hub, someone) -> None:
    page = someone("escaper").get("/hub/spawn").text
    assert "Brain &lt;16&gt;" in page


def test_an_admin_sees_whose_server_it_is_and_keeps_the_own_name(hub, someone) -> None:
    browser = someone("boss", admin=True)
    someone("pupil")
    page = browser.get("/hub/spawn/pupil")
    assert "You are starting a server for pupil" in text_of(page)
    hub.script({"seconds": 5})
    answer = start(browser, "/hub/spawn/pupil")
    assert "The server of pupil is starting" in text_of(answer)
    assert re.search(r'class="who"[^>]*>boss<', answer.text)
    assert re.search(r'data-stop="/hub/api/users/pupil/server"', answer.text)
    hub.script({})


def test_files_of_the_pages_are_cached_by_their_content(hub, someone) -> None:
    browser = someone("cacher")
    path = re.search(r'href="(/hub/room/static/room.css\?v=\w+)"', browser.get("/hub/home").text)
    answer = browser.get(path.group(1))
    assert answer.status_code == 200
    assert "no-cache" not in answer.headers.get("Cache-Control", "")
    assert browser.get("/hub/room/static/../pages.py").status_code in (403, 404)
    assert browser.get("/hub/room/static/%2e%2e/pages.py").status_code in (403, 404)


def test_a_wrong_name_for_a_server_is_refused_with_the_rule(hub, someone) -> None:
    answer = someone("namer").get("/hub/spawn/namer/No_Such-")
    assert answer.status_code == 400
    text = text_of(answer)
    assert "A server's name has small letters, digits, and - between them" in text
    assert not CODE.search(text), text


# -- homes -------------------------------------------------------------------------------------


def test_the_owner_sees_what_fills_the_home_and_can_start_to_tidy_up(hub, someone) -> None:
    browser = someone("full")
    hub.script({"home": FULL_HOME})
    page = browser.get("/hub/home-usage")
    text = text_of(page)
    assert "Your home is full: it holds 97 MiB of 100 MiB" in text
    assert "work/<b>data.bin 90 MiB" in text
    assert "3 MiB can still be saved." in text
    assert not CODE.search(text), text
    action = re.search(r'<form id="spawn_form" action="([^"]+)"', page.text).group(1)
    browser.post(action, data={"_xsrf": browser.xsrf("/hub/home-usage"), "rescue": "1"})
    wait_until(
        lambda: hub.api("GET", "/users/full").json()["servers"].get("", {}).get("ready"),
        timeout=20,
    )
    saved = hub.api("GET", "/users/full").json()["servers"][""]["user_options"]
    assert saved == {"rescue": "1"}
    assert "Your server runs" in text_of(browser.get("/hub/home-usage"))


def test_the_start_page_of_a_full_home_leads_there_and_enter_starts_a_card(hub, someone) -> None:
    browser = someone("full-start")
    hub.script({"home": FULL_HOME})
    page = browser.get("/hub/spawn")
    assert 'href="/hub/home-usage?user=full-start"' in page.text
    assert "Start to tidy up" in text_of(page)
    # Enter among the cards sends their form, which has no other button than its own.
    form = page.text[page.text.index('id="spawn_form"') :]
    assert len(re.findall(r'type="submit"(?! form="rescue_form")', form)) == 1
    hub.script({"home": {**FULL_HOME, "used": 1}})
    assert "home-warning" not in browser.get("/hub/spawn").text


def test_a_home_is_told_in_the_readers_language(hub, someone) -> None:
    browser = someone("full-zh", "zh-CN")
    hub.script({"home": {**FULL_HOME, "enforced": False, "used": 90 * MIB}})
    text = text_of(browser.get("/hub/home-usage"))
    assert "您的主目录已用 90 MiB，共 100 MiB。" in text  # noqa: RUF001
    assert "磁盘不会强制执行此限制" in text


@pytest.mark.parametrize(
    ("told", "words"),
    [
        pytest.param(None, "There is no home yet", id="none"),
        pytest.param("silent", "cannot look at homes right now", id="the agent is silent"),
        pytest.param({"measured_at": None}, "is being measured", id="not measured yet"),
        pytest.param({"used": 5, "complete": False, "largest": [["a", 5]]}, "a part", id="a part"),
    ],
)
def test_a_home_of_which_little_is_known_is_told_in_words(hub, someone, told, words) -> None:
    browser = someone("little")
    hub.script({"home": told} if told is not None else {})
    text = text_of(browser.get("/hub/home-usage"))
    assert words in text
    assert not CODE.search(text), text


def test_a_home_is_shown_to_its_owner_and_to_admins_alone(hub, someone) -> None:
    hub.script({"home": FULL_HOME})
    someone("owner")
    assert someone("stranger").get("/hub/home-usage?user=owner").status_code == 404
    assert someone("stranger").get("/hub/home-usage?user=nobody-at-all").status_code == 404
    answer = someone("boss", admin=True).get("/hub/home-usage?user=owner")
    assert "What fills the home of owner" in text_of(answer)
    assert "Start to tidy up" not in text_of(answer)
