"""The waiting room and the start page's free GPUs, in a real Chromium."""

import signal
from datetime import datetime, timedelta, timezone

import pytest

from tests.hub.conftest import Hub
from tests.hub.test_browser import LOOKS, check, log_in, open_page
from tests.utils.chromium import chromium
from tests.utils.wait import wait_until

pytestmark = pytest.mark.browser

#: Keeps what is read out and, at each change, where the page's parts are.
RECORD = """() => {
  window.recorded = { said: [], places: [] };
  const note = () => {
    const said = document.getElementById("said").textContent;
    if (said !== window.recorded.said.at(-1)) window.recorded.said.push(said);
    const top = Math.round(document.querySelector(".actions").getBoundingClientRect().top);
    if (top !== window.recorded.places.at(-1)) window.recorded.places.push(top);
  };
  new MutationObserver(note).observe(document.getElementById("start"),
    { subtree: true, childList: true, characterData: true });
  note();
}"""
#: A tab that nobody looks at, and notifications as a browser shows them.
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
NOTIFICATIONS = """
  window.asked = 0;
  window.shown = [];
  window.Notification = class {
    static permission = localStorage.permission ?? "default";
    static async requestPermission() {
      window.asked += 1;
      localStorage.permission = Notification.permission = localStorage.answer ?? "granted";
      return Notification.permission;
    }
    constructor(title, options) { window.shown.push([title, options.body]); }
    close() {}
  };
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    made = Hub(tmp_path_factory.mktemp("waiting"))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(hub, engine):
    yield from open_page(hub, engine, timezone_id="Asia/Shanghai")


def next_minute(at: datetime, hours: int) -> datetime:
    return at + timedelta(hours=hours, seconds=60 - at.second)


def place(position: int, of: int, minutes: float | None = 12, **more):
    """Return what a start's event carries while it waits; the estimate is from now."""
    at = None
    if minutes is not None:
        # Half a minute more: what is left is rounded, and the test itself takes time.
        at = datetime.now(timezone.utc) + timedelta(minutes=minutes, seconds=20)
    said = {
        "position": position,
        "of": of,
        "at": at and at.isoformat(timespec="seconds"),
        # As the forecast says it: the next full minute, by the clock of a room in Tokyo.
        "basis": f"2 leases end before {next_minute(at, 9):%H:%M}." if at else "",
        "cpu": True,
        **more,
    }
    return {"waiting": said}


def stand_in_line(page, hub, login: str, script=None) -> None:
    log_in(page, hub, login)
    hub.script(script or place(2, 5))
    page.click("#spawn_form button[type=submit]")
    page.wait_for_selector("#line:not([hidden])")


def text(page, selector: str) -> str:
    return page.inner_text(selector).strip()


def says(page, selector: str, words: str) -> None:
    """Wait until something on the page says just that, seen or not."""
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_text(words, timeout=20_000)


# -- the place in line -------------------------------------------------------------------------


def test_the_place_moves_without_a_reload_and_without_a_jump(hub, page) -> None:
    stand_in_line(page, hub, "mover", place(3, 5, holding=4))
    assert text(page, "#place") == "You are 3rd of 5 in line"
    assert text(page, "#counts") == "Waiting: 5 · GPUs in use: 4"
    page.evaluate("window.same = true")
    page.evaluate(RECORD)
    for position, words in ((2, "You are 2nd of 11 in line"), (1, "You are next in line")):
        hub.script(place(position, 11, holding=4))
        says(page, "#place", words)
    hub.script(place(1, 11, None, holding=4))
    says(page, "#estimate", "Nobody can tell yet how long it takes.")
    recorded = page.evaluate("window.recorded")
    assert page.evaluate("window.same"), "the page is the same one"
    assert len(recorded["places"]) == 1, "the buttons stay where they are"
    assert [said.partition(".")[0] for said in recorded["said"][1:]] == [
        "You are 2nd of 11 in line",
        "You are next in line",
    ]


@pytest.mark.parametrize(
    ("position", "words"),
    [(11, "11th"), (12, "12th"), (21, "21st"), (22, "22nd"), (103, "103rd"), (112, "112th")],
)
def test_a_place_is_said_as_people_count(hub, page, position, words) -> None:
    stand_in_line(page, hub, f"counter-{position}", place(position, 200))
    assert text(page, "#place") == f"You are {words} of 200 in line"


def test_the_estimate_has_its_reason_and_the_readers_own_time(hub, page) -> None:
    script = place(2, 5, 12)
    stand_in_line(page, hub, "timer", script)
    at = datetime.fromisoformat(script["waiting"]["at"]) + timedelta(hours=8)
    assert page.text_content("#estimate") == f"about 12 min, at {at:%H:%M}."
    assert text(page, "#basis") == f"2 leases end before {next_minute(at, 0):%H:%M}."
    assert text(page, ".line").count("{") == 0
    hub.script(place(2, 5, -1))
    says(page, "#estimate", "Any moment now.")


def test_everything_is_said_in_chinese(hub, engine) -> None:
    for page in open_page(hub, engine, locale="zh-CN", timezone_id="UTC"):
        script = place(2, 5, 12, holding=4)
        stand_in_line(page, hub, "chinese", script)
        at = datetime.fromisoformat(script["waiting"]["at"])
        assert text(page, "#place") == "您排在第 2 位，共 5 人"  # noqa: RUF001
        assert text(page, "#estimate") == f"约 12 分钟，预计 {at:%H:%M}。"  # noqa: RUF001
        assert text(page, "#basis") == f"{next_minute(at, 0):%H:%M} 之前有 2 个租用到期。"
        assert text(page, "#counts") == "排队人数：5 · 在用 GPU：4"  # noqa: RUF001
        assert text(page, "#cancel") == "退出排队"


def test_a_page_opened_again_shows_the_old_place(hub, page) -> None:
    stand_in_line(page, hub, "laptop")
    page.goto("/hub/home")
    page.click("text=See how far it is")
    says(page, "#place", "You are 2nd of 5 in line")


# -- leaving, the CPU, the turn ----------------------------------------------------------------


def test_leaving_takes_the_start_away(hub, page) -> None:
    stand_in_line(page, hub, "leaver")
    assert text(page, "#cancel") == "Leave the queue"
    page.click("#cancel")
    page.wait_for_url("**/hub/home?start=left")
    assert "You left the queue." in text(page, "main")
    assert hub.api("GET", "/users/leaver").json()["servers"] == {}


def test_the_cpu_instead_goes_on_in_place(hub, page) -> None:
    page.add_init_script(NOTIFICATIONS)
    stand_in_line(page, hub, "hasty", {**place(2, 5), "seconds": 0.5})
    page.focus("#to-cpu")
    page.keyboard.press("Enter")
    page.wait_for_selector("#line", state="hidden")
    assert page.evaluate("document.activeElement.tagName") == "H1"
    assert text(page, "#cancel") == "Cancel the start"
    assert page.is_hidden("#to-cpu")
    page.wait_for_url("**/user/hasty/**")
    options = hub.api("GET", "/users/hasty").json()["servers"][""]["user_options"]
    assert options == {"profile": "cpu"}


def test_a_switch_that_is_refused_says_why_and_waits_on(hub, page) -> None:
    why = "This profile needs 4 GPUs and this room has 2."
    stand_in_line(page, hub, "refused", {**place(2, 5), "no_cpu": why})
    page.click("#to-cpu")
    says(page, "#line-problem", why)
    assert page.is_visible("#line-problem")
    hub.script(place(1, 5))
    says(page, "#place", "You are next in line")
    assert page.is_visible("#line-problem"), "it does not go with the next event"


def test_a_room_without_a_cpu_profile_does_not_offer_it(hub, page) -> None:
    stand_in_line(page, hub, "stuck", place(2, 5, cpu=False))
    assert page.is_hidden("#to-cpu")


def test_the_turn_comes_and_the_page_goes_on(hub, page) -> None:
    page.add_init_script(NOTIFICATIONS)
    stand_in_line(page, hub, "patient")
    assert page.title() == "2 of 5 · Waiting for a GPU"
    hub.script({"seconds": 30})
    page.wait_for_selector("#line", state="hidden")
    page.wait_for_selector(".step.current[data-stage=home]")
    assert page.locator(".step:visible").count() == 6
    assert page.evaluate("window.shown") == [], "who looks needs no notification"
    hub.script({})
    page.wait_for_url("**/user/patient/**")
    assert page.inner_text("h1") == "The lab"


def test_a_hidden_tab_says_that_the_turn_has_come(hub, page) -> None:
    page.add_init_script(NOTIFICATIONS)
    stand_in_line(page, hub, "away")
    assert page.evaluate("window.asked") == 0, "nothing is asked for on load"
    page.click("#tell-me")
    page.wait_for_selector("#told:not([hidden])")
    assert page.evaluate("window.asked") == 1
    assert page.evaluate("document.activeElement.id") == "told", "the focus is not lost"
    assert page.is_hidden("#tell-me")
    page.evaluate(HIDE, True)
    hub.script({"seconds": 30})
    page.wait_for_function("document.title === '✓ It is your turn'")
    assert page.evaluate("window.shown") == [["It is your turn", "Your server is starting."]]
    hub.script({"seconds": 0.5})
    page.wait_for_selector(".step.current[data-stage=creating]")
    assert page.title() == "✓ It is your turn", "later steps do not take it away"
    hub.script({"seconds": 30})
    page.evaluate(HIDE, False)
    page.wait_for_function("document.title.endsWith('Starting…')")


def test_who_was_asked_once_is_not_asked_again(hub, page) -> None:
    page.add_init_script(NOTIFICATIONS + "localStorage.answer = 'denied';")
    stand_in_line(page, hub, "asked")
    page.click("#tell-me")
    says(
        page,
        "#told",
        "Your browser does not allow notifications. "
        "The title of this tab will say when it is your turn.",
    )
    page.reload()
    page.wait_for_selector("#line:not([hidden])")
    assert page.is_hidden("#tell-me")


# -- the hub is restarted ----------------------------------------------------------------------


def test_a_hub_restarted_while_waiting_is_waited_for(hub, page) -> None:
    stand_in_line(page, hub, "survivor")
    page.evaluate("window.same = true")
    hub.stop(signal.SIGKILL)
    page.wait_for_selector("text=The room does not answer at the moment")
    hub.script({**place(2, 5), "ticket": True})
    hub.start()
    page.wait_for_selector("text=Your place in line is kept")
    # As the hub itself does, a few seconds after its start.
    assert hub.api("POST", "/users/survivor/server").status_code in (201, 202)
    hub.script(place(1, 5))
    says(page, "#place", "You are next in line")
    assert page.evaluate("window.same"), "the page is the same one"
    assert page.is_hidden("#note")
    hub.script({})
    page.wait_for_url("**/user/survivor/**")


def test_a_place_that_is_gone_after_a_restart_is_said(hub, page) -> None:
    stand_in_line(page, hub, "unlucky")
    hub.stop(signal.SIGKILL)
    hub.script({"ticket": False})
    hub.start()
    page.wait_for_url("**/hub/home?start=gone", timeout=30_000)


# -- the start page ----------------------------------------------------------------------------

FREE = {"gpu": {"free": 3, "total": 4}, "big": {"free": 0, "total": 4}}


def cards(page, hub, login: str, gpus) -> None:
    hub.script({"gpus": gpus})
    log_in(page, hub, login)


def test_a_card_says_how_many_are_free_and_goes_on_saying_it(hub, page) -> None:
    hub.person("watcher")
    page.clock.install()
    cards(page, hub, "watcher", FREE)
    card = "[data-slug=gpu]"
    page.wait_for_load_state()
    hub.script({"gpus": FREE})
    page.reload()
    assert text(page, f"{card} .free") == "3 of 4 free"
    assert text(page, f"{card} .queue") == ""
    steps = [
        ({"free": 0, "total": 4, "wait": 720}, "All in use, about 12 min", True),
        ({"free": 0, "total": 4}, "All in use", True),
        ({"free": 1, "total": 4}, "1 of 4 free", False),
    ]
    for said, words, waits in steps:
        hub.script({"gpus": {"gpu": said}})
        page.clock.run_for(5_000)
        says(page, f"{card} .free", words)
        says(page, f"{card} .queue", "You would wait in line." if waits else "")
        assert page.is_enabled("#profile-gpu"), "a full one can be chosen"


def test_the_first_page_says_the_same_without_any_script(hub, engine) -> None:
    for page in open_page(hub, engine, java_script_enabled=False):
        token = hub.person("plain")
        page.goto("/hub/login")
        page.fill("#token", token)
        hub.script({"gpus": {"gpu": {"free": 0, "total": 4, "wait": 720}}})
        page.click("#submit")
        assert text(page, "[data-slug=gpu] .free") == "All in use, about 12 min"
        assert text(page, "[data-slug=gpu] .queue") == "You would wait in line."


def test_a_full_card_is_chosen_and_queues(hub, page) -> None:
    cards(page, hub, "queuer", {"gpu": {"free": 0, "total": 4}})
    hub.script({"gpus": {"gpu": {"free": 0, "total": 4}}})
    page.reload()
    page.check("#profile-gpu", force=True)
    hub.script(place(1, 1))
    page.click("#spawn_form button[type=submit]")
    page.wait_for_selector("#line:not([hidden])")


def test_a_forbidden_card_says_why_and_comes_back(hub, page) -> None:
    why = "This profile needs 4 GPUs and this room has 2."
    page.clock.install()
    log_in(page, hub, "limited")
    hub.script({"gpus": {"gpu": {"free": 2, "total": 2, "forbidden": why}}})
    page.reload()
    assert page.is_disabled("#profile-gpu")
    assert text(page, "#about-gpu .why") == f"Not available: {why}"
    assert page.is_hidden("#about-gpu .now")
    hub.script({"gpus": {"gpu": {"free": 2, "total": 2}}})
    page.clock.run_for(5_000)
    page.wait_for_selector("#about-gpu .now:not([hidden])")
    assert page.is_enabled("#profile-gpu")
    assert page.is_hidden("#about-gpu .why")


def test_the_hub_is_asked_less_while_it_is_away_and_not_while_nobody_looks(hub, page) -> None:
    page.clock.install()
    log_in(page, hub, "quiet")
    hub.script({"gpus": FREE})
    asked: list[str] = []
    page.route("**/hub/room/gpus*", lambda route: (asked.append("."), route.abort()))
    page.reload()
    counts = []
    for _ in range(6):
        page.clock.run_for(5_000)
        page.wait_for_timeout(150)
        counts.append(len(asked))
    assert counts == [1, 1, 2, 2, 2, 2], "after 5 s, 10 s more, then 20 s more"
    page.evaluate(HIDE, True)
    page.clock.run_for(120_000)
    page.wait_for_timeout(150)
    assert len(asked) == 2
    page.evaluate(HIDE, False)
    wait_until(lambda: page.wait_for_timeout(50) or len(asked) == 3, timeout=10)


# -- by eye, and for who does not see ----------------------------------------------------------

SEATED = {
    "gpu": {"free": 0, "total": 8, "wait": 720, "seat": True},
    "big": {"free": 0, "total": 2, "forbidden": "This profile needs 4 GPUs and this room has 2."},
}


@pytest.mark.parametrize("look", LOOKS)
def test_both_pages_are_accessible_and_fit(hub, engine, look, request) -> None:
    width, name = look["width"], request.node.callspec.id
    options = {key: value for key, value in look.items() if key != "width"}
    for page in open_page(hub, engine, viewport={"width": width, "height": 800}, **options):
        page.add_init_script(NOTIFICATIONS)
        log_in(page, hub, f"queue-eye-{name}")
        hub.script({"gpus": SEATED})
        page.reload()
        page.check("#profile-gpu", force=True)
        check(page, f"{name}-start-gpus")
        hub.script(place(2, 5, holding=4))
        page.click("#spawn_form button[type=submit]")
        page.wait_for_selector("#line:not([hidden])")
        check(page, f"{name}-waiting")
